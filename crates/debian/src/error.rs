use std::fmt;
use std::io;

use flagstone_artifact::Sha256Digest;
use flagstone_fetch::FetchError;

use crate::{RepositoryName, format_date};

/// Why a text does not follow Debian Policy's grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct GrammarError {
    /// The text, shortened.
    pub text: String,
    /// What was expected, with its article.
    pub what: &'static str,
    /// The rule the text breaks.
    pub rule: &'static str,
}

impl GrammarError {
    pub(crate) fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        Self { text: text.chars().take(100).collect(), what, rule }
    }
}

/// Why control data cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ControlError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub problem: String,
}

impl ControlError {
    pub(crate) fn new(line: u32, problem: impl fmt::Display) -> Self {
        Self { line, problem: problem.to_string() }
    }
}

/// Why compressed data cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The name's ending, or the first bytes, say nothing that is known.
    #[error("the compression of {name} is not supported: it is none of xz, zstd, gzip and none")]
    Unsupported {
        /// The file or member.
        name: String,
    },
    /// The data is longer than it may be.
    #[error("the data is longer than {limit} bytes when decompressed")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The data is damaged.
    #[error("the compressed data is damaged")]
    Damaged(#[source] io::Error),
}

/// Why a `.deb` cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebError {
    /// The outer archive is not as deb(5) describes.
    #[error("not a Debian package: {0}")]
    Layout(&'static str),
    /// A member cannot be decompressed.
    #[error("failed to read the member {member}")]
    Member {
        /// The member's name.
        member: String,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// The inner archive of control files is damaged.
    #[error("failed to read the archive of control files")]
    ControlArchive(#[source] io::Error),
    /// A control file is not text, too long, or missing.
    #[error("the control file {name} {problem}")]
    ControlFile {
        /// The file's name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file `control` is malformed.
    #[error("the control file is malformed")]
    Control(#[from] ControlError),
}

/// Why a signed document is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The document is not clear-signed at all.
    #[error("the document is not signed")]
    NotSigned,
    /// There is text before, between or after what is signed, or the framing is broken.
    #[error("the signed document is malformed: {0}")]
    Malformed(&'static str),
    /// No signature is from a trusted key.
    #[error("the document is signed by unknown keys only: {}", keys.join(", "))]
    UnknownKey {
        /// The ids of the keys.
        keys: Vec<String>,
    },
    /// A signature by a trusted key does not fit the text: somebody changed it.
    #[error("the signature by {key} does not fit the text")]
    Bad {
        /// The key.
        key: String,
    },
    /// The key had expired, or was revoked.
    #[error("the key {key} is no longer valid: it {reason}")]
    KeyExpired {
        /// The key.
        key: String,
        /// "expired on …" or "was revoked".
        reason: String,
    },
    /// The signature itself has expired.
    #[error("the signature by {key} expired on {}", format_date(*on))]
    SignatureExpired {
        /// The key.
        key: String,
        /// When, in seconds since 1970-01-01 UTC.
        on: i64,
    },
    /// The signature is from the future.
    #[error("the signature by {key} was made on {}, later than now", format_date(*on))]
    FromTheFuture {
        /// The key.
        key: String,
        /// When, in seconds since 1970-01-01 UTC.
        on: i64,
    },
    /// The signature uses what is not trusted any more, such as SHA-1.
    #[error("the signature by {key} uses {what}, which is not accepted")]
    Weak {
        /// The key.
        key: String,
        /// What.
        what: String,
    },
    /// The keyring itself cannot be used.
    #[error("the keyring cannot be used: {0}")]
    Keyring(String),
}

impl SignatureError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotSigned | Self::Malformed(_) => {
                "this is not what a Debian mirror serves: name another one"
            }
            Self::UnknownKey { .. } => {
                "the archive may have new keys: see keys/README.md for how to add one you trust"
            }
            Self::Bad { .. } => "do not use this mirror: what it serves was altered",
            Self::KeyExpired { .. } => {
                "the archive has newer keys, or this machine's clock is wrong: see keys/README.md"
            }
            Self::SignatureExpired { .. } => {
                "the mirror is out of date, or this machine's clock is wrong"
            }
            Self::FromTheFuture { .. } => "check this machine's clock",
            Self::Weak { .. } => "name a mirror that serves the archive as Debian signs it",
            Self::Keyring(_) => "see keys/README.md for what a keyring holds",
        };
        Some(hint.to_owned())
    }
}

/// Why an `InRelease` is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// It is not trusted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is signed, but makes no sense.
    #[error("what is signed is malformed")]
    Malformed(#[from] ControlError),
}

/// Why an archive's state cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// No mirror is known for an archive.
    #[error("no mirror is known for {suite}")]
    NoMirror {
        /// The suite that is there.
        suite: String,
        /// The repository that has it, if it is none of Debian's own archives.
        repository: Option<RepositoryName>,
    },
    /// Fetching failed.
    #[error("failed to load the package index")]
    Fetch(#[from] FetchError),
    /// `InRelease` is not trusted, or makes no sense.
    #[error("{suite}: InRelease is not accepted")]
    Release {
        /// The suite.
        suite: String,
        /// Why.
        #[source]
        source: ReleaseError,
    },
    /// The mirror serves another suite under this one's name.
    #[error("{suite}: the mirror serves {actual} instead")]
    OtherSuite {
        /// The suite that was asked for.
        suite: String,
        /// The suite's names in what came.
        actual: String,
    },
    /// The archive's state is older than it allows itself.
    #[error("{suite}: the mirror's state expired on {}", format_date(*valid_until))]
    Expired {
        /// The suite.
        suite: String,
        /// `Valid-Until`, in seconds since 1970-01-01 UTC.
        valid_until: i64,
    },
    /// The suite lacks a component or architecture.
    #[error("{suite}: there is no {what} {name:?}; it has {}", available.join(", "))]
    Missing {
        /// The suite.
        suite: String,
        /// "component" or "architecture".
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        available: Vec<String>,
    },
    /// The release lists no usable index.
    #[error("{suite}: the release lists no package index {path}")]
    NoIndex {
        /// The suite.
        suite: String,
        /// The index, without its compression's ending.
        path: String,
    },
    /// An index cannot be decompressed.
    #[error("{suite}: failed to unpack {path}")]
    Codec {
        /// The suite.
        suite: String,
        /// The index.
        path: String,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// An index decompresses to something else than the release says.
    #[error("{suite}: {path} has the wrong digest: expected sha256 {expected}, got {actual}")]
    WrongDigest {
        /// The suite.
        suite: String,
        /// The index.
        path: String,
        /// The digest it must have.
        expected: Sha256Digest,
        /// The digest it has.
        actual: Sha256Digest,
    },
    /// An index is malformed.
    #[error("{suite}: {path} is malformed")]
    Index {
        /// The suite.
        suite: String,
        /// The index.
        path: String,
        /// Where and why.
        #[source]
        source: ControlError,
    },
}

impl ArchiveError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoMirror { repository: None, .. } => Some("name a mirror".into()),
            Self::NoMirror { repository: Some(name), .. } => Some(format!(
                "say where it is: `--repository {name}=URL`, or a line `{name} = \"URL\"` under \
                 [repositories] in the configuration file"
            )),
            Self::Fetch(source) => source.hint(),
            Self::Release { source: ReleaseError::Signature(source), .. } => source.hint(),
            Self::Expired { .. } => Some(
                "the mirror is out of date, or this machine's clock is wrong: \
                 name another mirror"
                    .into(),
            ),
            Self::Missing { .. } => Some("choose one that the suite has".into()),
            _ => Some("this is not what a Debian mirror serves: name another one".into()),
        }
    }
}
