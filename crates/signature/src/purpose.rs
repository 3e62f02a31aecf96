use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

/// The longest purpose, in bytes.
const PURPOSE_MAX: usize = 32;

/// What a signature is for: 1 to 32 lower-case letters, digits and dashes, such as `sha256sums`.
///
/// It is part of what is signed, so that a signature can be used for nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(String);

impl Purpose {
    /// Returns the purpose of signatures on a `SHA256SUMS` file: the artefacts of a build.
    pub fn sha256sums() -> Self {
        Self("sha256sums".to_owned())
    }

    /// Returns the purpose of signatures on an update payload's header and manifest.
    pub fn payload_metadata() -> Self {
        Self("payload-metadata".to_owned())
    }

    /// Returns the purpose of signatures on a whole update payload.
    pub fn payload() -> Self {
        Self("payload".to_owned())
    }

    /// Returns the word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Purpose {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=PURPOSE_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(ParseError {
                text: text.chars().take(80).collect(),
                what: "a purpose",
                rule: "it has 1 to 32 lower-case letters, digits and dashes",
            });
        }
        Ok(Self(text.to_owned()))
    }
}
