use std::io;
use std::path::PathBuf;

use flagstone_artifact::Sha256Digest;

use crate::Url;

/// Why a transport could not deliver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The server, or the folder, has no such file.
    #[error("there is no such file")]
    NotFound,
    /// The server answered, but with neither the file nor "not found".
    #[error("the server answered with status {0}")]
    Status(u16),
    /// No connection, or it broke.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing, or next to nothing, came for too long.
    #[error("the server is too slow")]
    TimedOut,
    /// The file could not be read.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// The body ended early.
    #[error("the body ended after {actual} of {expected} bytes")]
    Truncated {
        /// How long the file should be.
        expected: u64,
        /// How much of it came.
        actual: u64,
    },
    /// The server broke the rules of its protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// Nothing here speaks the URL's scheme.
    #[error("the URL's scheme is not supported")]
    UnsupportedScheme,
}

impl TransportError {
    /// Tells whether another try may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection(_) | Self::TimedOut | Self::Read(_) | Self::Truncated { .. } => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::NotFound | Self::Protocol(_) | Self::UnsupportedScheme => false,
        }
    }
}

/// What can go wrong between a request and a file in the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The text is not a URL, or not a path that may be appended to one.
    #[error("{text:?} is not usable as a URL: {reason}")]
    InvalidUrl {
        /// The text, without credentials.
        text: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A request says no place to fetch from.
    #[error("there is no mirror to fetch {name} from")]
    NoSource {
        /// What was asked for.
        name: String,
    },
    /// None of the mirrors has the file.
    #[error("{name} is not on the mirror any more: {url}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for last.
        url: Url,
    },
    /// A mirror did not deliver.
    #[error("failed to fetch {name} from {url}")]
    Transport {
        /// What was asked for.
        name: String,
        /// Where from.
        url: Url,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// A mirror offers a file of another length.
    #[error("{name} from {url} has the wrong size: expected {expected} bytes, got {}{actual}",
        if *.at_least { "at least " } else { "" })]
    WrongSize {
        /// What was asked for.
        name: String,
        /// Where from.
        url: Url,
        /// The length it must have.
        expected: u64,
        /// The length that was announced or read.
        actual: u64,
        /// Whether reading stopped there.
        at_least: bool,
    },
    /// A mirror delivered other bytes.
    #[error("{name} from {url} has the wrong digest: expected sha256 {expected}, got {actual}")]
    WrongDigest {
        /// What was asked for.
        name: String,
        /// Where from.
        url: Url,
        /// The digest it must have.
        expected: Sha256Digest,
        /// The digest of what came.
        actual: Sha256Digest,
    },
    /// A document without a known size does not end within its limit.
    #[error("{name} from {url} is longer than {limit} bytes")]
    TooLong {
        /// What was asked for.
        name: String,
        /// Where from.
        url: Url,
        /// The limit.
        limit: u64,
    },
    /// Files are needed that the cache does not hold, and fetching is not allowed.
    #[error("offline, and the cache does not hold {}", list(missing))]
    Offline {
        /// What is missing.
        missing: Vec<String>,
    },
    /// The cache's folder failed.
    #[error("failed to {action} {}", path.display())]
    Cache {
        /// What was tried: "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Joins names, at most ten of them.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

impl FetchError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InvalidUrl { .. } => {
                "a mirror is the URL of an archive's base folder, which holds \"dists\" and \"pool\""
            }
            Self::NoSource { .. } => "name a mirror",
            Self::NotFound { .. } => "the mirror moved on: lock anew, or name another mirror",
            Self::Transport { source: TransportError::TimedOut, .. } => {
                "try again, which continues where this stopped, or name a faster mirror"
            }
            Self::Transport { .. } => {
                "check the connection and the mirror; the next run continues where this stopped"
            }
            Self::WrongSize { .. } | Self::WrongDigest { .. } => {
                "the mirror, or a proxy before it, does not serve what was locked: name another one"
            }
            Self::TooLong { .. } => "this is not what a mirror serves: name another one",
            Self::Offline { .. } => "run once without the offline mode",
            Self::Cache { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room, or use a cache folder on another disk"
                }
                _ => "use a cache folder that can be written, and is not damaged",
            },
        };
        Some(hint.to_owned())
    }

    /// Tells whether another try at the same place may help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_transient())
    }
}
