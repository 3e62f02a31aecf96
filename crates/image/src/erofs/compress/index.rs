use super::body::Body;
use crate::erofs::BLOCK;

/// `struct z_erofs_map_header`, before the index and aligned like it.
const HEADER: usize = 8;

/// The index's start, header included, is aligned to this after the inode and its attributes.
const ALIGNMENT: usize = 8;

/// Bits of `h_advise`: 2-byte entries where 16 fit, and clusters of several blocks. The bit for
/// the second kind of compressed cluster, of which there are none, has to agree.
const ADVISE: u16 = ADVISE_COMPACTED_2B | ADVISE_BIG_PCLUSTER_1 | ADVISE_BIG_PCLUSTER_2;
const ADVISE_COMPACTED_2B: u16 = 0x1;
const ADVISE_BIG_PCLUSTER_1: u16 = 0x2;
const ADVISE_BIG_PCLUSTER_2: u16 = 0x4;

/// `Z_EROFS_FRAGMENT_INODE_BIT` of the header as a number: the file is in the packed inode, and
/// the other bits say where.
const FRAGMENT: u64 = 1 << 63;

/// `Z_EROFS_LI_D0_CBLKCNT`: the entry has a count of blocks.
const BLOCK_COUNT: u16 = 1 << 11;

/// Bits of an entry below its type: an offset, distance or count.
const LOW_BITS: u32 = 12;

/// What the index says about one block of the file ("logical cluster").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// A cluster begins here, in this block of the image.
    Head { packed: bool, block: u32 },
    /// The second block of a cluster that takes so many blocks of the image.
    Count { blocks: u16 },
    /// A later one: so far from the cluster's start, and to the next.
    Inside { back: u16, forth: u16 },
    /// The cluster before ends at this offset, with the file.
    End { offset: u16 },
}

impl Entry {
    /// `Z_EROFS_LCLUSTER_TYPE_*`.
    fn kind(self) -> u16 {
        match self {
            Self::Head { packed: false, .. } | Self::End { .. } => 0,
            Self::Head { packed: true, .. } => 1,
            Self::Count { .. } | Self::Inside { .. } => 2,
        }
    }

    /// Returns the low bits. The last entry of a pack says how far the next cluster is, all others
    /// how far their own is.
    fn low(self, last: bool) -> u16 {
        match self {
            Self::Head { .. } => 0,
            Self::Count { blocks } => BLOCK_COUNT | blocks,
            Self::Inside { forth, .. } if last => forth,
            Self::Inside { back, .. } => back,
            Self::End { offset } => offset,
        }
    }
}

/// Returns an entry for every block of the file.
fn entries(body: &Body) -> Vec<Entry> {
    let small = |n: u64| u16::try_from(n).expect("a cluster has at most 256 blocks");
    let mut entries = Vec::new();
    let mut block = body.first_block;
    for cluster in &body.clusters {
        let whole = u64::from(cluster.length) / BLOCK;
        let rest = u64::from(cluster.length) % BLOCK;
        if cluster.packed {
            entries.push(Entry::Head { packed: true, block });
            entries.extend((1..whole).map(|back| match back {
                1 => Entry::Count { blocks: small(cluster.blocks.into()) },
                _ => Entry::Inside { back: small(back), forth: small(whole - back) },
            }));
            if rest > 0 {
                entries.push(Entry::End { offset: small(rest) });
            }
        } else {
            let heads = (block..).take(cluster.blocks as usize);
            entries.extend(heads.map(|block| Entry::Head { packed: false, block }));
        }
        block += cluster.blocks;
    }
    entries
}

/// How many entries of which size there are ("compacted" layout).
///
/// The 4-byte ones come in packs of two, of eight bytes; the 2-byte ones in packs of 16, of 32
/// bytes, which have to be aligned to as much. Every pack ends with the address of a block.
struct Layout {
    first: u64,
    middle: u64,
    last: u64,
}

const SMALL_PACK: u64 = 2;
const LARGE_PACK: u64 = 16;
const LARGE_PACK_SIZE: u64 = 32;

