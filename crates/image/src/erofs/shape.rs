use std::sync::Arc;

use flagstone_tree::{Content, FileName, Kind, Mtime};

use super::chunk::Chunks;
use super::compress::{Body, index};
use super::inode::{DataLayout, DiskInode, Form, device_number};
use super::node::Node;
use super::{BLOCK, NULL_BLOCK, dirent, xattr};
use crate::Unfit;

/// How the data of an inode is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// There is none.
    Empty,
    /// In consecutive blocks, with the last `tail` bytes, if any, after the inode.
    Flat {
        /// Whole blocks.
        blocks: u64,
        /// Bytes after the inode, less than a block.
        tail: u64,
    },
    /// With holes.
    Chunked(Chunks),
    /// In compressed clusters, whose index follows the inode.
    Compressed {
        /// The clusters.
        body: Arc<Body>,
        /// The number of the compressor.
        format: u8,
    },
    /// Within the packed inode.
    Fragment {
        /// Bytes before it there.
        offset: u64,
    },
}

impl Shape {
    /// Chooses for `len` bytes without holes, after a head of so many bytes.
    fn flat(len: u64, head: u64) -> Self {
        let tail = len % BLOCK;
        if len == 0 {
            Self::Empty
        } else if tail > 0 && head + tail <= BLOCK {
            Self::Flat { blocks: len / BLOCK, tail }
        } else {
            Self::Flat { blocks: len.div_ceil(BLOCK), tail: 0 }
        }
    }

    fn of_file(content: &Content, head: u64) -> Self {
        Chunks::of(content).map_or_else(|| Self::flat(content.len(), head), Self::Chunked)
    }

    fn layout(&self) -> DataLayout {
        match self {
            Self::Empty | Self::Flat { tail: 0, .. } => DataLayout::FlatPlain,
            Self::Flat { .. } => DataLayout::FlatInline,
            Self::Chunked(_) => DataLayout::ChunkBased,
            Self::Compressed { .. } => DataLayout::Compressed,
            Self::Fragment { .. } => DataLayout::Packed,
        }
    }

    /// Returns the bytes that follow the inode and its attributes, which have `head` bytes.
    fn inline_size(&self, head: u64) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Flat { tail, .. } => *tail,
            Self::Chunked(chunks) => chunks.table_size(),
            Self::Compressed { body, .. } => index::size(body.len(), head),
            Self::Fragment { .. } => index::fragment_size(head),
        }
    }

    /// Returns the data blocks it takes.
    pub(super) fn blocks(&self) -> u64 {
        match self {
            Self::Empty | Self::Fragment { .. } => 0,
            Self::Flat { blocks, .. } => *blocks,
            Self::Chunked(chunks) => chunks.blocks(),
            Self::Compressed { body, .. } => body.blocks(),
        }
    }
}

/// An inode as it will be stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) disk: DiskInode,
    pub(super) form: Form,
    pub(super) shape: Shape,
    /// Bytes of attributes.
    xattr_size: u64,
    /// Where its metadata starts in the image, in bytes.
    pub(super) position: u64,
    /// Its first data block, if it has any.
    pub(super) first_block: u32,
}

impl Stored {
    /// Decides how a node is stored; it has no place yet.
    pub(super) fn new(node: &Node<'_>, ino: u32, build_time: Mtime) -> Result<Self, Unfit> {
        node.check()?;
        let inode = node.inode;
        let metadata = &inode.metadata;
        let xattr_size = xattr::size(&inode.xattrs)?;
        let mut disk = DiskInode {
            layout: DataLayout::FlatPlain,
            xattr_count: u16::try_from(xattr::count(xattr_size)).expect("xattr::size() checked it"),
            mode: inode.kind.type_bits() | metadata.mode,
            links: node.links,
            size: length(&inode.kind),
            data: NULL_BLOCK,
            ino,
            uid: metadata.uid,
            gid: metadata.gid,
            mtime: metadata.mtime,
        };
        let form = disk.form(build_time);
        let head = form.size() + xattr_size;
        let shape = match &inode.kind {
            Kind::File(content) => Shape::of_file(content, head),
            _ => Shape::flat(disk.size, head),
        };
        disk.layout = shape.layout();
        disk.data = match (&inode.kind, &shape) {
            (&Kind::CharDevice { major, minor } | &Kind::BlockDevice { major, minor }, _) => {
                device_number(major, minor).expect("check() accepted it")
            }
            (Kind::Fifo | Kind::Socket, _) => 0,
            (_, Shape::Chunked(chunks)) => chunks.format(),
            _ => NULL_BLOCK,
        };
        Ok(Self { disk, form, shape, xattr_size, position: 0, first_block: NULL_BLOCK })
    }

    /// Decides how the packed inode is stored but for its blocks; it has no place yet.
    pub(super) fn packed(node: &Node<'_>, index: usize, len: u64, build_time: Mtime) -> Self {
        let ino = u32::try_from(index + 1).expect("an inode number has 32 bits");
        let mut stored =
            Self::new(node, ino, build_time).expect("it has nothing that does not fit");
        stored.disk.size = len;
        stored.form = stored.disk.form(build_time);
        stored
    }

    /// Changes how the data is stored, after [`Self::first_block`] was set if it has blocks.
    pub(super) fn reshape(&mut self, shape: Shape) {
        self.disk.layout = shape.layout();
        self.disk.data = match &shape {
            Shape::Flat { .. } => self.first_block,
            Shape::Compressed { body, .. } => {
                u32::try_from(body.blocks()).expect("the image has fewer blocks than 2^32")
            }
            Shape::Fragment { .. } => 0,
            Shape::Chunked(_) | Shape::Empty => self.disk.data,
        };
        self.shape = shape;
    }

    /// Returns the bytes of inode and attributes.
    pub(super) fn head(&self) -> u64 {
        self.form.size() + self.xattr_size
    }

    /// Returns the bytes of inode, attributes and what follows inline.
    pub(super) fn metadata_size(&self) -> u64 {
        self.head() + self.shape.inline_size(self.head())
    }

    /// Says where the data begins.
    pub(super) fn set_first_block(&mut self, block: u32) {
        self.first_block = block;
        if matches!(self.shape, Shape::Flat { .. }) {
            self.disk.data = block;
        }
    }
}

/// Returns the size of an inode as `stat` shows it.
fn length(kind: &Kind) -> u64 {
    match kind {
        Kind::File(content) => content.len(),
        Kind::Symlink(target) => target.len() as u64,
        Kind::Directory(children) => {
            let names = children.keys().map(FileName::as_bytes);
            let mut names: Vec<&[u8]> = names.chain([&b"."[..], b".."]).collect();
            names.sort_unstable();
            dirent::size(names)
        }
        Kind::CharDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo | Kind::Socket => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_inline_if_it_fits_beside_the_inode() {
        let cases = [
            (0, 32, Shape::Empty),
            (1, 32, Shape::Flat { blocks: 0, tail: 1 }),
            (4064, 32, Shape::Flat { blocks: 0, tail: 4064 }),
            (4065, 32, Shape::Flat { blocks: 1, tail: 0 }),
            (4095, 64, Shape::Flat { blocks: 1, tail: 0 }),
            (4096, 64, Shape::Flat { blocks: 1, tail: 0 }),
            (4097, 64, Shape::Flat { blocks: 1, tail: 1 }),
            (4097, 5000, Shape::Flat { blocks: 2, tail: 0 }),
        ];
        for (len, head, shape) in cases {
            assert_eq!(Shape::flat(len, head), shape, "{len} bytes after {head}");
        }
    }
}
