use std::collections::{BTreeMap, BTreeSet};

use flagstone_signature::{Document, Signature};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::canonical::canonical;
use crate::key::{Key, hex_bytes};
use crate::{RepositoryError, Role, UtcTime};

/// Metadata as they were read: what is said, and by whom; nothing of it is verified.
#[derive(Debug)]
pub(crate) struct Signed {
    file: String,
    role: Role,
    signatures: Vec<SignatureEntry>,
    content: Value,
    /// What the signatures are over.
    canonical: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    signatures: Vec<SignatureEntry>,
    #[serde(rename = "signed")]
    content: Value,
}

#[derive(Debug, Deserialize)]
struct SignatureEntry {
    keyid: String,
    sig: String,
}

/// What all metadata begin with.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: UtcTime,
}

/// Which keys a role has, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(crate) struct RoleKeys {
    pub(crate) keyids: Vec<String>,
    pub(crate) threshold: u32,
}

/// Metadata that enough keys have signed.
#[derive(Clone, Debug)]
pub(crate) struct Verified<T> {
    pub(crate) version: u64,
    pub(crate) expires: UtcTime,
    pub(crate) content: T,
}

impl Signed {
    /// Reads the bytes of a file, which `file` names in messages.
    pub(crate) fn parse(role: Role, file: &str, bytes: &[u8]) -> Result<Self, RepositoryError> {
        let envelope: Envelope =
            serde_json::from_slice(bytes).map_err(|source| RepositoryError::json(file, source))?;
        let Envelope { signatures, content } = envelope;
        if !content.is_object() {
            return Err(RepositoryError::format(file, "what is signed is an object"));
        }
        let canonical = canonical(&content)
            .ok_or_else(|| RepositoryError::format(file, "its numbers are whole"))?;
        Ok(Self { file: file.to_owned(), role, signatures, content, canonical })
    }

    /// Checks that enough keys of the role have signed. A key counts once, whatever it is called by, and
    /// signatures of other keys are passed over (TUF 1.0, 5.4.2 and its likes).
    pub(crate) fn check(
        &self,
        keys: &BTreeMap<String, Key>,
        role: &RoleKeys,
    ) -> Result<(), RepositoryError> {
        let document = Document::new(&self.canonical)
            .map_err(|_| RepositoryError::format(&self.file, "what is signed is an object"))?;
        let mut signers = BTreeSet::new();
        for SignatureEntry { keyid, sig } in &self.signatures {
            let known = role.keyids.contains(keyid).then(|| keys.get(keyid)?.public()).flatten();
            let signature = hex_bytes(sig).map(Signature::from_bytes);
            if let (Some(key), Some(signature)) = (known, signature)
                && key.verify_document(document, &signature).is_ok()
            {
                signers.insert(*key.as_bytes());
            }
        }
        let needed = usize::try_from(role.threshold).unwrap_or(usize::MAX);
        // No threshold would mean that nobody has to sign.
        if signers.len() < needed.max(1) {
            let file = self.file.clone();
            return Err(RepositoryError::BadSignature { file, valid: signers.len(), needed });
        }
        Ok(())
    }

    /// Reads what is said; only for root metadata before [`Self::check`], which names its own keys.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<Verified<T>, RepositoryError> {
        let Self { file, role, content, .. } = self;
        let json = |source| RepositoryError::json(file, source);
        let head = Head::deserialize(content).map_err(json)?;
        if head.kind != role.name() {
            return Err(RepositoryError::format(file, "its type is that of its role"));
        }
        if head.spec_version.split('.').next() != Some("1") {
            return Err(RepositoryError::format(file, "it follows version 1 of the specification"));
        }
        if head.version == 0 {
            return Err(RepositoryError::format(file, "versions count from 1"));
        }
        let read = T::deserialize(content).map_err(json)?;
        Ok(Verified { version: head.version, expires: head.expires, content: read })
    }
}

impl<T> Verified<T> {
    /// Refuses metadata whose time is over.
    pub(crate) fn check_expiry(&self, file: &str, now: UtcTime) -> Result<(), RepositoryError> {
        if self.expires > now {
            return Ok(());
        }
        Err(RepositoryError::Expired { file: file.to_owned(), expired: self.expires, now })
    }

    /// Refuses metadata that are older than what was seen.
    pub(crate) fn check_version(&self, file: &str, seen: u64) -> Result<(), RepositoryError> {
        if self.version >= seen {
            return Ok(());
        }
        Err(RepositoryError::Rollback { file: file.to_owned(), seen, found: self.version })
    }
}
