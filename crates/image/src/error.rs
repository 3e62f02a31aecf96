use std::io;

use flagstone_artifact::Sha256Digest;
use flagstone_tree::{ContentError, TreePath};

use crate::erofs::Compression;

/// Why no EROFS image could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsError {
    /// One file has a property that the format cannot hold.
    #[error("/{path} does not fit an EROFS image")]
    Unfit {
        /// The file.
        path: TreePath,
        /// The property.
        #[source]
        cause: Unfit,
    },
    /// All together is more than 32-bit block addresses reach.
    #[error("the image would have {blocks} blocks of 4096 bytes, more than 4294967294")]
    TooLarge {
        /// How many blocks it would take.
        blocks: u64,
    },
    /// The volume's label cannot be stored.
    #[error("{label:?} is not a volume label: it has at most 15 bytes and no NUL")]
    Label {
        /// The label that was given.
        label: String,
    },
    /// The build time has a billion nanoseconds or more.
    #[error("the build time has {nanoseconds} nanoseconds, more than a second")]
    BuildTime {
        /// The nanoseconds that were given.
        nanoseconds: u32,
    },
    /// The compressor has no such level.
    #[error("there is no {compression}")]
    Level {
        /// The compressor and the level that was asked for.
        compression: Compression,
    },
    /// A file's bytes cannot be read.
    #[error("failed to read a file for the file system image")]
    Read(#[source] ContentError),
    /// The compressor failed, for want of memory.
    #[error("failed to compress a file")]
    Compress(#[source] io::Error),
    /// The writer refused.
    #[error("failed to write the file system image")]
    Write(#[source] io::Error),
}

impl ErofsError {
    /// Returns what a user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit { path, .. } => Some(format!("change or remove /{path} in the recipe")),
            Self::TooLarge { .. } => Some("leave out packages or files".into()),
            Self::Label { .. } => Some("choose a shorter image id or version".into()),
            Self::Write(cause) if cause.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or choose another output folder".into())
            }
            Self::Level { .. } => {
                Some("choose a level from 1 to 22 (zstd) or 2 to 12 (lz4hc)".into())
            }
            Self::BuildTime { .. } | Self::Read(_) | Self::Compress(_) | Self::Write(_) => None,
        }
    }
}

/// A property of one file that the EROFS format, or Linux when it reads it, cannot take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// More than permission bits.
    #[error("its mode {mode:#o} has bits beyond 0o7777")]
    Mode {
        /// The mode.
        mode: u16,
    },
    /// The fraction of its time is not below a second.
    #[error("its modification time has {nanoseconds} nanoseconds, more than a second")]
    Nanoseconds {
        /// The nanoseconds.
        nanoseconds: u32,
    },
    /// Larger than Linux's `loff_t`.
    #[error("it has {len} bytes, more than 2^63 - 1")]
    Length {
        /// The length.
        len: u64,
    },
    /// Linux reads a link's target into one page.
    #[error("its target has {len} bytes, not 1 to 4095")]
    TargetLength {
        /// The length of the target.
        len: usize,
    },
    /// Linux would end the target there.
    #[error("its target holds a NUL byte")]
    TargetNul,
    /// Linux's encoded device numbers have 12 and 20 bits.
    #[error("its device number {major}:{minor} is beyond 4095:1048575")]
    Device {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A namespace that EROFS has no index for, or a name of no or too many bytes.
    #[error("its extended attribute {name:?} has a name that the format has no place for")]
    XattrName {
        /// The full name, lossily as UTF-8.
        name: String,
    },
    /// A value beyond 16 bits of length.
    #[error("its extended attribute {name:?} has {len} bytes, more than 65535")]
    XattrValue {
        /// The full name, lossily as UTF-8.
        name: String,
        /// The length of the value.
        len: usize,
    },
    /// Attributes are counted in 65,535 units of four bytes.
    #[error("its extended attributes take {len} bytes, more than 262148")]
    XattrTotal {
        /// What they take together.
        len: usize,
    },
    /// A directory that two directories hold, or that holds itself.
    #[error("it is a directory with more than one name")]
    DirectoryTwice,
}

/// Why an EROFS image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is none, or not one that this crate reads.
    #[error("the image has no usable superblock: {reason}")]
    Superblock {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something in it is not as it must be.
    #[error("inode {nid} of the image is corrupt: {what}")]
    Corrupt {
        /// The inode's number.
        nid: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It holds more than the caller takes.
    #[error("the image holds more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The image could not be read.
    #[error("failed to read the image at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a hash tree could not be made, or does not fit the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerityError {
    /// The superblock has room for 256 bytes of salt.
    #[error("a salt has at most 256 bytes, not {len}")]
    SaltLength {
        /// The length that was given.
        len: usize,
    },
    /// dm-verity hashes whole blocks, at least one.
    #[error("{len} bytes are not a whole number of 4096-byte blocks, at least one")]
    DataLength {
        /// The length of the data.
        len: u64,
    },
    /// The data ends before the tree does.
    #[error("the data has {actual} bytes, not {expected}")]
    DataShort {
        /// The bytes that the superblock names.
        expected: u64,
        /// The bytes there are.
        actual: u64,
    },
    /// The superblock is not one that this crate writes.
    #[error("the hash device has no usable superblock: {reason}")]
    Superblock {
        /// Which field is wrong, and how.
        reason: &'static str,
    },
    /// The hash device is shorter than its superblock says.
    #[error("the hash device has {actual} bytes, not {expected}")]
    HashLength {
        /// The bytes that the superblock implies.
        expected: u64,
        /// The bytes there are.
        actual: u64,
    },
    /// A hash block differs from what is above it.
    #[error("block {block} of the hash device is corrupt")]
    HashBlock {
        /// The block's number, counted from the start of the hash device.
        block: u64,
    },
    /// The tree is for another root hash.
    #[error("the root hash is {actual}, expected {expected}")]
    RootHash {
        /// The hash that was asked for.
        expected: Sha256Digest,
        /// The hash of the tree's top.
        actual: Sha256Digest,
    },
    /// A data block differs from its hash; the first one that does.
    #[error("block {block} of the data is corrupt")]
    DataBlock {
        /// The block's number.
        block: u64,
    },
    /// The data could not be read.
    #[error("failed to read the data")]
    Read(#[source] io::Error),
}
