use std::io::{self, Write};
use std::ops::Range;

use flagstone_tree::{Content, FileName, Kind};

use super::compress::index;
use super::dirent::{self, Dirent};
use super::shape::Shape;
use super::sink::Sink;
use super::{BLOCK, Plan, xattr};
use crate::ErofsError;

impl Plan<'_> {
    /// Writes an image without compression from its first byte to its last.
    ///
    /// # Errors
    /// [`ErofsError::Write`] if the writer fails.
    pub(super) fn write(&self, out: impl Write) -> Result<(), ErofsError> {
        let mut out = Sink::new(out);
        self.write_all(&mut out).map_err(ErofsError::Write)
    }

    fn write_all(&self, out: &mut Sink<impl Write>) -> io::Result<()> {
        out.write(&self.superblock.encode())?;
        self.write_metadata(out)?;
        self.write_data(out)?;
        out.pad_block()?;
        out.flush()
    }

    /// Writes what follows the compressed data.
    ///
    /// # Errors
    /// [`ErofsError::Write`] if the writer fails.
    pub(super) fn write_rest(&self, out: &mut Sink<impl Write>) -> Result<(), ErofsError> {
        self.write_data(out)
            .and_then(|()| out.pad_block())
            .and_then(|()| self.write_metadata(out))
            .and_then(|()| out.pad_block())
            .and_then(|()| out.flush())
            .map_err(ErofsError::Write)
    }

    fn write_data(&self, out: &mut Sink<impl Write>) -> io::Result<()> {
        for &index in &self.data_order {
            out.pad_to(u64::from(self.stored[index].first_block) * BLOCK)?;
            self.write_blocks(index, out)?;
        }
        Ok(())
    }

    fn write_metadata(&self, out: &mut Sink<impl Write>) -> io::Result<()> {
        let mut order: Vec<usize> = (0..self.stored.len()).collect();
        order.sort_unstable_by_key(|&index| self.stored[index].position);
        let meta_base = u64::from(self.superblock.meta_block) * BLOCK;
        let mut head = Vec::new();
        for index in order {
            let stored = &self.stored[index];
            head.clear();
            stored.disk.encode(stored.form, &mut head);
            xattr::encode(&self.nodes.list[index].inode.xattrs, &mut head);
            match &stored.shape {
                Shape::Compressed { body, format } => index::encode(body, *format, &mut head),
                Shape::Fragment { offset } => index::encode_fragment(*offset, &mut head),
                Shape::Empty | Shape::Flat { .. } | Shape::Chunked(_) => {}
            }
            out.pad_to(meta_base + stored.position)?;
            out.write(&head)?;
            match &stored.shape {
                Shape::Flat { blocks, tail: 1.. } => {
                    self.write_part(index, blocks * BLOCK..stored.disk.size, out)?;
                }
                Shape::Chunked(chunks) => {
                    for block in chunks.table(stored.first_block) {
                        out.write(&block.to_le_bytes())?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the data blocks of one inode.
    fn write_blocks(&self, index: usize, out: &mut Sink<impl Write>) -> io::Result<()> {
        let stored = &self.stored[index];
        match &stored.shape {
            Shape::Empty | Shape::Compressed { .. } | Shape::Fragment { .. } => Ok(()),
            Shape::Flat { blocks, .. } => {
                self.write_part(index, 0..stored.disk.size.min(blocks * BLOCK), out)
            }
            Shape::Chunked(chunks) => chunks.ranges().try_for_each(|range| {
                self.write_part(index, range, out)?;
                out.pad_block()
            }),
        }
    }

    /// Writes a part of an inode's data.
    fn write_part(
        &self,
        index: usize,
        range: Range<u64>,
        out: &mut Sink<impl Write>,
    ) -> io::Result<()> {
        match &self.nodes.list[index].inode.kind {
            Kind::File(content) => write_content(content, range, out),
            Kind::Symlink(target) => out.write(slice(target, &range)),
            Kind::Directory(_) => out.write(slice(&self.directory(index), &range)),
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo | Kind::Socket => {
                Ok(())
            }
        }
    }

    /// Returns the bytes of a directory.
    fn directory(&self, index: usize) -> Vec<u8> {
        let node = &self.nodes.list[index];
        let entry = |name, index: usize| Dirent {
            name,
            nid: self.nid(index),
            file_type: dirent::file_type(&self.nodes.list[index].inode.kind),
        };
        let children = node.inode.children().into_iter().flatten();
        let mut entries = vec![entry(b".", index), entry(b"..", node.parent)];
        entries.extend(
            children.map(|(name, &id)| entry(FileName::as_bytes(name), self.nodes.index(id))),
        );
        dirent::encode(entries)
    }
}

/// Writes a part of a file, holes as zeros.
fn write_content(
    content: &Content,
    range: Range<u64>,
    out: &mut Sink<impl Write>,
) -> io::Result<()> {
    /// Bytes that are read at once; holes are not.
    const PART: u64 = 1 << 20;
    let start = out.position();
    for extent in content.extents_in(range.clone()) {
        let mut from = extent.start;
        while from < extent.end {
            let end = extent.end.min(from + PART);
            out.pad_to(start + (from - range.start))?;
            out.write(&content.part(from..end)?)?;
            from = end;
        }
    }
    out.pad_to(start + (range.end - range.start))
}

/// Returns a part of data in memory.
fn slice<'a>(data: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let index = |n: u64| usize::try_from(n).expect("a position in memory fits the address space");
    &data[index(range.start)..index(range.end)]
}
