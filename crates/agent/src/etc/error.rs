use std::io;
use std::path::PathBuf;

/// Why /etc cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtcError {
    /// A file or folder of a layer cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The root file system cannot be looked at below what is mounted on it.
    #[error("failed to look below what is mounted on the root")]
    Below {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A layer uses something that is not understood here, and would be told wrongly.
    #[error("{path} has the overlay attribute {name}, which is not understood")]
    Attribute {
        /// The file or folder of the upper layer.
        path: PathBuf,
        /// The attribute's name.
        name: String,
    },
}

impl EtcError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Below { source } | Self::Read { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "run it as root"
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name the two layers with --defaults and --upper"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
