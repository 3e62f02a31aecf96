use std::io;
use std::path::PathBuf;

/// Why a reset cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// A path cannot be kept.
    #[error("{path:?} cannot be kept: {rule}")]
    Path {
        /// The path.
        path: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A path that should be kept is not there.
    #[error("{path} cannot be kept: it is not there")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A path leads through a link, which would go.
    #[error("{path} cannot be kept: {link} on the way is a link")]
    Link {
        /// The path.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// More paths, or longer ones, than a request may name.
    #[error("the paths to keep are {actual} bytes long together, {limit} are allowed")]
    TooLong {
        /// Their length.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The root is in memory.
    #[error("this system runs from memory: it keeps nothing over a restart")]
    Memory,
    /// The request cannot be kept, or taken back.
    #[error("failed to keep {path}")]
    Request {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ResetError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "keep what is there: nothing was reset",
            Self::Link { .. } => "name the place that the link leads to",
            Self::Memory => "restart it",
            Self::Path { .. } => "name absolute paths such as /var/lib/rancher",
            Self::TooLong { .. } => "keep whole folders instead of what is in them",
            Self::Request { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as root"
            }
            Self::Request { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
