use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use super::{FORMAT_VERSION, Parameters};

/// A store of compressed contents.
///
/// Compression is a pure function of what the key is the digest of, so a store may keep its values
/// for ever and between images. What it gives is checked for its lengths only: a store that can be
/// tampered with must check its own bytes.
pub trait ExtentCache: Sync {
    /// Returns what was stored under the key.
    fn get(&self, key: &ExtentKey) -> Option<Bytes>;

    /// Stores a value, or does not; a failure costs time at the next build, nothing else.
    fn put(&self, key: &ExtentKey, value: &[u8]);
}

/// The name of a compressed content: a digest of what it is made of, of compressor and its version,
/// level, cluster size, and [`FORMAT_VERSION`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentKey(Sha256Digest);

impl ExtentKey {
    /// Returns the key of parts of contents, given by the digests of these, and zeros after them.
    pub(super) fn new<'a>(
        parts: impl Iterator<Item = (&'a Sha256Digest, &'a Range<u64>)>,
        padding: u64,
        parameters: Parameters,
    ) -> Self {
        let Parameters { compression, cluster } = parameters;
        let mut hasher = Sha256Hasher::new();
        let settings = format!(
            "flagstone erofs extents {FORMAT_VERSION}, {compression}, {} bytes, libzstd {}, liblz4 {}, {padding}\n",
            cluster.bytes(),
            zstd::zstd_safe::version_number(),
            lzzzz::version_number(),
        );
        hasher.update(settings.as_bytes());
        for (digest, range) in parts {
            hasher.update(digest.as_bytes());
            hasher.update(&range.start.to_le_bytes());
            hasher.update(&range.end.to_le_bytes());
        }
        Self(hasher.finish())
    }

    /// Returns the digest.
    pub fn digest(&self) -> &Sha256Digest {
        &self.0
    }
}

impl fmt::Debug for ExtentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtentKey({})", self.0)
    }
}
