use std::fmt;
use std::str::FromStr;

use crate::{Architecture, ParseError, serde_as_text};

/// The id of an image, as in `IMAGE_ID=` of os-release: 1 to 16 of `a–z 0–9 . -`, starting with a
/// letter.
///
/// `_` is not allowed: it separates id, version and architecture in file names (UAPI version format
/// specification). The length leaves room for version and `_verity` in a GPT label of 36 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(String);

/// The version of an image, as in `IMAGE_VERSION=`: 1 to 12 of `A–Z a–z 0–9 . ~ ^ -`, starting with
/// a digit.
///
/// No `_`, which separates it from its neighbours, and no `+`, which starts the boot counter in the
/// loader's file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageVersion(String);

impl ImageId {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ImageVersion {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImageId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let shape = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 16
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
        shape.then(|| Self(text.to_owned())).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "an image id",
            rule: "it has 1 to 16 of a-z, 0-9, \".\" and \"-\", and starts with a letter",
        })
    }
}

impl FromStr for ImageVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'~' | b'^' | b'-');
        let shape = text.starts_with(|c: char| c.is_ascii_digit())
            && text.len() <= 12
            && text.bytes().all(allowed);
        shape.then(|| Self(text.to_owned())).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "an image version",
            rule: "it has 1 to 12 of A-Z, a-z, 0-9, \".\", \"~\", \"^\" and \"-\", and starts with a digit",
        })
    }
}

serde_as_text!(ImageId);
serde_as_text!(ImageVersion);

/// What names one release of one image: `<id>_<version>_<architecture>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The image's id.
    pub id: ImageId,
    /// Its version.
    pub version: ImageVersion,
    /// Its architecture.
    pub architecture: Architecture,
}

impl ImageName {
    /// Returns the GPT label of the usr partition: `<id>_<version>`, at most 36 characters with the
    /// suffix of [`Self::verity_label`].
    pub fn usr_label(&self) -> String {
        format!("{}_{}", self.id, self.version)
    }

    /// Returns the GPT label of the partition that holds the hash tree: `<id>_<version>_verity`.
    pub fn verity_label(&self) -> String {
        format!("{}_verity", self.usr_label())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.id, self.version, self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_counters_cannot_hide_in_names() {
        for bad in ["", "Base", "1base", "a_b", "a/b", &"a".repeat(17)] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
        for bad in ["", "v1", "1_2", "1+3", "1/2", &"1".repeat(13)] {
            assert!(bad.parse::<ImageVersion>().is_err(), "{bad}");
        }
        assert!("13.8~rc1".parse::<ImageVersion>().is_ok());
    }

    #[test]
    fn names_follow_the_version_specification() {
        let name = ImageName {
            id: "base".parse().unwrap(),
            version: "1.2".parse().unwrap(),
            architecture: Architecture::X86_64,
        };
        assert_eq!(name.to_string(), "base_1.2_x86-64");
        assert_eq!(name.verity_label(), "base_1.2_verity");
    }
}
