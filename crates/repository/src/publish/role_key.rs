use std::fmt::Write as _;

use flagstone_artifact::Sha256Digest;
use flagstone_signature::PublicKey;
use serde_json::json;

use crate::canonical::canonical;
use crate::key::{ED25519, Key, KeyValue};

impl Key {
    /// Wraps a key.
    pub(super) fn of(key: &PublicKey) -> Self {
        let public = to_hex(key.as_bytes());
        Self {
            keytype: ED25519.to_owned(),
            scheme: ED25519.to_owned(),
            keyval: KeyValue { public },
        }
    }

    /// Returns its identifier: the SHA-256 of its canonical form (TUF 1.0, 4.2).
    pub(super) fn id(&self) -> String {
        let Self { keytype, scheme, keyval: KeyValue { public } } = self;
        let value = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}});
        let bytes = canonical(&value).expect("there is no number in it");
        Sha256Digest::of(&bytes).to_string()
    }
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use flagstone_signature::KeyKind;

    use super::*;
    use crate::key::hex_bytes;

    /// The key of the first test in RFC 8032, 7.1, and its id by `securesystemslib` 1.6.0.
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const ID: &str = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916";

    #[test]
    fn identifiers_are_those_of_the_reference() {
        let bytes = hex_bytes(PUBLIC).unwrap();
        let key = PublicKey::new(&bytes, "a".parse().unwrap(), KeyKind::Release).unwrap();
        let key = Key::of(&key);
        assert_eq!(key.public().unwrap().as_bytes(), &bytes);
        assert_eq!(key.id(), ID);
    }
}