impl Layout {
    /// Chooses for an index that follows this many bytes of inode, attributes and header.
    fn new(count: u64, start: u64) -> Self {
        let wanted = (LARGE_PACK_SIZE - start % LARGE_PACK_SIZE) % LARGE_PACK_SIZE / 4;
        let first = wanted.min(count);
        let middle = (count - first) / LARGE_PACK * LARGE_PACK;
        Self { first, middle, last: count - first - middle }
    }

    fn size(&self) -> u64 {
        let small =
            self.first.next_multiple_of(SMALL_PACK) + self.last.next_multiple_of(SMALL_PACK);
        small * 4 + self.middle * 2
    }
}

/// Returns the bytes that an index takes after an inode and attributes of `head` bytes, for a file
/// of `len` bytes.
pub(in crate::erofs) fn size(len: u64, head: u64) -> u64 {
    let start = head.next_multiple_of(ALIGNMENT as u64) + HEADER as u64;
    start - head + Layout::new(len.div_ceil(BLOCK), start).size()
}

/// Appends the index of a file to its inode and attributes, which begin at a multiple of 32 bytes.
pub(in crate::erofs) fn encode(body: &Body, format: u8, out: &mut Vec<u8>) {
    pad(out);
    out.extend([0; 4]); // no inline data
    out.extend(ADVISE.to_le_bytes());
    out.extend([format, 0]); // the cluster bits beyond 12
    let entries = entries(body);
    let layout = Layout::new(entries.len() as u64, out.len() as u64);
    let count = |n: u64| usize::try_from(n).expect("no more than there are entries");
    let (first, rest) = entries.split_at(count(layout.first));
    let (middle, last) = rest.split_at(count(layout.middle));
    for (part, pack) in [(first, SMALL_PACK), (middle, LARGE_PACK), (last, SMALL_PACK)] {
        part.chunks(count(pack)).for_each(|entries| encode_pack(entries, count(pack), out));
    }
}

/// Returns the bytes that the place of a file within the packed inode takes after `head` bytes.
pub(in crate::erofs) fn fragment_size(head: u64) -> u64 {
    head.next_multiple_of(ALIGNMENT as u64) - head + HEADER as u64
}

