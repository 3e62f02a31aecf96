use flagstone_tree::{Metadata, Mtime};

use super::fields::Fields;
use super::{Image, ReadAt};
use crate::ReadError;

/// Inodes begin at multiples of this.
const SLOT: u64 = 32;

/// An inode as the image has it, without its data and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub nid: u64,
    /// Owner, permissions, time.
    pub metadata: Metadata,
    /// Names, as the image counts them.
    pub links: u32,
    /// Length of the content in bytes.
    pub size: u64,
    /// What it is.
    pub kind: NodeKind,
    pub(super) layout: Layout,
    /// `i_u`: first block, device number or chunk format.
    pub(super) data: u32,
    /// Where its attributes begin in the image.
    pub(super) xattr_position: u64,
    pub(super) xattr_size: u64,
}

/// The type of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
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

/// How the content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Plain,
    /// Compressed, with the index in its large form; only files within the packed inode have it.
    Full,
    Inline,
    Compact,
    Chunks,
}

impl Node {
    pub(super) fn read<R: ReadAt>(image: &Image<R>, nid: u64) -> Result<Self, ReadError> {
        let corrupt = |what| ReadError::Corrupt { nid, what };
        let position =
            nid.checked_mul(SLOT).and_then(|at| at.checked_add(image.superblock.meta_start));
        let position = position.ok_or(corrupt("its number is beyond the image"))?;
        let compact = image.bytes(nid, position, 32)?;
        let format = Fields(&compact).u16(0);
        let layout = match format >> 1 {
            0 => Layout::Plain,
            1 => Layout::Full,
            2 => Layout::Inline,
            3 => Layout::Compact,
            4 => Layout::Chunks,
            _ => return Err(corrupt("its layout is not known")),
        };
        let is_extended = format & 1 == 1;
        let record = if is_extended { image.bytes(nid, position, 64)? } else { compact };
        let fields = Fields(&record);
        let count = u64::from(fields.u16(2));
        let mode = fields.u16(4);
        let (uid, gid, links, size, mtime) = if is_extended {
            let mtime =
                Mtime { seconds: fields.u64(32).cast_signed(), nanoseconds: fields.u32(40) };
            (fields.u32(24), fields.u32(28), fields.u32(44), fields.u64(8), mtime)
        } else {
            let (uid, gid) = (fields.u16(24).into(), fields.u16(26).into());
            let size = fields.u32(8).into();
            (uid, gid, fields.u16(6).into(), size, image.superblock.build_time)
        };
        if mtime.nanoseconds >= 1_000_000_000 {
            return Err(corrupt("its time has more than a second of nanoseconds"));
        }
        if i64::try_from(size).is_err() {
            return Err(corrupt("it is longer than files can be"));
        }
        let data = fields.u32(16);
        let kind = NodeKind::new(mode, data).ok_or(corrupt("its file type is not known"))?;
        let metadata = Metadata { mode: mode & 0o7777, uid, gid, mtime };
        let xattr_position = position + record.len() as u64;
        let xattr_size = if count == 0 { 0 } else { 12 + 4 * (count - 1) };
        Ok(Self { nid, metadata, links, size, kind, layout, data, xattr_position, xattr_size })
    }

    /// Returns where what follows inode and attributes begins in the image.
    pub(super) fn tail(&self) -> u64 {
        self.xattr_position + self.xattr_size
    }

    pub(super) fn corrupt(&self, what: &'static str) -> ReadError {
        ReadError::Corrupt { nid: self.nid, what }
    }
}

impl NodeKind {
    fn new(mode: u16, data: u32) -> Option<Self> {
        // As Linux encodes device numbers (`new_decode_dev`).
        let (major, minor) = (data >> 8 & 0xfff, data & 0xff | data >> 12 & 0xf_ff00);
        Some(match mode >> 12 {
            0o01 => Self::Fifo,
            0o02 => Self::CharDevice { major, minor },
            0o04 => Self::Directory,
            0o06 => Self::BlockDevice { major, minor },
            0o10 => Self::File,
            0o12 => Self::Symlink,
            0o14 => Self::Socket,
            _ => return None,
        })
    }
}
