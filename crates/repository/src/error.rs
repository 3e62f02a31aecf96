use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ParseError, Sha256Digest};
use flagstone_fetch::{FetchError, TransportError, Url};

use crate::UtcTime;

/// Why a repository, or a file of it, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The repository did not deliver a file.
    #[error("failed to read {file} from {url}")]
    Unreachable {
        /// Which file: "timestamp.json".
        file: String,
        /// Where from.
        url: Url,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// The repository lacks a file that it must have, or a target has no such name.
    #[error("the repository has no {name}")]
    NotFound {
        /// The file or target.
        name: String,
    },
    /// Metadata whose time is over: nobody vouches for their being the newest any more.
    #[error("{file} has expired: it was good until {expired}, and it is {now}")]
    Expired {
        /// Which file.
        file: String,
        /// Until when it was good.
        expired: UtcTime,
        /// What the clock says.
        now: UtcTime,
    },
    /// Metadata that are older than what was seen before.
    #[error(
        "{file} is older than what was seen before: expected version {seen} or newer, got {found}"
    )]
    Rollback {
        /// Which file.
        file: String,
        /// The version that was seen.
        seen: u64,
        /// The version that came.
        found: u64,
    },
    /// Metadata that too few of the keys of their role have signed.
    #[error(
        "{file} is not signed well enough: expected {needed} signatures of known keys, got {valid}"
    )]
    BadSignature {
        /// Which file.
        file: String,
        /// How many keys signed.
        valid: usize,
        /// How many must.
        needed: usize,
    },
    /// A file that has another length than its metadata say.
    #[error("{file} has the wrong size: expected {expected} bytes, got {actual}")]
    WrongSize {
        /// Which file.
        file: String,
        /// The length it must have.
        expected: u64,
        /// The length that came.
        actual: u64,
    },
    /// A file that has other bytes than its metadata say.
    #[error("{file} has the wrong digest: expected sha256 {expected}, got {actual}")]
    WrongDigest {
        /// Which file.
        file: String,
        /// The digest it must have.
        expected: Sha256Digest,
        /// The digest of what came.
        actual: Sha256Digest,
    },
    /// A file does not end within its limit.
    #[error("{file} is longer than {limit} bytes")]
    TooLong {
        /// Which file.
        file: String,
        /// The limit.
        limit: u64,
    },
    /// A file that is not in its format.
    #[error("{file} is wrong: {rule}")]
    Format {
        /// Which file.
        file: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A file that is no JSON, or not the JSON that it should be.
    #[error("failed to understand {file}")]
    Json {
        /// Which file.
        file: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A word of the question, or of a file, is not one.
    #[error("the repository cannot be asked")]
    Word {
        /// What is wrong.
        #[source]
        source: ParseError,
    },
    /// An address below the repository cannot be formed.
    #[error("the repository cannot be asked")]
    Url {
        /// What is wrong.
        #[source]
        source: FetchError,
    },
    /// What was seen before could not be read or kept.
    #[error("failed to {action} {}", path.display())]
    Datastore {
        /// What was tried: "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was seen before is there, but cannot be understood: without it old metadata would pass.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<RepositoryError>,
    },
}

impl RepositoryError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "check the connection and the repository's address; nothing was changed"
            }
            Self::NotFound { .. } => {
                "is this the address of a repository, the folder that holds \"metadata\" and \"targets\"?"
            }
            Self::Expired { .. } => {
                "if the clock is right, have the repository refreshed: `flagstone publish refresh`"
            }
            Self::Rollback { .. } => {
                "the server, or a cache before it, delivers an old state; nothing of it is used"
            }
            Self::BadSignature { .. } => {
                "this is another repository, or one whose keys were replaced without a rotation: \
                 compare the root that the image has with the repository's"
            }
            Self::WrongSize { .. } | Self::WrongDigest { .. } | Self::TooLong { .. } => {
                "the server, or a cache before it, delivers other bytes than were published"
            }
            Self::Format { .. } | Self::Json { .. } => {
                "publish with a `flagstone` that fits the machines'"
            }
            Self::Word { source: _ } => return None,
            Self::Url { source } => return source.hint(),
            Self::Datastore { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room",
                _ => {
                    "the folder has to be there for this program alone, on a disk that can be written"
                }
            },
            Self::Damaged { .. } => {
                "check the disk; removing the file ends the protection against older metadata once"
            }
        };
        Some(hint.to_owned())
    }

    pub(crate) fn format(file: &str, rule: &'static str) -> Self {
        Self::Format { file: file.to_owned(), rule }
    }

    pub(crate) fn json(file: &str, source: serde_json::Error) -> Self {
        Self::Json { file: file.to_owned(), source }
    }
}
