use std::fmt;
use std::str::FromStr;

use flagstone_artifact::{ParseError, Sha256Digest};

/// The longest name of a target, in bytes.
const NAME_MAX: usize = 200;

/// The name of a target: a relative path of plain segments, such as `base_1.0_x86-64.payload`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// Wraps a name that is made of words with a narrower grammar.
    pub(crate) fn known(name: String) -> Self {
        Self(name)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where the target lies below `targets`, in a repository with consistent snapshots: the
    /// digest is put before the last segment (TUF 1.0, 5.7.3).
    pub(crate) fn path(&self, sha256: Sha256Digest) -> String {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => format!("{folder}/{sha256}.{name}"),
            None => format!("{sha256}.{}", self.0),
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TargetName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~^-".contains(&b);
        let segment =
            |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        if text.len() > NAME_MAX || !text.split('/').all(segment) {
            return Err(ParseError {
                text: text.chars().take(80).collect(),
                what: "the name of a target",
                rule: "it is a relative path of at most 200 letters, digits and \"._~^-\", \
                       no part of which starts with a dot",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl serde::Serialize for TargetName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for TargetName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_folder() {
        let digest = Sha256Digest::of(b"");
        for (name, path) in [
            ("a_1_arm64.payload", format!("{digest}.a_1_arm64.payload")),
            ("channels/stable/a_x.json", format!("channels/stable/{digest}.a_x.json")),
        ] {
            assert_eq!(name.parse::<TargetName>().unwrap().path(digest), path);
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/..", ".a", "a b", "a%2fb", "é", "a\\b"] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad}");
        }
        assert!("a".repeat(201).parse::<TargetName>().is_err());
    }
}
