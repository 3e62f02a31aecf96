use std::fmt;
use std::str::FromStr;

use sha2::digest::common::hazmat::SerializableState as _;
use sha2::{Digest, Sha256};

use crate::{ParseError, serde_as_text};

/// A SHA-256 digest (FIPS 180-4): 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// Wraps the bytes of a digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the digest of `data`.
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).into())
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl FromStr for Sha256Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            text: text.chars().take(80).collect(),
            what: "a SHA-256 digest",
            rule: "it has 64 lower-case hexadecimal digits",
        };
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        for (byte, pair) in bytes.iter_mut().zip(0..) {
            *byte = u8::from_str_radix(&text[pair * 2..pair * 2 + 2], 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

serde_as_text!(Sha256Digest);

/// Computes a [`Sha256Digest`] piece by piece.
#[derive(Clone, Default)]
pub struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    /// Starts an empty digest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns what there is to keep in order to [go on](Self::from_state) later, in another process too: the
    /// words of the digest and the bytes that do not yet fill a block. Its form is that of the crate `sha2`, which
    /// may change with its minor versions.
    pub fn state(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Goes on from what was kept; `None` if it is not of this form.
    pub fn from_state(state: &[u8]) -> Option<Self> {
        Some(Self(Sha256::deserialize(state.try_into().ok()?).ok()?))
    }

    /// Returns the digest of all bytes added.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Sha256Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sha256Hasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_empty_digest_is_the_known_one() {
        assert_eq!(Sha256Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Sha256Hasher::new().finish(), EMPTY.parse().unwrap());
    }

    #[test]
    fn a_digest_goes_on_where_it_was_left() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for at in [0, 1, 63, 64, 65, 999, 1000] {
            let mut hasher = Sha256Hasher::new();
            hasher.update(&data[..at]);
            let state = hasher.state();
            let mut hasher = Sha256Hasher::from_state(&state).unwrap();
            hasher.update(&data[at..]);
            assert_eq!(hasher.finish(), Sha256Digest::of(&data), "at {at}");
            for bad in [&state[1..], &[], &[&state[..], &[0]].concat()] {
                assert!(Sha256Hasher::from_state(bad).is_none());
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in ["", &EMPTY[1..], &EMPTY.to_uppercase(), &EMPTY.replace('e', "g")] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
        }
        assert!("é".repeat(32).parse::<Sha256Digest>().is_err());
    }
}
