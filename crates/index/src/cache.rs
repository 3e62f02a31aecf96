use bytes::Bytes;
use flagstone_artifact::Sha256Digest;

/// A store of what takes long to read or to make: what kernel modules say about themselves, and the
/// hardware database.
///
/// Every value is a pure function of what its key is the digest of, so a store may keep it for ever
/// and between trees. A value that is none is passed over where that can be told, but a store that
/// can be tampered with must check its own bytes.
pub trait IndexCache: Sync {
    /// Returns what was stored under the key.
    fn get(&self, key: &Sha256Digest) -> Option<Bytes>;

    /// Stores a value, or does not; a failure costs time at the next build, nothing else.
    fn put(&self, key: &Sha256Digest, value: &[u8]);
}
