use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};

use crate::hex::{Hex, read_hex};
use crate::key_folder::{read_private, write_new};
use crate::lines::Lines;
use crate::public_key::{in_file, read_head};
use crate::{Document, KeyKind, KeyName, PublicKey, Signature, SignatureError, Statement};

const WHAT: &str = "a private key";
const MAGIC: &str = "flagstone private key 1";
const FILE_MAX: usize = 512;

/// A key that signs. Its bytes are wiped from memory when it is dropped; the text of its file is not.
pub struct PrivateKey {
    name: KeyName,
    kind: KeyKind,
    key: SigningKey,
}

impl PrivateKey {
    /// Makes a key from 32 random bytes (RFC 8032, 5.1.5), which nobody else may ever know.
    pub fn from_seed(seed: &[u8; 32], name: KeyName, kind: KeyKind) -> Self {
        Self { name, kind, key: SigningKey::from_bytes(seed) }
    }

    /// Returns the key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.key.verifying_key(), self.name.clone(), self.kind)
    }

    /// Signs a statement; the same statement gives the same signature.
    pub fn sign(&self, statement: &Statement) -> Signature {
        Signature::from_bytes(self.key.sign(&statement.to_sign()).to_bytes())
    }

    /// Signs a document as it is; the same document gives the same signature.
    pub fn sign_document(&self, document: Document<'_>) -> Signature {
        Signature::from_bytes(self.key.sign(document.as_bytes()).to_bytes())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it is not exactly what [`Self::to_text`] writes.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let mut lines = Lines::open(WHAT, text, FILE_MAX, MAGIC)?;
        let (written, name, kind) = read_head(&mut lines)?;
        let seed = lines.field("seed", "it is \"seed: \" and 64 hexadecimal digits")?;
        let seed = read_hex(seed).ok_or_else(|| lines.wrong("a seed has 64 hexadecimal digits"))?;
        lines.end()?;
        let key = Self::from_seed(&seed, name, kind);
        match key.public().id() {
            actual if actual == written => Ok(key),
            actual => Err(SignatureError::WrongId { written, actual }),
        }
    }

    /// Returns the text of a file, which is as secret as the key.
    pub fn to_text(&self) -> String {
        let Self { name, kind, key } = self;
        let (id, seed) = (self.public().id(), Hex(key.as_bytes()).to_string());
        format!("{MAGIC}\nid: {id}\nname: {name}\nkind: {kind}\nseed: {seed}\n")
    }

    /// Reads a file that nobody but its owner can read.
    ///
    /// # Errors
    /// As [`Self::parse`], with the path; [`SignatureError::Exposed`], [`SignatureError::File`].
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let text = read_private(path, WHAT, FILE_MAX)?;
        Self::parse(&text).map_err(|source| in_file(path, source))
    }

    /// Writes a file of mode 0600 that must not be there yet.
    ///
    /// # Errors
    /// [`SignatureError::Exists`], [`SignatureError::File`].
    pub fn write(&self, path: &Path) -> Result<(), SignatureError> {
        write_new(path, self.to_text().as_bytes(), 0o600)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public().id())
    }
}
