use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use flagstone_artifact::{ParseError, Sha256Digest};
use flagstone_disk::{EspOptions, FatError, SparseImage, TableEntry, build_esp};
use serde_json::Value;

use crate::InstallError;

/// The label of the partition, and of the file system in it.
pub(crate) const OEM_LABEL: &str = "OEM";
/// The names of the files in it.
const IGNITION_FILE: &str = "config.ign";
const PLATFORM_FILE: &str = "platform";
/// The longest Ignition file, in bytes: the partition has 64 MiB, and what is larger than this does
/// not belong into a configuration.
pub const IGNITION_MAX: u64 = 16 << 20;
/// The longest platform id, in bytes.
const PLATFORM_MAX: usize = 32;

/// What a machine is, for Ignition: 1 to 32 lower-case letters, digits and dashes, such as `metal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformId(String);

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlatformId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=PLATFORM_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(ParseError {
                text: text.chars().take(80).collect(),
                what: "a platform id",
                rule: "it has 1 to 32 lower-case letters, digits and dashes",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// An Ignition configuration: JSON that says its version. What is in it, Ignition judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnitionConfig(Bytes);

impl IgnitionConfig {
    /// Checks the bytes of a file.
    ///
    /// # Errors
    /// [`InstallError::IgnitionDigest`] if it is not the file that is meant,
    /// [`InstallError::Ignition`] if it is none.
    pub fn new(data: Vec<u8>, expected: Option<Sha256Digest>) -> Result<Self, InstallError> {
        let actual = Sha256Digest::of(&data);
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            return Err(InstallError::IgnitionDigest { expected, actual });
        }
        let wrong = |source| InstallError::Ignition { source };
        let value: Value = serde_json::from_slice(&data).map_err(|error| wrong(Some(error)))?;
        match value.pointer("/ignition/version") {
            Some(Value::String(version)) if !version.is_empty() => Ok(Self(data.into())),
            _ => Err(wrong(None)),
        }
    }

    /// Returns the digest of the file.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&self.0)
    }
}

/// What goes into the OEM partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OemFiles {
    /// The machine's configuration: `config.ign`.
    pub ignition: Option<IgnitionConfig>,
    /// What the machine is: `platform`, the id and a line feed.
    pub platform: Option<PlatformId>,
}

impl OemFiles {
    /// Tells whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ignition.is_none() && self.platform.is_none()
    }

    /// Builds the FAT32 file system of a partition; the same files give the same bytes.
    pub(crate) fn build(&self, partition: &TableEntry) -> Result<SparseImage, FatError> {
        let mut files = Vec::new();
        if let Some(IgnitionConfig(data)) = &self.ignition {
            files.push((IGNITION_FILE.parse()?, data.clone()));
        }
        if let Some(platform) = &self.platform {
            files.push((PLATFORM_FILE.parse()?, format!("{platform}\n").into()));
        }
        let options = EspOptions {
            size_bytes: partition.size_bytes,
            volume_id: partition.guid.as_fields().0,
            label: OEM_LABEL.to_owned(),
            source_date: 0,
        };
        build_esp(&files, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_with_a_version_is_an_ignition_file() {
        let good = br#"{"ignition":{"version":"3.4.0"}}"#;
        assert!(IgnitionConfig::new(good.to_vec(), None).is_ok());
        assert!(IgnitionConfig::new(good.to_vec(), Some(Sha256Digest::of(good))).is_ok());
        let other = IgnitionConfig::new(good.to_vec(), Some(Sha256Digest::of(b"")));
        assert!(matches!(other, Err(InstallError::IgnitionDigest { .. })));
        for bad in [
            "",
            "{}",
            "[]",
            "variant: fcos\nversion: 1.5.0\n",
            r#"{"ignition":{"version":3}}"#,
            r#"{"ignition":{"version":""}}"#,
            r#"{"ignition":{"version":"3.4.0"}} x"#,
            r#"{"ignition":{"version":"3.4.0"}"#,
        ] {
            let made = IgnitionConfig::new(bad.as_bytes().to_vec(), None);
            assert!(matches!(made, Err(InstallError::Ignition { .. })), "{bad}");
        }
        let deep = "[".repeat(1 << 20);
        assert!(IgnitionConfig::new(deep.into_bytes(), None).is_err());
    }

    #[test]
    fn platform_ids_are_plain_words() {
        assert!("metal".parse::<PlatformId>().is_ok());
        for bad in ["", "a b", "A", "a\n", "../a", &"a".repeat(33)] {
            assert!(bad.parse::<PlatformId>().is_err(), "{bad:?}");
        }
    }
}
