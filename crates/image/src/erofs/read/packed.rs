use super::extent::Extent;
use super::inode::Layout;
use super::{Image, Node, NodeKind, ReadAt, compact};
use crate::ReadError;

impl<R: ReadAt> Image<R> {
    /// Returns the inode that holds small files, and its clusters.
    pub(super) fn packed(&self) -> Result<&(Node, Vec<Extent>), ReadError> {
        if let Some(packed) = self.packed.get() {
            return Ok(packed);
        }
        let nid = self.superblock.packed_nid;
        let nid = nid.ok_or(ReadError::Superblock { reason: "it names no packed inode" })?;
        let node = self.node(nid)?;
        if node.kind != NodeKind::File {
            return Err(node.corrupt("the packed inode is not a file"));
        }
        let extents = match node.layout {
            Layout::Compact => compact::read(self, &node)?,
            Layout::Plain => Vec::new(),
            _ => return Err(node.corrupt("the packed inode is stored as it cannot be")),
        };
        Ok(self.packed.get_or_init(|| (node, extents)))
    }
}
