use super::fields::Fields;
use super::inode::Layout;
use super::{BLOCK, Image, Node, NodeKind, ReadAt};
use crate::ReadError;

/// The longest target of a link.
const TARGET_MAX: u64 = 4095;

/// In the index of a file within the packed inode, what is not its place there.
const FRAGMENT: u64 = 1 << 63;

impl<R: ReadAt> Image<R> {
    /// Returns how long the image says that it is, in bytes; a partition may be longer.
    pub fn size_bytes(&self) -> u64 {
        u64::from(self.superblock.blocks) * BLOCK
    }

    /// Returns a file's rank in the order in which all files are read fastest: those that were
    /// compressed together follow each other, so that no cluster is decompressed twice.
    ///
    /// # Errors
    /// [`ReadError`] if the file's index is beyond the image.
    pub fn reading_order(&self, node: &Node) -> Result<u64, ReadError> {
        if node.layout != Layout::Full || node.size == 0 {
            return Ok(node.nid & !FRAGMENT);
        }
        let header = self.bytes(node.nid, node.tail().next_multiple_of(8), 8)?;
        Ok(Fields(&header).u64(0) | FRAGMENT)
    }

    /// Returns what a symbolic link points to.
    ///
    /// # Errors
    /// [`ReadError`] if it is no link, or damaged.
    pub fn target(&self, node: &Node) -> Result<Vec<u8>, ReadError> {
        if node.kind != NodeKind::Symlink {
            return Err(node.corrupt("it is not a symbolic link"));
        }
        if node.size == 0 || node.size > TARGET_MAX {
            return Err(node.corrupt("its target is empty or longer than 4095 bytes"));
        }
        let mut target = Vec::new();
        self.read_stored(node, &mut |data| target.extend_from_slice(data))?;
        Ok(target)
    }
}
