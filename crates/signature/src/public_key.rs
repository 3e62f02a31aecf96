use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};

use crate::hex::{Hex, read_hex};
use crate::key_folder::{read_file, write_new};
use crate::lines::Lines;
use crate::{Document, KeyId, KeyKind, KeyName, Signature, SignatureError, Statement};

const WHAT: &str = "a public key";
const MAGIC: &str = "flagstone public key 1";
/// No file in the format is longer: 5 lines, the longest of 77 bytes.
const FILE_MAX: usize = 512;
/// What stands before an Ed25519 key in DER (RFC 8410, sections 3 and 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that checks signatures, with what people should know of it.
///
/// Name and kind are what its maker wrote into the file: they are for people, and nothing vouches
/// for them but who put the file where it is trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: KeyName,
    kind: KeyKind,
    key: VerifyingKey,
}

impl PublicKey {
    /// Takes the 32 bytes of a key (RFC 8032, 5.1.5).
    ///
    /// # Errors
    /// [`SignatureError::WeakKey`] for bytes that are no point of the curve, not the only encoding of
    /// their point, or a point of small order.
    pub fn new(bytes: &[u8; 32], name: KeyName, kind: KeyKind) -> Result<Self, SignatureError> {
        let key = VerifyingKey::from_bytes(bytes)
            .map_err(|_| SignatureError::WeakKey("it is no point of the curve"))?;
        if key.is_weak() {
            return Err(SignatureError::WeakKey("it has a small order, so anybody could sign"));
        }
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(SignatureError::WeakKey("it is not spelled in the canonical way"));
        }
        Ok(Self { name, kind, key })
    }

    pub(crate) fn of(key: VerifyingKey, name: KeyName, kind: KeyKind) -> Self {
        Self { name, kind, key }
    }

    /// Returns its id.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.key.as_bytes())
    }

    /// Returns its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns what it may be relied on for.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Returns the key in DER as other programs read it (`SubjectPublicKeyInfo`, RFC 8410).
    pub fn to_der(&self) -> [u8; 44] {
        let mut der = [0; 44];
        der[..12].copy_from_slice(&SPKI_PREFIX);
        der[12..].copy_from_slice(self.key.as_bytes());
        der
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`SignatureError::BadSignature`].
    pub fn verify(
        &self,
        statement: &Statement,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_bytes(&statement.to_sign(), signature)
    }

    /// Checks a signature on a document as it is.
    ///
    /// # Errors
    /// [`SignatureError::BadSignature`].
    pub fn verify_document(
        &self,
        document: Document<'_>,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_bytes(document.as_bytes(), signature)
    }

    fn verify_bytes(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = Ed25519Signature::from_bytes(signature.as_bytes());
        self.key
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError::BadSignature(self.id()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it is not exactly what [`Self::to_text`] writes.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let mut lines = Lines::open(WHAT, text, FILE_MAX, MAGIC)?;
        let (written, name, kind) = read_head(&mut lines)?;
        let bytes = lines.field("ed25519", "it is \"ed25519: \" and 64 hexadecimal digits")?;
        let bytes =
            read_hex(bytes).ok_or_else(|| lines.wrong("a key has 64 hexadecimal digits"))?;
        lines.end()?;
        let key = Self::new(&bytes, name, kind)?;
        match key.id() {
            actual if actual == written => Ok(key),
            actual => Err(SignatureError::WrongId { written, actual }),
        }
    }

    /// Returns the text of a file.
    pub fn to_text(&self) -> String {
        let Self { name, kind, key } = self;
        let (id, key) = (self.id(), Hex(key.as_bytes()));
        format!("{MAGIC}\nid: {id}\nname: {name}\nkind: {kind}\ned25519: {key}\n")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::parse`], with the path; [`SignatureError::File`].
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let text = read_file(path, WHAT, FILE_MAX)?;
        Self::parse(&text).map_err(|source| in_file(path, source))
    }

    /// Writes a file that must not be there yet.
    ///
    /// # Errors
    /// [`SignatureError::Exists`], [`SignatureError::File`].
    pub fn write(&self, path: &Path) -> Result<(), SignatureError> {
        write_new(path, self.to_text().as_bytes(), 0o644)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {:?})", self.id(), self.name.as_str())
    }
}

/// Reads the lines that public and private keys have in common.
pub(crate) fn read_head(
    lines: &mut Lines<'_>,
) -> Result<(KeyId, KeyName, KeyKind), SignatureError> {
    let id = lines.field("id", "it is \"id: \" and 16 hexadecimal digits")?;
    let id = id.parse().map_err(|_| lines.wrong("a key id has 16 hexadecimal digits"))?;
    let name = lines.field("name", "it is \"name: \" and the key's name")?;
    let name = name.parse().map_err(|_| lines.wrong("a name has 1 to 64 plain characters"))?;
    let kind = lines.field("kind", "it is \"kind: development key\" or \"kind: release key\"")?;
    let kind = KeyKind::from_words(kind)
        .ok_or_else(|| lines.wrong("a key is a development key or a release key"))?;
    Ok((id, name, kind))
}

pub(crate) fn in_file(path: &Path, source: SignatureError) -> SignatureError {
    SignatureError::In { path: path.to_owned(), source: Box::new(source) }
}
