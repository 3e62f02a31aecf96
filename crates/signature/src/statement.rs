use flagstone_artifact::Sha256Digest;

use crate::Purpose;

/// The first line of everything that is signed: no other program's signatures start so.
const DOMAIN: &str = "flagstone signature 1\n";

/// What a signature says: "for this purpose, the message with this digest".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    purpose: Purpose,
    digest: Sha256Digest,
}

impl Statement {
    /// Makes the statement about a message.
    pub fn about(purpose: Purpose, message: &[u8]) -> Self {
        Self::of_digest(purpose, Sha256Digest::of(message))
    }

    /// Makes the statement about a message whose digest is known.
    pub fn of_digest(purpose: Purpose, digest: Sha256Digest) -> Self {
        Self { purpose, digest }
    }

    /// Returns what it is for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Returns the digest of the message.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Returns the exact bytes that Ed25519 signs: `flagstone signature 1`, a line feed, the
    /// purpose, a line feed, and the 32 bytes of the digest.
    ///
    /// This is all that a key on another machine needs; any implementation of Ed25519 can sign it.
    pub fn to_sign(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(DOMAIN.len() + 33 + 32);
        bytes.extend_from_slice(DOMAIN.as_bytes());
        bytes.extend_from_slice(self.purpose.as_str().as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(self.digest.as_bytes());
        bytes
    }
}
