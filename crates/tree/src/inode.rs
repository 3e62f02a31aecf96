use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Content, FileName, InodeId};

/// Extended attributes by their full name (`security.capability`).
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A modification time: seconds and nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mtime {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Mtime {
    /// Creates a time of whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }
}

/// Owner, permissions and time of an inode; the file type is its [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-uid, set-gid and sticky: at most `0o7777`.
    pub mode: u16,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Mtime,
}

impl Metadata {
    /// Creates metadata owned by root.
    pub const fn root(mode: u16, mtime: Mtime) -> Self {
        Self { mode, uid: 0, gid: 0, mtime }
    }
}

/// What an inode is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A directory: names in byte order.
    Directory(BTreeMap<FileName, InodeId>),
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, as written.
    Symlink(Bytes),
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

impl Kind {
    /// Returns the file type bits of `st_mode` (`S_IFMT`).
    pub fn type_bits(&self) -> u16 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice { .. } => 0o020_000,
            Self::Directory(_) => 0o040_000,
            Self::BlockDevice { .. } => 0o060_000,
            Self::File(_) => 0o100_000,
            Self::Symlink(_) => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }
}

/// One file, directory, link or special file, whatever names it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Inode {
    /// Owner, permissions, time.
    pub metadata: Metadata,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// What it is.
    pub kind: Kind,
}

impl Inode {
    /// Creates an inode without extended attributes.
    pub const fn new(metadata: Metadata, kind: Kind) -> Self {
        Self { metadata, xattrs: BTreeMap::new(), kind }
    }

    /// Creates a regular file.
    pub fn file(metadata: Metadata, content: impl Into<Content>) -> Self {
        Self::new(metadata, Kind::File(content.into()))
    }

    /// Creates an empty directory.
    pub const fn directory(metadata: Metadata) -> Self {
        Self::new(metadata, Kind::Directory(BTreeMap::new()))
    }

    /// Creates a symbolic link, mode `0o777`, owned by root.
    pub fn symlink(mtime: Mtime, target: impl Into<Bytes>) -> Self {
        Self::new(Metadata::root(0o777, mtime), Kind::Symlink(target.into()))
    }

    /// Returns the children if this is a directory.
    pub fn children(&self) -> Option<&BTreeMap<FileName, InodeId>> {
        match &self.kind {
            Kind::Directory(children) => Some(children),
            _ => None,
        }
    }

    /// Returns the content if this is a regular file.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }
}
