use std::ops::Range;

use bytes::Bytes;
use flagstone_tree::Content;

use super::extent::Extent;
use super::fields::Fields;
use super::inode::Layout;
use super::{BLOCK, Image, Node, ReadAt, compact};
use crate::ReadError;

/// Plain data is handed on in parts of this size.
const PART: u64 = 1 << 20;

/// In a table of chunks, a hole.
const NULL_BLOCK: u32 = u32::MAX;

/// The highest bit of the index's header: the file is within the packed inode.
const FRAGMENT: u64 = 1 << 63;

/// Takes parts of a content: where each begins, and its bytes. An error ends the reading.
type Take<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), ReadError>;

impl<R: ReadAt> Image<R> {
    /// Hands on the bytes of a range of a file, in order. Holes are left out, and so is what is
    /// beyond the end.
    ///
    /// # Errors
    /// [`ReadError`] if the image is damaged there, what came before having been handed on; or the
    /// one that `take` gave.
    pub fn read(&self, node: &Node, range: Range<u64>, take: Take<'_>) -> Result<(), ReadError> {
        let range = range.start..range.end.min(node.size);
        if range.is_empty() {
            return Ok(());
        }
        match node.layout {
            Layout::Plain => self.read_plain(node, u64::from(node.data) * BLOCK, range, take),
            Layout::Inline => self.read_inline(node, range, take),
            Layout::Chunks => self.read_chunks(node, range, take),
            Layout::Compact => {
                let extents = compact::read(self, node)?;
                self.read_extents(node, &extents, range, take)
            }
            Layout::Full => self.read_fragment(node, range, take),
        }
    }

    /// Returns the content of a file; at most `limit` bytes of data, holes not counted.
    ///
    /// # Errors
    /// [`ReadError`], also if there is more.
    pub fn content(&self, node: &Node, limit: u64) -> Result<Content, ReadError> {
        let mut extents: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut left = limit;
        self.read(node, 0..node.size, &mut |offset, data| {
            left = left.checked_sub(data.len() as u64).ok_or(ReadError::TooLarge { limit })?;
            match extents.last_mut() {
                Some((at, before)) if *at + before.len() as u64 == offset => {
                    before.extend_from_slice(data);
                }
                _ => extents.push((offset, data.to_vec())),
            }
            Ok(())
        })?;
        let extents = extents.into_iter().map(|(at, data)| (at, Bytes::from(data))).collect();
        Content::sparse(node.size, extents).ok_or(node.corrupt("its parts overlap"))
    }

    /// Hands on all of what is not a file with holes and is not compressed: directories and
    /// links.
    pub(super) fn read_stored(
        &self,
        node: &Node,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        match node.layout {
            Layout::Plain | Layout::Inline if node.size <= self.len => {
                self.read(node, 0..node.size, &mut |_, data| {
                    take(data);
                    Ok(())
                })
            }
            _ => Err(node.corrupt("it is stored as only files can be")),
        }
    }

    /// Hands on data that is in the image as it is in the file.
    fn read_plain(
        &self,
        node: &Node,
        position: u64,
        range: Range<u64>,
        take: Take<'_>,
    ) -> Result<(), ReadError> {
        let mut start = range.start;
        while start < range.end {
            let length = PART.min(range.end - start);
            let at =
                position.checked_add(start).ok_or(node.corrupt("it reaches past the image"))?;
            take(start, &self.bytes(node.nid, at, length)?)?;
            start += length;
        }
        Ok(())
    }

    fn read_inline(&self, node: &Node, range: Range<u64>, take: Take<'_>) -> Result<(), ReadError> {
        let split = node.size / BLOCK * BLOCK;
        let (position, length) = (node.tail(), node.size - split);
        if position % BLOCK + length > BLOCK {
            return Err(node.corrupt("its inline data leaves the block"));
        }
        if range.start < split {
            let blocks = range.start..range.end.min(split);
            self.read_plain(node, u64::from(node.data) * BLOCK, blocks, take)?;
        }
        let tail = range.start.max(split)..range.end;
        if tail.is_empty() {
            return Ok(());
        }
        let position = position + (tail.start - split);
        take(tail.start, &self.bytes(node.nid, position, tail.end - tail.start)?)
    }

    fn read_chunks(&self, node: &Node, range: Range<u64>, take: Take<'_>) -> Result<(), ReadError> {
        let bits = node.data & 0x1f;
        if node.data != bits {
            return Err(node.corrupt("its chunks are stored as is not known"));
        }
        let shift = 12 + bits;
        let (first, end) = (range.start >> shift, ((range.end - 1) >> shift) + 1);
        let table = node.tail().next_multiple_of(4) + first * 4;
        let table = self.bytes(node.nid, table, (end - first) * 4)?;
        for (entry, chunk) in table.chunks_exact(4).zip(first..) {
            let block = Fields(entry).u32(0);
            if block == NULL_BLOCK {
                continue;
            }
            let start = chunk << shift;
            let chunk_end = start.saturating_add(1 << shift);
            let part = range.start.max(start)..range.end.min(chunk_end);
            let position = u64::from(block) * BLOCK;
            let mut shifted = |offset: u64, data: &[u8]| take(start + offset, data);
            self.read_plain(node, position, part.start - start..part.end - start, &mut shifted)?;
        }
        Ok(())
    }

    fn read_extents(
        &self,
        node: &Node,
        extents: &[Extent],
        range: Range<u64>,
        take: Take<'_>,
    ) -> Result<(), ReadError> {
        let first = extents.partition_point(|extent| extent.end() <= range.start);
        for extent in extents[first..].iter().take_while(|extent| extent.start < range.end) {
            let data = self.unpack(node, extent)?;
            let index = |at: u64| usize::try_from(at - extent.start).expect("at most 12 MiB");
            let (from, to) = (range.start.max(extent.start), range.end.min(extent.end()));
            take(from, &data[index(from)..index(to)])?;
        }
        Ok(())
    }

    fn read_fragment(
        &self,
        node: &Node,
        range: Range<u64>,
        take: Take<'_>,
    ) -> Result<(), ReadError> {
        let header = self.bytes(node.nid, node.tail().next_multiple_of(8), 8)?;
        let header = Fields(&header).u64(0);
        if header & FRAGMENT == 0 {
            return Err(node.corrupt("its index has a form that is not known"));
        }
        let offset = header & !FRAGMENT;
        let (packed, extents) = self.packed()?;
        let end = offset.checked_add(node.size).filter(|&end| end <= packed.size);
        if end.is_none() {
            return Err(node.corrupt("it reaches past the packed inode"));
        }
        let range = range.start + offset..range.end + offset;
        let mut shifted = |at: u64, data: &[u8]| take(at - offset, data);
        if packed.layout == Layout::Plain {
            let position = u64::from(packed.data) * BLOCK;
            return self.read_plain(packed, position, range, &mut shifted);
        }
        self.read_extents(packed, extents, range, &mut shifted)
    }
}
