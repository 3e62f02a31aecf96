use std::collections::{BTreeMap, BTreeSet};

use crate::{KeyId, PublicKey, SignatureError, Signatures, Statement};

/// The most keys that a set, or signatures that a file, may have.
pub const KEYS_MAX: usize = 64;

/// The keys that are trusted, and how many of them must sign.
#[derive(Clone, Debug)]
pub struct TrustedKeys {
    threshold: usize,
    keys: BTreeMap<KeyId, PublicKey>,
}

impl TrustedKeys {
    /// Makes a set of keys, those left out that were revoked.
    ///
    /// # Errors
    /// [`SignatureError::NoKeys`], [`SignatureError::Duplicate`], [`SignatureError::TooManyKeys`],
    /// and [`SignatureError::Threshold`] if it is 0 or more than there are keys.
    pub fn new(
        keys: Vec<PublicKey>,
        revoked: &BTreeSet<KeyId>,
        threshold: usize,
    ) -> Result<Self, SignatureError> {
        if keys.len() > KEYS_MAX {
            return Err(SignatureError::TooManyKeys(KEYS_MAX));
        }
        let mut by_id = BTreeMap::new();
        for key in keys {
            let id = key.id();
            if by_id.insert(id, key).is_some() {
                return Err(SignatureError::Duplicate(id));
            }
        }
        by_id.retain(|id, _| !revoked.contains(id));
        match by_id.len() {
            0 => Err(SignatureError::NoKeys),
            keys if !(1..=keys).contains(&threshold) => {
                Err(SignatureError::Threshold { threshold, keys })
            }
            _ => Ok(Self { threshold, keys: by_id }),
        }
    }

    /// Returns how many keys must sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Returns the keys in the order of their ids.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }

    /// Checks that enough keys have signed, and returns which.
    ///
    /// Signatures of keys that are not in the set are passed over, so that machines of several ages
    /// can read one file. A signature of a key that is in the set must fit.
    ///
    /// # Errors
    /// [`SignatureError::WrongPurpose`], [`SignatureError::BadSignature`],
    /// [`SignatureError::TooFew`].
    pub fn verify(
        &self,
        statement: &Statement,
        signatures: &Signatures,
    ) -> Result<Vec<&PublicKey>, SignatureError> {
        if signatures.purpose() != statement.purpose() {
            return Err(SignatureError::WrongPurpose {
                expected: statement.purpose().clone(),
                actual: signatures.purpose().clone(),
            });
        }
        let mut signers = Vec::new();
        for (id, signature) in signatures.iter() {
            if let Some(key) = self.keys.get(&id) {
                key.verify(statement, signature)?;
                signers.push(key);
            }
        }
        match signers.len() {
            signed if signed < self.threshold => {
                Err(SignatureError::TooFew { signed, needed: self.threshold })
            }
            _ => Ok(signers),
        }
    }
}
