use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use crate::hex::{Hex, read_hex};
use crate::key_folder::read_file;
use crate::lines::Lines;
use crate::public_key::in_file;
use crate::{KEYS_MAX, KeyId, Purpose, SignatureError};

const WHAT: &str = "a file of signatures";
const MAGIC: &str = "flagstone signatures 1";
/// A line has 146 bytes, and there are at most [`KEYS_MAX`] of them.
const FILE_MAX: usize = 16 << 10;

/// An Ed25519 signature: 64 bytes (RFC 8032, 5.1.6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps the bytes of a signature, wherever it was made.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", Hex(&self.0))
    }
}

/// Signatures of several keys on one statement, by key id; none of them verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    purpose: Purpose,
    by_key: BTreeMap<KeyId, Signature>,
}

impl Signatures {
    /// Starts without any.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, by_key: BTreeMap::new() }
    }

    /// Returns what they are for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Returns the signatures in the order of their key ids.
    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &Signature)> {
        self.by_key.iter().map(|(id, signature)| (*id, signature))
    }

    /// Adds the signature of a key, in place of the one that it may have given before.
    ///
    /// # Errors
    /// [`SignatureError::TooManyKeys`].
    pub fn add(&mut self, key: KeyId, signature: Signature) -> Result<(), SignatureError> {
        if self.by_key.len() >= KEYS_MAX && !self.by_key.contains_key(&key) {
            return Err(SignatureError::TooManyKeys(KEYS_MAX));
        }
        self.by_key.insert(key, signature);
        Ok(())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it is not exactly what [`Self::to_text`] writes: keys ascend, so that none is there twice.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let mut lines = Lines::open(WHAT, text, FILE_MAX, MAGIC)?;
        let purpose = lines.field("purpose", "it is \"purpose: \" and a word")?;
        let purpose = purpose.parse().map_err(|_| lines.wrong("a purpose is one plain word"))?;
        let mut signatures = Self::new(purpose);
        while let Some(line) = lines.next()? {
            let parts = line.split_once(' ').and_then(|(id, signature)| {
                Some((id.parse().ok()?, Signature(read_hex(signature)?)))
            });
            let (id, signature) =
                parts.ok_or_else(|| lines.wrong("it is a key id, a blank and 128 digits"))?;
            if signatures.by_key.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(lines.wrong("each key is there once, in the order of the ids"));
            }
            signatures.add(id, signature)?;
        }
        Ok(signatures)
    }

    /// Returns the text of a file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{MAGIC}\npurpose: {}\n", self.purpose);
        for (id, signature) in &self.by_key {
            let _ = writeln!(text, "{id} {}", Hex(&signature.0));
        }
        text
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::parse`], with the path; [`SignatureError::File`].
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let text = read_file(path, WHAT, FILE_MAX)?;
        Self::parse(&text).map_err(|source| in_file(path, source))
    }

    /// Returns the longest length of a file, in bytes.
    pub const fn file_max() -> u64 {
        FILE_MAX as u64
    }
}
