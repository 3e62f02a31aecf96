use std::fmt;
use std::io;

use crate::Role;

const MIB: u64 = 1 << 20;

/// A size in messages: in MiB, rounded up, or in bytes below one MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes < MIB => write!(f, "{bytes} bytes"),
            bytes => write!(f, "{} MiB", bytes.div_ceil(MIB)),
        }
    }
}

/// What can go wrong when a disk is planned, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// A slot is too small for what must go into it, with head room.
    #[error(
        "the {partition} partition is {} too small: it has {}, but {what} needs {}",
        Size(needed_bytes - size_bytes), Size(*size_bytes), Size(*needed_bytes)
    )]
    SlotTooSmall {
        /// Which of the sizes: `usr` or `verity`.
        partition: &'static str,
        /// What needs the room.
        what: String,
        /// The size that was asked for.
        size_bytes: u64,
        /// The least size that would do, a multiple of 1 MiB.
        needed_bytes: u64,
    },
    /// A partition would have no size.
    #[error("the {0} partition has a size of zero")]
    Empty(Role),
    /// The sizes do not add up to a disk.
    #[error("the partition sizes add up to more than a disk can have")]
    TooLarge,
    /// A label is not 1 to 36 UTF-16 units long.
    #[error("{label:?} cannot be a partition label: it is longer than 36 characters")]
    Label {
        /// The label.
        label: String,
    },
    /// What should go into a partition is larger than it.
    #[error(
        "{} do not fit the {role} partition of {}", Size(*len_bytes), Size(*size_bytes)
    )]
    ContentTooLong {
        /// The partition.
        role: Role,
        /// Length of the content.
        len_bytes: u64,
        /// Size of the partition.
        size_bytes: u64,
    },
    /// A source gave fewer or more bytes than it promised.
    #[error(
        "the content of the {role} partition has not the promised length of {expected_bytes} bytes: it {}",
        if *actual_bytes < *expected_bytes { format!("ends after {actual_bytes}") } else { "goes on".to_owned() }
    )]
    ContentLength {
        /// The partition.
        role: Role,
        /// The promised length.
        expected_bytes: u64,
        /// The bytes read until the difference was found.
        actual_bytes: u64,
    },
    /// The file system of an extension is shorter or longer than was promised.
    #[error("the file system of the extension has not the promised {expected_bytes} bytes")]
    ExtensionLength {
        /// The promised length.
        expected_bytes: u64,
        /// The bytes read until the difference was found.
        actual_bytes: u64,
    },
    /// A source could not be read.
    #[error("failed to read the content of the {role} partition")]
    Read {
        /// The partition.
        role: Role,
        /// Why.
        source: io::Error,
    },
    /// The disk could not be written.
    #[error("failed to write the disk at byte {offset}")]
    Write {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The partition table could not be written.
    #[error("failed to write the partition table")]
    WriteTable(#[source] gpt::GptError),
    /// The disk could not be read.
    #[error("failed to read the partition table")]
    ReadTable(#[source] io::Error),
    /// The disk has no partition table that can be used.
    #[error("the disk has no valid GUID partition table")]
    NoTable(#[source] gpt::GptError),
    /// The table breaks a rule that this reader relies on.
    #[error("the partition table is not one that Flagstone writes: {0}")]
    StrangeTable(&'static str),
}

impl DiskError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SlotTooSmall { partition, needed_bytes, .. } => Some(format!(
                "make the {partition} size in the recipe at least {}",
                Size(*needed_bytes)
            )),
            Self::Empty(role) => Some(format!("give the {role} partition a size in the recipe")),
            Self::TooLarge => Some("make the partition sizes in the recipe smaller".to_owned()),
            _ => None,
        }
    }
}

/// What can go wrong when the file system of the ESP is planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatError {
    /// A file system to be read is not sound.
    #[error("the FAT file system is damaged: {0}")]
    Damaged(&'static str),
    /// A file system to be read ends, or cannot be read.
    #[error("failed to read the FAT file system at byte {offset}: {reason}")]
    Unreadable {
        /// Where.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// A second implementation does not read what was written.
    #[error(
        "the EFI system partition does not read back: /{path} differs or cannot be opened ({reason})"
    )]
    ReadBack {
        /// The file; empty for the file system itself.
        path: String,
        /// What the second implementation says.
        reason: String,
    },
    /// The text is not a path that FAT can hold.
    #[error("{path:?} is not a path on a FAT file system: {rule}")]
    Path {
        /// The text.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// Two files have the same path, upper and lower case being the same; or a file is also a
    /// directory.
    #[error("{0} is on the EFI system partition twice")]
    Duplicate(String),
    /// A file is longer than FAT's 4 GiB less one byte.
    #[error("{path} has {}, more than a file on FAT can have", Size(*len_bytes))]
    FileTooLong {
        /// The file.
        path: String,
        /// Its length.
        len_bytes: u64,
    },
    /// A directory has more entries than FAT allows.
    #[error("the directory {0}/ has more entries than FAT allows")]
    DirectoryTooLong(String),
    /// The volume is too small to be FAT32.
    #[error("an EFI system partition of {} is too small for FAT32", Size(*size_bytes))]
    VolumeTooSmall {
        /// The size that was asked for.
        size_bytes: u64,
        /// The least size.
        minimum_bytes: u64,
    },
    /// The volume is larger than this writer makes, or not a whole number of sectors.
    #[error("an EFI system partition cannot have {size_bytes} bytes: {rule}")]
    VolumeSize {
        /// The size that was asked for.
        size_bytes: u64,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The files do not fit.
    #[error(
        "the files of the EFI system partition need {} more than its {}",
        Size(needed_bytes - size_bytes), Size(*size_bytes)
    )]
    Full {
        /// The size that was asked for.
        size_bytes: u64,
        /// The least size that holds the files, a multiple of 1 MiB.
        needed_bytes: u64,
    },
    /// The label is not 1 to 11 capital letters, digits, `-`, `_` or spaces.
    #[error("{0:?} is not a FAT volume label")]
    Label(String),
}

impl FatError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::VolumeTooSmall { minimum_bytes: bytes, .. }
            | Self::Full { needed_bytes: bytes, .. } => {
                Some(format!("make the esp size in the recipe at least {}", Size(*bytes)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn a_slot_that_is_too_small_says_by_how_much_and_what_to_set() {
        let error = DiskError::SlotTooSmall {
            partition: "usr",
            what: "the usr image with 10 % head room".to_owned(),
            size_bytes: 500 * MIB,
            needed_bytes: 564 * MIB,
        };
        assert_eq!(
            error.to_string(),
            "the usr partition is 64 MiB too small: it has 500 MiB, but the usr image with 10 % \
             head room needs 564 MiB"
        );
        let hint = error.hint().unwrap();
        assert_eq!(hint, "make the usr size in the recipe at least 564 MiB");
    }

    #[test]
    fn the_chain_repeats_nothing() {
        let cause = io::Error::other("no space");
        let error = DiskError::Write { offset: 7, source: cause };
        assert_eq!(error.to_string(), "failed to write the disk at byte 7");
        assert_eq!(error.source().unwrap().to_string(), "no space");
    }
}
