use std::fmt;
use std::str::FromStr;

use flagstone_artifact::{ParseError, Sha256Digest};

use crate::hex::{Hex, read_hex};

/// The name of a key: the first 8 bytes of the SHA-256 of its 32 bytes, as 16 hexadecimal digits.
///
/// It only says which key to try, so 64 bits are enough: a signature is checked against the whole
/// key, and a set with two keys of one id is refused. Short enough to be read out to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Wraps the 8 bytes of an id, as formats have it that are no text.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the 8 bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Returns the id of the 32 bytes of a public key.
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        let digest = Sha256Digest::of(key);
        let (id, _) = digest.as_bytes().split_first_chunk().expect("32 bytes are more than 8");
        Self(*id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        read_hex(text).map(Self).ok_or_else(|| ParseError {
            text: text.chars().take(80).collect(),
            what: "a key id",
            rule: "it has 16 lower-case hexadecimal digits",
        })
    }
}
