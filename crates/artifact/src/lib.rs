//! The words every Flagstone crate shares: digests, names, versions, architectures, the release
//! manifest, and how a mistake in a file that people write is shown.
//!
//! Each word with a grammar is a type that is checked once, when it is parsed, and that serde reads
//! through the same check. The crate does no I/O beyond [`DigestWriter`]/[`DigestReader`], which
//! wrap somebody else's. It must not know how an artefact is made.

mod architecture;
mod diagnostic;
mod digest;
mod image_name;
mod io;
mod manifest;
mod suggest;
mod sums;
mod version_order;

pub use architecture::Architecture;
pub use diagnostic::{Diagnostic, Excerpt, Position, locate, quote};
pub use digest::{Sha256Digest, Sha256Hasher};
pub use image_name::{ImageId, ImageName, ImageVersion};
pub use io::{DigestReader, DigestWriter};
pub use manifest::{ArtifactRecord, CommandRecord, Manifest, PackageRecord};
pub use suggest::{did_you_mean, nearest};
pub use sums::Sha256Sums;

/// Why a text is not the word it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct ParseError {
    /// The text that was given.
    pub text: String,
    /// What was expected, with its article: "a SHA-256 digest".
    pub what: &'static str,
    /// The rule the text breaks.
    pub rule: &'static str,
}

/// Gives a word `FromStr`'s counterparts for serde: it is read through its parser and written
/// through its `Display`.
macro_rules! serde_as_text {
    ($word:ty) => {
        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $word {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
