use std::fmt;
use std::str::FromStr;

use flagstone_artifact::{Architecture, ImageId, ParseError};

use crate::TargetName;

/// The name of a channel: 1 to 32 lower-case letters, digits and dashes, starting with a letter.
///
/// `alpha`, `beta`, `stable` and `lts` are the usual ones; any other is as good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(String);

impl Channel {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the channel's file for an image: `channels/<channel>/<id>_<architecture>.json`.
    pub fn file_for(&self, id: &ImageId, architecture: Architecture) -> TargetName {
        TargetName::known(format!("channels/{self}/{id}_{architecture}.json"))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Channel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let shape = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(allowed);
        shape.then(|| Self(text.to_owned())).ok_or_else(|| ParseError {
            text: text.chars().take(80).collect(),
            what: "a channel",
            rule: "it has 1 to 32 of a-z, 0-9 and \"-\", and starts with a letter",
        })
    }
}
