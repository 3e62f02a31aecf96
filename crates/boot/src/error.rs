use std::io;

use flagstone_tree::{ContentError, TreePath};

/// What can go wrong when a cpio archive is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CpioError {
    /// A file is longer than the format's 4 GiB less one byte.
    #[error("/{path} has {len} bytes, more than a file in a cpio archive can have")]
    FileTooLong {
        /// The file.
        path: TreePath,
        /// Its length in bytes.
        len: u64,
    },
    /// A path is longer than the kernel unpacks.
    #[error("/{path} is longer than the 4095 bytes that the kernel accepts in a cpio archive")]
    PathTooLong {
        /// The path.
        path: TreePath,
    },
    /// The target of a symbolic link is longer than the kernel unpacks.
    #[error("the target of /{path} is longer than the 4095 bytes that the kernel accepts")]
    TargetTooLong {
        /// The link.
        path: TreePath,
    },
    /// There are more inodes than the format can number.
    #[error("the tree has more inodes than a cpio archive can number")]
    TooManyInodes,
    /// The archive could not be written.
    #[error("failed to write /{path} to the cpio archive")]
    Write {
        /// The entry at which it failed.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// The end of the archive could not be written.
    #[error("failed to write the end of the cpio archive")]
    WriteEnd(#[source] io::Error),
}

/// Why a text is not a kernel command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmdlineError {
    /// An argument breaks a rule.
    #[error("{argument:?} is not a kernel argument: {rule}")]
    Argument {
        /// The argument.
        argument: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The whole line is longer than the kernel keeps.
    #[error("the kernel command line has {len} bytes; the kernel keeps {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most that all architectures keep.
        max: usize,
    },
}

/// Why a variable cannot be in os-release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OsReleaseError {
    /// The name breaks a rule.
    #[error(
        "{0:?} is not an os-release variable: it has A-Z, 0-9 and \"_\", and starts with a letter"
    )]
    Name(String),
    /// The value breaks a rule.
    #[error("the value of {name} in os-release holds a control character")]
    Value {
        /// The variable.
        name: String,
    },
}

/// Why bytes are not a PE image that can be read or extended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeError {
    /// The bytes end within a part that must be there.
    #[error("it ends within {0}")]
    Truncated(&'static str),
    /// A part has other bytes than it must have.
    #[error("it has no valid {0}")]
    Invalid(&'static str),
    /// A section reaches past the end of the file.
    #[error("its section {0} reaches past the end of the file")]
    SectionOutside(String),
}

/// What can go wrong when a unified kernel image is built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UkiError {
    /// The stub is not a PE image.
    #[error("the systemd stub cannot be used")]
    Stub(#[source] PeError),
    /// The kernel is not a PE image, so no EFI stub is in it.
    #[error("the kernel is not an EFI executable")]
    Kernel(#[source] PeError),
    /// The image to read is not a PE image.
    #[error("the unified kernel image cannot be read")]
    Image(#[source] PeError),
    /// Stub and kernel are for different processors.
    #[error("the systemd stub is for machine {stub:#06x}, the kernel for {kernel:#06x}")]
    MachineMismatch {
        /// PE machine number of the stub.
        stub: u16,
        /// PE machine number of the kernel.
        kernel: u16,
    },
    /// The stub carries a signature, which would not be valid any more.
    #[error("the systemd stub is signed, and a changed file cannot keep its signature")]
    SignedStub,
    /// The stub has a section that is to be added.
    #[error("the systemd stub already has a section {0}")]
    SectionExists(&'static str),
    /// The stub's headers leave no room for more sections.
    #[error("the systemd stub has room for {free} more section headers, but {needed} are needed")]
    NoHeaderRoom {
        /// How many fit.
        free: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Everything together is longer than a PE image can be.
    #[error("the unified kernel image would be longer than 2 GiB")]
    TooLong,
    /// A part could not be read.
    #[error("failed to read a part of the unified kernel image")]
    Content(#[source] ContentError),
    /// The image could not be written.
    #[error("failed to write the unified kernel image")]
    Write(#[source] io::Error),
}

impl UkiError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Kernel(_) => "choose a kernel package whose kernel is built with CONFIG_EFI_STUB",
            Self::SignedStub => {
                "take the stub from systemd-boot-efi, not from a package of signed loaders"
            }
            Self::MachineMismatch { .. } => {
                "take kernel and systemd-boot-efi from the same architecture"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
