use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

/// The longest name of a key, in bytes.
const NAME_MAX: usize = 64;

/// What people call a key, and its files: 1 to 64 letters, digits, `.`, `_`, `@`, `+` and `-`, not
/// starting with a dot or a dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
        let plain = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if !plain || text.starts_with(['.', '-']) {
            return Err(ParseError {
                text: text.chars().take(80).collect(),
                what: "a key's name",
                rule: "it has 1 to 64 letters, digits, and . _ @ + -, and starts with neither . nor -",
            });
        }
        Ok(Self(text.to_owned()))
    }
}
