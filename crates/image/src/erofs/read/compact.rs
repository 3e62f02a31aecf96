//! The compact index of a compressed file.
//!
//! After a header of eight bytes, each block of the file has an entry of a type and twelve more
//! bits. Entries come in packs: of two in eight bytes until a position that 32 divides, of 16 in
//! 32 bytes while there are as many, then of two again. A pack ends with the address of a block,
//! from which those of all clusters that begin in it are counted.

use super::extent::{Extent, Stored};
use super::fields::Fields;
use super::{BLOCK, Image, Node, ReadAt};
use crate::ReadError;

/// The most that a cluster holds (`Z_EROFS_PCLUSTER_MAX_DSIZE`).
const CLUSTER_MAX: u64 = 12 << 20;

/// Large packs, and clusters of several blocks: all that the header may ask for.
const KNOWN_ADVICE: u16 = 0x7;
const LARGE_PACKS: u16 = 0x1;

const COUNT_FLAG: u16 = 1 << 11;

/// An entry of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Plain {
        offset: u16,
        block: u32,
    },
    Head {
        offset: u16,
        block: u32,
    },
    /// Within a cluster; the second block of one says how many blocks it takes.
    Inside {
        blocks: Option<u16>,
    },
}

/// Reads where the clusters of a file are.
pub(super) fn read<R: ReadAt>(image: &Image<R>, node: &Node) -> Result<Vec<Extent>, ReadError> {
    let start = node.tail().next_multiple_of(8);
    let header = image.bytes(node.nid, start, 8)?;
    let header = Fields(&header);
    let (advice, format) = (header.u16(4), header.0[6]);
    if header.u32(0) != 0 || advice & !KNOWN_ADVICE != 0 || advice & 0x6 != 0x6 || header.0[7] != 0
    {
        return Err(node.corrupt("its index asks for what is not known"));
    }
    if format > 15 || image.superblock.compressors >> format & 1 == 0 {
        return Err(node.corrupt("its compressor is not announced"));
    }
    let entries = entries(image, node, start + 8, advice & LARGE_PACKS != 0)?;
    extents(node, &entries, format)
}

fn entries<R: ReadAt>(
    image: &Image<R>,
    node: &Node,
    start: u64,
    large_packs: bool,
) -> Result<Vec<Entry>, ReadError> {
    let count = node.size.div_ceil(BLOCK);
    let first = (start.next_multiple_of(32) - start) / 4;
    let large = if large_packs { count.saturating_sub(first) / 16 } else { 0 };
    let head = if large > 0 { first } else { count };
    let tail = count - head - large * 16;
    let size = head.div_ceil(2) * 8 + large * 32 + tail.div_ceil(2) * 8;
    let bytes = image.bytes(node.nid, start, size)?;
    let split = |n: u64| usize::try_from(n).expect("the bytes are in memory");
    let (head, rest) = bytes.split_at(split(head.div_ceil(2) * 8));
    let (middle, tail) = rest.split_at(split(large * 32));
    let mut entries = Vec::new();
    head.chunks(8).for_each(|pack| unpack(pack, 2, 16, &mut entries));
    if large > 0 {
        middle.chunks(32).for_each(|pack| unpack(pack, 16, 14, &mut entries));
        tail.chunks(8).for_each(|pack| unpack(pack, 2, 16, &mut entries));
    }
    entries.truncate(split(count));
    Ok(entries)
}

/// Reads one pack; addresses that would be out of range wrap, and are found where they are used.
fn unpack(pack: &[u8], count: usize, bits: usize, entries: &mut Vec<Entry>) {
    let mut block = Fields(pack).u32(pack.len() - 4);
    let mut pending = false;
    for index in 0..count {
        let at = index * bits;
        let window = u32::from(pack[at / 8])
            | u32::from(pack[at / 8 + 1]) << 8
            | u32::from(pack[at / 8 + 2]) << 16;
        let value = (window >> (at % 8) & 0x3fff) as u16;
        let (kind, low) = (value >> 12, value & 0xfff);
        // A cluster of which the pack has no count takes one block.
        if kind != 2 && pending {
            block = block.wrapping_add(1);
        }
        pending = kind != 2;
        entries.push(match kind {
            0 => Entry::Plain { offset: low, block },
            2 if low & COUNT_FLAG != 0 => {
                let blocks = low & !COUNT_FLAG;
                block = block.wrapping_add(blocks.into());
                Entry::Inside { blocks: Some(blocks) }
            }
            2 => Entry::Inside { blocks: None },
            _ => Entry::Head { offset: low, block },
        });
    }
}

/// Joins the entries to what they are about.
fn extents(node: &Node, entries: &[Entry], format: u8) -> Result<Vec<Extent>, ReadError> {
    let mut extents: Vec<Extent> = Vec::new();
    for ((index, entry), lcn) in entries.iter().enumerate().zip(0_u64..) {
        let (offset, block, packed) = match *entry {
            Entry::Plain { offset, block } => (offset, block, false),
            Entry::Head { offset, block } => (offset, block, true),
            Entry::Inside { .. } if extents.is_empty() => {
                return Err(node.corrupt("its index begins within a cluster"));
            }
            Entry::Inside { .. } => continue,
        };
        let start = lcn * BLOCK + u64::from(offset);
        if let Some(before) = extents.last_mut() {
            before.length = start.min(node.size) - before.start;
        } else if start != 0 {
            return Err(node.corrupt("its first cluster does not begin at its start"));
        }
        if start >= node.size {
            // The last cluster ends here, with the file.
            break;
        }
        let blocks = match entries.get(index + 1) {
            Some(Entry::Inside { blocks: Some(blocks) }) => u64::from(*blocks),
            Some(Entry::Inside { blocks: None }) => 0,
            _ => 1,
        };
        let stored =
            if packed { Stored::Packed { format, size: blocks * BLOCK } } else { Stored::Plain };
        let position = u64::from(block) * BLOCK;
        extents.push(Extent { start, length: node.size - start, position, stored });
    }
    for extent in &extents {
        let sound = match extent.stored {
            Stored::Plain => extent.length <= BLOCK,
            Stored::Packed { size, .. } => size > 0 && extent.length <= CLUSTER_MAX,
        };
        if !sound || extent.length == 0 {
            return Err(node.corrupt("its index has a cluster that cannot be"));
        }
    }
    Ok(extents)
}
