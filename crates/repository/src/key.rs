use flagstone_artifact::Sha256Digest;
use flagstone_signature::{KeyKind, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::canonical::canonical;

/// The only type, and scheme, of keys that count.
const ED25519: &str = "ed25519";

/// A key as root metadata have it. Of an unknown type it is kept, but its signatures do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    keytype: String,
    scheme: String,
    keyval: KeyValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyValue {
    public: String,
}

impl Key {
    /// Returns the key, if it is one that can check signatures.
    pub(crate) fn public(&self) -> Option<PublicKey> {
        if self.keytype != ED25519 || self.scheme != ED25519 {
            return None;
        }
        let name = "repository".parse().expect("a plain word is a name");
        PublicKey::new(&hex_bytes(&self.keyval.public)?, name, KeyKind::Release).ok()
    }

    /// Wraps a key.
    #[cfg_attr(
        not(feature = "publish"),
        expect(dead_code, reason = "only publishing writes roots")
    )]
    pub(crate) fn of(key: &PublicKey) -> Self {
        let public = to_hex(key.as_bytes());
        Self {
            keytype: ED25519.to_owned(),
            scheme: ED25519.to_owned(),
            keyval: KeyValue { public },
        }
    }

    /// Returns its identifier: the SHA-256 of its canonical form (TUF 1.0, 4.2).
    pub(crate) fn id(&self) -> String {
        let Self { keytype, scheme, keyval } = self;
        let value =
            json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": keyval.public}});
        let bytes = canonical(&value).expect("there is no number in it");
        Sha256Digest::of(&bytes).to_string()
    }
}

/// Reads exactly as many bytes from lower-case hexadecimal digits.
pub(crate) fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let plain = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 2 * N || !plain {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the first test in RFC 8032, 7.1; its id by `securesystemslib`.
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn identifiers_are_those_of_the_reference() {
        let bytes = hex_bytes(PUBLIC).unwrap();
        let key = PublicKey::new(&bytes, "a".parse().unwrap(), KeyKind::Release).unwrap();
        let key = Key::of(&key);
        assert_eq!(key.public().unwrap().as_bytes(), &bytes);
        let text = format!(
            r#"{{"keytype":"ed25519","keyval":{{"public":"{PUBLIC}"}},"scheme":"ed25519"}}"#
        );
        assert_eq!(key.id(), Sha256Digest::of(text.as_bytes()).to_string());
    }

    #[test]
    fn other_keys_check_nothing() {
        for bad in [
            r#"{"keytype":"rsa","scheme":"ed25519","keyval":{"public":"00"}}"#,
            r#"{"keytype":"ed25519","scheme":"x","keyval":{"public":"00"}}"#,
            r#"{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":"00"}}"#,
        ] {
            assert!(serde_json::from_str::<Key>(bad).unwrap().public().is_none(), "{bad}");
        }
    }
}
