use flagstone_signature::{KeyKind, PublicKey};
use serde::{Deserialize, Serialize};

/// The only type, and scheme, of keys that count.
pub(crate) const ED25519: &str = "ed25519";

/// A key as root metadata have it. Of an unknown type it is kept, but its signatures do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) keytype: String,
    pub(crate) scheme: String,
    pub(crate) keyval: KeyValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyValue {
    pub(crate) public: String,
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

#[cfg(test)]
mod tests {
    use super::*;

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