/// Appends the place of a file within the packed inode.
pub(in crate::erofs) fn encode_fragment(offset: u64, out: &mut Vec<u8>) {
    pad(out);
    out.extend((FRAGMENT | offset).to_le_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// Appends one pack: its entries bit by bit from the lowest, then the base address.
fn encode_pack(entries: &[Entry], capacity: usize, out: &mut Vec<u8>) {
    let bits_each = if capacity as u64 == SMALL_PACK { 16 } else { 14 };
    let (mut bits, mut used) = (0_u64, 0);
    let end = out.len() + capacity * bits_each / 8;
    for (index, entry) in entries.iter().enumerate() {
        let value =
            u64::from(entry.kind()) << LOW_BITS | u64::from(entry.low(index + 1 == capacity));
        bits |= value << used;
        used += bits_each;
        while used >= 8 {
            out.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            used -= 8;
        }
    }
    if used > 0 {
        out.push(bits.to_le_bytes()[0]);
    }
    out.resize(end, 0);
    out.extend(base_block(entries).to_le_bytes());
}

/// Returns what a pack adds its block counts to: for the first cluster that begins in it, its own
/// block less what the reader counts before.
///
/// The reader goes from a head to the pack's start; it counts the blocks of each cluster whose
/// count is in the pack, and one for each head that has none.
fn base_block(entries: &[Entry]) -> u32 {
    let mut before = 0_u32;
    for entry in entries {
        match *entry {
            Entry::Head { block, .. } => return block.wrapping_sub(before),
            Entry::Count { blocks } => before += u32::from(blocks),
            Entry::Inside { .. } | Entry::End { .. } => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::body::Cluster;
    use super::*;

    fn packed(length: u32, blocks: u32) -> Cluster {
        Cluster { length, blocks, packed: true }
    }

    fn plain(length: u32) -> Cluster {
        Cluster { length, blocks: length.div_ceil(4096), packed: false }
    }

    fn body(clusters: Vec<Cluster>) -> Body {
        Body { first_block: 100, clusters }
    }

    #[test]
    fn every_block_has_an_entry() {
        let file = body(vec![packed(16_384, 2), plain(8192), packed(8195, 2)]);
        let head = |packed, block| Entry::Head { packed, block };
        let expected = [
            head(true, 100),
            Entry::Count { blocks: 2 },
            Entry::Inside { back: 2, forth: 2 },
            Entry::Inside { back: 3, forth: 1 },
            head(false, 102),
            head(false, 103),
            head(true, 104),
            Entry::Count { blocks: 2 },
            Entry::End { offset: 3 },
        ];
        assert_eq!(entries(&file), expected);
        assert_eq!(entries(&body(vec![plain(1)])), [head(false, 100)]);
    }

    #[test]
    fn packs_are_where_the_kernel_reads_them() {
        // After an inode of 32 bytes: six small entries up to byte 64, then 16 and again small ones.
        let file = body(vec![packed(65_536, 5), packed(32_768, 3), packed(5000, 1)]);
        let mut bytes = vec![0xee; 32];
        encode(&file, 3, &mut bytes);
        assert_eq!(bytes.len() as u64, 32 + size(file.len(), 32));
        assert_eq!(bytes[32..40], [0, 0, 0, 0, 7, 0, 3, 0]);
        // Head; count 5. The base is the head's block.
        assert_eq!(bytes[40..48], [0x00, 0x10, 0x05, 0x28, 100, 0, 0, 0]);
        // Inside, 2 back; inside, 13 forth.
        assert_eq!(bytes[48..56], [0x02, 0x20, 0x0d, 0x20, 0, 0, 0, 0]);
        assert_eq!(bytes[56..64], [0x04, 0x20, 0x0b, 0x20, 0, 0, 0, 0]);
        // The pack of 16 begins with the blocks 6 to 15; the next head is in it, after no count.
        assert_eq!(bytes[64..66], [0x06, 0xe0]);
        assert_eq!(bytes[92..96], [105, 0, 0, 0]);
        // Blocks 22 and 23, inside; 24 and 25: a head and the end at byte 904.
        assert_eq!(bytes[96..104], [0x06, 0x20, 0x01, 0x20, 0, 0, 0, 0]);
        assert_eq!(bytes[104..], [0x00, 0x10, 0x88, 0x03, 108, 0, 0, 0]);
    }

    #[test]
    fn the_base_counts_what_the_reader_counts() {
        let head = |block| Entry::Head { packed: true, block };
        let inside = Entry::Inside { back: 2, forth: 1 };
        assert_eq!(base_block(&[head(7), Entry::Count { blocks: 3 }]), 7);
        assert_eq!(base_block(&[Entry::Count { blocks: 3 }, inside, head(7)]), 4);
        assert_eq!(base_block(&[inside, head(7)]), 7);
        assert_eq!(base_block(&[inside, inside]), 0);
        assert_eq!(base_block(&[Entry::Count { blocks: 3 }, head(1)]), 1_u32.wrapping_sub(3));
    }

    #[test]
    fn sizes_are_those_of_the_bytes() {
        for head in [32, 48, 52, 64, 76, 80, 100, 4000] {
            for blocks in [1, 2, 5, 6, 7, 8, 21, 22, 23, 24, 37, 38, 39, 300] {
                let file = body(vec![plain(blocks * 4096 - 1)]);
                let mut bytes = vec![0; head];
                encode(&file, 0, &mut bytes);
                let expected = head as u64 + size(file.len(), head as u64);
                assert_eq!(bytes.len() as u64, expected, "{blocks} after {head}");
            }
            let mut bytes = vec![0; head];
            encode_fragment(5, &mut bytes);
            assert_eq!(bytes.len() as u64, head as u64 + fragment_size(head as u64));
            assert_eq!(bytes[bytes.len() - 8..], [5, 0, 0, 0, 0, 0, 0, 0x80]);
        }
    }
}
