use super::extent::{Extent, Stored};
use super::inode::Layout;
use super::{BLOCK, Image, Node, ReadAt, compact, unpack};
use crate::ReadError;
use crate::erofs::ClusterSize;

/// A part of a compressed file as the image holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the file.
    pub length: u64,
    /// Where in the image its first block begins, in bytes.
    pub position: u64,
    /// Bytes of its blocks.
    pub stored: u64,
    /// The number of the compressor (`Z_EROFS_COMPRESSION_*`); none for a block as it is.
    pub format: Option<u8>,
}

impl<R: ReadAt> Image<R> {
    /// Returns how a file is compressed, part after part; nothing if it is not, or lies in the packed
    /// inode.
    ///
    /// # Errors
    /// [`ReadError`] if its index is damaged.
    pub fn parts(&self, node: &Node) -> Result<Vec<Part>, ReadError> {
        match node.layout {
            Layout::Compact => Ok(compact::read(self, node)?.iter().map(Part::from).collect()),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the same of the packed inode, which holds small files; nothing if there is none.
    ///
    /// # Errors
    /// As [`Self::parts`].
    pub fn packed_parts(&self) -> Result<Vec<Part>, ReadError> {
        if self.superblock.packed_nid.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.packed()?.1.iter().map(Part::from).collect())
    }

    /// Returns how much was compressed together at most, as the superblock has it for the compressor
    /// of the highest number; none if nothing was compressed.
    pub fn cluster(&self) -> Option<ClusterSize> {
        self.superblock.cluster
    }
}

impl From<&Extent> for Part {
    fn from(extent: &Extent) -> Self {
        let &Extent { length, position, stored, .. } = extent;
        match stored {
            Stored::Plain => Self { length, position, stored: BLOCK, format: None },
            Stored::Packed { format, size } => {
                Self { length, position, stored: size, format: Some(format) }
            }
        }
    }
}

/// Decompresses the blocks of one cluster to exactly so many bytes, which the caller has bounded;
/// `None` if they give anything else. Zeros come before the compressed bytes.
pub fn decompress(format: u8, blocks: &[u8], length: usize) -> Option<Vec<u8>> {
    let padding = blocks.iter().take_while(|&&byte| byte == 0).count();
    unpack::decompress(format, &blocks[padding..], length)
}
