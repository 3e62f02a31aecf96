use crate::SignatureError;

/// A text that is signed as it is, because somebody else's format says so: the canonical JSON of TUF.
///
/// It starts with `{`, and what a [`Statement`](crate::Statement) signs never does, so that a signature
/// on the one is none on the other, even if one key made both.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a>(&'a [u8]);

impl<'a> Document<'a> {
    /// Wraps a text.
    ///
    /// # Errors
    /// [`SignatureError::NoDocument`] for one that does not start with `{`.
    pub fn new(text: &'a [u8]) -> Result<Self, SignatureError> {
        if text.starts_with(b"{") { Ok(Self(text)) } else { Err(SignatureError::NoDocument) }
    }

    /// Returns what gets signed.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyKind, PrivateKey, Purpose, Signature, Statement};

    #[test]
    fn a_document_is_never_a_statement() {
        let key = PrivateKey::from_seed(&[7; 32], "a".parse().unwrap(), KeyKind::Release);
        let document = Document::new(b"{}").unwrap();
        let signature = key.sign_document(document);
        key.public().verify_document(document, &signature).unwrap();
        let other = Document::new(b"{ }").unwrap();
        assert!(key.public().verify_document(other, &signature).is_err());
        assert!(key.public().verify_document(document, &Signature::from_bytes([0; 64])).is_err());
        for purpose in [Purpose::payload(), Purpose::payload_metadata(), Purpose::sha256sums()] {
            let statement = Statement::about(purpose, b"{}").to_sign();
            assert!(matches!(Document::new(&statement), Err(SignatureError::NoDocument)));
        }
    }
}
