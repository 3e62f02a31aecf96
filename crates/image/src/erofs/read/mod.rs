//! A reader of EROFS images, which trusts nothing in them.
//!
//! It is the second opinion on what the writer beside it makes, and shares no code with it. It
//! reads what that one writes: flat, inline and chunk-based data; compressed clusters with compact
//! indexes; files within the packed inode. An image that asks for anything else is refused by
//! name.
//!
//! Every length and position is checked before it is used, so a damaged or hostile image is an
//! error and never a panic, and nothing is allocated that the image has no bytes for: at most an
//! index, a directory or a cluster at a time. [`Image::tree`], which holds all, takes a limit.

mod compact;
mod content;
mod directory;
mod extent;
mod fields;
mod inode;
mod locate;
mod packed;
mod part;
mod source;
mod superblock;
mod tree;
mod unpack;
mod xattr;

use std::sync::{Mutex, OnceLock};

use flagstone_tree::{Mtime, Xattrs};

pub use self::directory::Entry;
use self::extent::Extent;
pub use self::inode::{Node, NodeKind};
pub use self::part::{Part, decompress};
pub use self::source::ReadAt;
use self::superblock::Superblock;
use self::unpack::Unpacked;
use crate::ReadError;

/// Bytes in a block; the only size that is read.
const BLOCK_SIZE: usize = 4096;
/// [`BLOCK_SIZE`] for lengths and positions in the image.
const BLOCK: u64 = BLOCK_SIZE as u64;

/// An image that has a sound superblock.
#[derive(Debug)]
pub struct Image<R> {
    source: R,
    len: u64,
    superblock: Superblock,
    /// The packed inode and its clusters, read when a file first needs them.
    packed: OnceLock<(Node, Vec<Extent>)>,
    /// The cluster that was decompressed last: small files share one.
    last: Mutex<Option<Unpacked>>,
}

impl<R: ReadAt> Image<R> {
    /// Reads the superblock.
    ///
    /// # Errors
    /// [`ReadError`] if it is not one, or announces what this reader does not know.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let len = source.len().map_err(|source| ReadError::Read { offset: 0, source })?;
        let superblock = Superblock::read(&source, len)?;
        Ok(Self { source, len, superblock, packed: OnceLock::new(), last: Mutex::new(None) })
    }

    /// Returns the root directory.
    ///
    /// # Errors
    /// [`ReadError`] if it is damaged, or none.
    pub fn root(&self) -> Result<Node, ReadError> {
        let root = self.node(self.superblock.root_nid)?;
        match root.kind {
            NodeKind::Directory => Ok(root),
            _ => Err(root.corrupt("the root is not a directory")),
        }
    }

    /// Returns an inode by its number.
    ///
    /// # Errors
    /// [`ReadError`] if there is none, or it is damaged.
    pub fn node(&self, nid: u64) -> Result<Node, ReadError> {
        Node::read(self, nid)
    }

    /// Returns the extended attributes of an inode.
    ///
    /// # Errors
    /// [`ReadError`] if they are damaged.
    pub fn xattrs(&self, node: &Node) -> Result<Xattrs, ReadError> {
        xattr::read(self, node)
    }

    /// Returns when the image says that it was made.
    pub fn build_time(&self) -> Mtime {
        self.superblock.build_time
    }

    /// Returns the image's id, in the byte order of RFC 9562.
    pub fn uuid(&self) -> [u8; 16] {
        self.superblock.uuid
    }

    /// Returns the label, up to its first NUL.
    pub fn label(&self) -> &[u8] {
        &self.superblock.label
    }

    /// Reads so many bytes of the image, which has to have them.
    fn bytes(&self, nid: u64, position: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        let end = position.checked_add(length).filter(|&end| end <= self.len);
        let length = end.and_then(|_| usize::try_from(length).ok());
        let length = length.ok_or(ReadError::Corrupt { nid, what: "it reaches past the image" })?;
        let mut bytes = vec![0; length];
        self.source
            .read_exact_at(&mut bytes, position)
            .map_err(|source| ReadError::Read { offset: position, source })?;
        Ok(bytes)
    }
}
