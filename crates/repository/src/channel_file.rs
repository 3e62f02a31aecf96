use std::collections::BTreeSet;

use flagstone_artifact::{Architecture, ImageId, ImageVersion, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::wave::broken_rule;
use crate::{Channel, Delta, Offer, RepositoryError, TargetName, UtcTime, Wave};

/// The longest channel file, in bytes.
pub const CHANNEL_FILE_MAX: u64 = 64 << 10;

/// The only format.
const FORMAT: u32 = 1;
/// The most deltas, and the most waves, that a file may have.
const DELTAS_MAX: usize = 128;
const WAVES_MAX: usize = 64;

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    format: u32,
    channel: String,
    id: ImageId,
    architecture: Architecture,
    version: ImageVersion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floor: Option<ImageVersion>,
    payload: TargetName,
    root_hash: Sha256Digest,
    deltas: Vec<Delta>,
    published: UtcTime,
    waves: Vec<Wave>,
}

impl Offer {
    /// Reads a channel file, which `file` names in messages.
    ///
    /// # Errors
    /// [`RepositoryError::TooLong`], [`RepositoryError::Json`], [`RepositoryError::Format`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, RepositoryError> {
        let json = |source| RepositoryError::json(file, source);
        let wrong = |rule| RepositoryError::format(file, rule);
        if bytes.len() as u64 > CHANNEL_FILE_MAX {
            return Err(RepositoryError::TooLong {
                file: file.to_owned(),
                limit: CHANNEL_FILE_MAX,
            });
        }
        let Head { format } = serde_json::from_slice(bytes).map_err(json)?;
        if format != FORMAT {
            return Err(wrong("its format is 1"));
        }
        let read: ChannelFile = serde_json::from_slice(bytes).map_err(json)?;
        let ChannelFile { id, architecture, version, floor, payload, root_hash, .. } = read;
        let offer = Self {
            channel: read.channel.parse().map_err(|_| wrong("it names a channel"))?,
            id,
            architecture,
            version,
            floor,
            payload,
            root_hash,
            deltas: read.deltas,
            published: read.published,
            waves: read.waves,
        };
        offer.check(file)?;
        Ok(offer)
    }

    /// Refuses what cannot be meant.
    pub(crate) fn check(&self, file: &str) -> Result<(), RepositoryError> {
        let wrong = |rule| Err(RepositoryError::format(file, rule));
        if self.deltas.len() > DELTAS_MAX || self.waves.len() > WAVES_MAX {
            return wrong("there are at most 128 deltas and 64 waves");
        }
        let from: BTreeSet<_> = self.deltas.iter().map(|delta| delta.from_root_hash).collect();
        if from.len() != self.deltas.len() {
            return wrong("there is one delta from each root hash");
        }
        if self.floor.as_ref().is_some_and(|floor| floor.compare(&self.version).is_gt()) {
            return wrong("the floor is not above the version");
        }
        match broken_rule(&self.waves) {
            Some(rule) => wrong(rule),
            None => Ok(()),
        }
    }

    /// Returns the bytes of the channel's file: JSON that people can read.
    ///
    /// # Panics
    /// Never: texts and numbers are JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = ChannelFile {
            format: FORMAT,
            channel: self.channel.to_string(),
            id: self.id.clone(),
            architecture: self.architecture,
            version: self.version.clone(),
            floor: self.floor.clone(),
            payload: self.payload.clone(),
            root_hash: self.root_hash,
            deltas: self.deltas.clone(),
            published: self.published,
            waves: self.waves.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file).expect("texts and numbers are JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Returns the name of the file that it belongs into.
    pub fn file(&self) -> TargetName {
        self.channel.file_for(&self.id, self.architecture)
    }

    /// Tells whether it is what was asked for: a file in another's place says something else.
    pub(crate) fn is_for(
        &self,
        channel: &Channel,
        id: &ImageId,
        architecture: Architecture,
    ) -> bool {
        self.channel == *channel && self.id == *id && self.architecture == architecture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text() -> String {
        format!(
            r#"{{
  "format": 1,
  "channel": "stable",
  "id": "base",
  "architecture": "x86-64",
  "version": "1.2",
  "floor": "1.0",
  "payload": "base_1.2_x86-64.payload",
  "root_hash": "{HEX}",
  "deltas": [
    {{
      "from_root_hash": "{HEX}",
      "payload": "base_1.2_x86-64.from_1.1.payload"
    }}
  ],
  "published": "2026-01-01T00:00:00Z",
  "waves": [
    {{
      "percent": 10,
      "after": "2026-01-01T00:00:00Z"
    }}
  ]
}}
"#
        )
    }

    #[test]
    fn a_file_is_read_and_written_in_one_form() {
        let offer = Offer::parse("a", text().as_bytes()).unwrap();
        assert_eq!(String::from_utf8(offer.to_bytes()).unwrap(), text());
        assert_eq!(offer.file().as_str(), "channels/stable/base_x86-64.json");
        let without = text().replace("  \"floor\": \"1.0\",\n", "");
        let offer = Offer::parse("a", without.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(offer.to_bytes()).unwrap(), without);
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("\"format\": 1,", ""),
            ("\"stable\"", "\"Stable\""),
            ("\"base\"", "\"base_\""),
            ("x86-64\",", "mips\","),
            ("\"1.2\"", "\"v1.2\""),
            ("\"1.0\"", "\"1.3\""),
            ("base_1.2_x86-64.payload", "../base"),
            (HEX, "00"),
            ("00:00:00Z", "00:00:00+01:00"),
            ("\"percent\": 10", "\"percent\": 0"),
            ("\"percent\": 10", "\"percent\": 256"),
            ("\"deltas\"", "\"Deltas\""),
            ("\"waves\"", "\"more\": 1,\n\"waves\""),
            ("\"version\": \"1.2\"", "\"version\": \"1.2\", \"version\": \"1.2\""),
            ("}\n", "} x"),
        ] {
            let changed = text().replace(from, to);
            assert_ne!(changed, text(), "{from}");
            assert!(Offer::parse("a", changed.as_bytes()).is_err(), "{from} {to}");
        }
        let cut = text();
        for length in 0..cut.len() - 2 {
            assert!(Offer::parse("a", &cut.as_bytes()[..length]).is_err(), "{length}");
        }
        let long = text() + &" ".repeat(64 << 10);
        assert!(matches!(
            Offer::parse("a", long.as_bytes()),
            Err(RepositoryError::TooLong { limit: CHANNEL_FILE_MAX, .. })
        ));
    }
}
