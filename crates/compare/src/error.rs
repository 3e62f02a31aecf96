use std::io;
use std::path::{Path, PathBuf};

use flagstone_boot::UkiError;
use flagstone_disk::{DiskError, FatError};
use flagstone_image::ReadError;
use flagstone_recipe::Diagnostics;

/// Why two releases could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is none of what can be compared.
    #[error("{} is {found}; expected a disk image, a usr image, a kernel image, a manifest, a lock or a folder with one manifest", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// Something has not the value that it needs.
    #[error("{}: {place}: expected {expected}, found {found}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
        /// What a person can do.
        hint: &'static str,
    },
    /// A disk has no usable partition table.
    #[error("{} is no disk image that can be read", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DiskError,
    },
    /// The EFI system partition of a disk is damaged.
    #[error("{}: the EFI system partition cannot be read", path.display())]
    Esp {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: FatError,
    },
    /// A usr image is damaged, or none.
    #[error("{}: the usr image cannot be read", path.display())]
    Usr {
        /// The file that holds it.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A file in a usr image is damaged.
    #[error("{}: /usr/{inside} cannot be read", path.display())]
    Inside {
        /// The file that holds the image.
        path: PathBuf,
        /// The path in the image.
        inside: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A kernel image is damaged, or none.
    #[error("{}: the kernel image cannot be read", path.display())]
    Uki {
        /// The file that holds it.
        path: PathBuf,
        /// Why.
        #[source]
        source: UkiError,
    },
    /// A manifest is not one.
    #[error("{} is no manifest that can be read", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A lock is not one.
    #[error(transparent)]
    Lock(Box<Diagnostics>),
}

impl CompareError {
    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Read { path: path.to_owned(), source }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name a file or folder that is there"
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                "the file is cut off: copy it again, or build it again"
            }
            Self::Unfit { hint, .. } => hint,
            Self::Unknown { .. } => {
                "name what `flagstone build` wrote; compressed images have to be unpacked first"
            }
            Self::Disk { .. }
            | Self::Esp { .. }
            | Self::Usr { .. }
            | Self::Inside { .. }
            | Self::Uki { .. } => {
                "compare the file with SHA256SUMS beside it; copy it again, or build it again"
            }
            Self::Manifest { .. } => "take the manifest as `flagstone build` wrote it",
            // Diagnostics show their hints themselves.
            Self::Read { .. } | Self::Lock(_) => return None,
        };
        Some(hint.to_owned())
    }
}
