use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ImageVersion, ParseError, Sha256Digest};
use flagstone_payload::PayloadError;

/// Why a release did not come into a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SysupdateError {
    /// What was given is not the folder of a build.
    #[error("{} cannot be published", path.display())]
    Release {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<PayloadError>,
    },
    /// A version that no machine would find.
    #[error("systemd-sysupdate passes over version {version}")]
    Version {
        /// The version.
        version: ImageVersion,
    },
    /// The build's list of digests lacks a file.
    #[error("SHA256SUMS in {} does not list {name}", path.display())]
    Missing {
        /// The folder of the build.
        path: PathBuf,
        /// The file.
        name: String,
    },
    /// A file is not what the build's list of digests says.
    #[error("{} has digest {actual}, not {expected} as in SHA256SUMS", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What the list says.
        expected: Sha256Digest,
        /// What it has.
        actual: Sha256Digest,
    },
    /// A file of this name is published with other bytes.
    #[error("{name} is published already, with other bytes")]
    Differs {
        /// The file's name in the folder.
        name: String,
    },
    /// A list of digests is none.
    #[error("{} cannot be understood", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// Where it is wrong.
        #[source]
        source: ParseError,
    },
    /// Somebody else writes to the folder.
    #[error("{} is being written to", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried: "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl SysupdateError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Release { source, .. } => return source.hint(),
            Self::Version { .. } => "build with a version without ~ and ^",
            Self::Missing { .. } => "give the folder that `flagstone build` wrote",
            Self::Digest { .. } => "build again; a release is published as it was built",
            Self::Differs { .. } => "what was published never changes: build with another version",
            Self::List { .. } => "restore the list as it was published last, with its signature",
            Self::Busy { .. } => "wait until the other `flagstone publish` is done",
            Self::File { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
