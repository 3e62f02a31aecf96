use flagstone_tree::FileName;

use super::fields::Fields;
use super::{BLOCK_SIZE, Image, Node, NodeKind, ReadAt};
use crate::ReadError;

/// Bytes of an entry, its name aside.
const SIZE: usize = 12;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: FileName,
    /// The inode's number.
    pub nid: u64,
}

impl<R: ReadAt> Image<R> {
    /// Returns what is in a directory, in the order of the names' bytes, without `.` and `..`.
    ///
    /// # Errors
    /// [`ReadError`] if it is no directory, or damaged: names that are not in order would not be
    /// found.
    pub fn entries(&self, node: &Node) -> Result<Vec<Entry>, ReadError> {
        if node.kind != NodeKind::Directory {
            return Err(node.corrupt("it is not a directory"));
        }
        let mut bytes = Vec::new();
        self.read_stored(node, &mut |data| bytes.extend_from_slice(data))?;
        let mut entries = Vec::new();
        let mut last: Option<Vec<u8>> = None;
        for block in bytes.chunks(BLOCK_SIZE) {
            for (name, nid) in names(node, block)? {
                if last.as_deref().is_some_and(|last| last >= name) {
                    return Err(node.corrupt("its names are not in order"));
                }
                last = Some(name.to_vec());
                if name != b"." && name != b".." {
                    let name = FileName::new(name);
                    let name = name.map_err(|_| node.corrupt("a name in it is none"))?;
                    entries.push(Entry { name, nid });
                }
            }
        }
        Ok(entries)
    }
}

/// Returns the names in one block, with the inodes' numbers.
fn names<'a>(node: &Node, block: &'a [u8]) -> Result<Vec<(&'a [u8], u64)>, ReadError> {
    let corrupt = || node.corrupt("its entries are damaged");
    let offset_of = |index: usize| {
        let entry = block.get(index * SIZE..(index + 1) * SIZE);
        entry.map(|entry| usize::from(Fields(entry).u16(8))).ok_or_else(corrupt)
    };
    let first = offset_of(0)?;
    let count = first / SIZE;
    if first % SIZE != 0 || count == 0 {
        return Err(corrupt());
    }
    let mut names = Vec::with_capacity(count.min(block.len() / SIZE));
    for index in 0..count {
        let is_last = index + 1 == count;
        let end = if is_last { block.len() } else { offset_of(index + 1)? };
        let mut name = block.get(offset_of(index)?..end).ok_or_else(corrupt)?;
        if is_last {
            name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        }
        names.push((name, Fields(&block[index * SIZE..]).u64(0)));
    }
    Ok(names)
}
