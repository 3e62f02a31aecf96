use std::ops::Range;

use flagstone_tree::Content;

use super::{BLOCK, BLOCK_BITS, NULL_BLOCK};

/// Bytes of an entry of the chunk table (`EROFS_BLOCK_MAP_ENTRY_SIZE`).
const ENTRY: u64 = 4;

/// The largest chunk is a block shifted by this (`EROFS_CHUNK_FORMAT_BLKBITS_MASK`).
const MAX_BITS: u32 = 31;

/// A sparse file cut into chunks of equal size, of which only those with data are stored.
///
/// The last chunk is stored up to the file's end only, in whole blocks, as the kernel reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// `EROFS_CHUNK_FORMAT_BLKBITS`: a chunk is a block shifted by this.
    bits: u32,
    len: u64,
    /// The numbers of the chunks that hold data, ascending.
    stored: Vec<u64>,
}

impl Chunks {
    /// Returns the division that takes least space in table and blocks together, unless the file
    /// without its holes would not take less than the file with them.
    pub(super) fn of(content: &Content) -> Option<Self> {
        let data: u64 = content.extents().map(|extent| extent.end - extent.start).sum();
        let len = content.len();
        if data == len || len <= BLOCK {
            return None;
        }
        let cost = |bits| Geometry { bits, len }.cost(content);
        let bits = (0..=MAX_BITS).min_by_key(|&bits| cost(bits))?;
        (cost(bits) < len.into()).then(|| {
            let stored = Geometry { bits, len }.chunks_with_data(content).collect();
            Self { bits, len, stored }
        })
    }

    /// Returns `struct erofs_inode_chunk_info`: the format, and a reserved half.
    pub(super) fn format(&self) -> u32 {
        self.bits
    }

    /// Returns the length of the table in bytes.
    pub(super) fn table_size(&self) -> u64 {
        self.geometry().count() * ENTRY
    }

    /// Returns how many blocks the stored chunks take.
    pub(super) fn blocks(&self) -> u64 {
        self.stored.iter().map(|&chunk| self.geometry().blocks_of(chunk)).sum()
    }

    /// Returns the table, entry by entry: the first block of each chunk, if the first one stored
    /// begins at `block`.
    pub(super) fn table(&self, mut block: u32) -> impl Iterator<Item = u32> {
        let mut stored = self.stored.iter().copied().peekable();
        (0..self.geometry().count()).map(move |chunk| {
            if stored.next_if_eq(&chunk).is_none() {
                return NULL_BLOCK;
            }
            let first = block;
            let blocks = self.geometry().blocks_of(chunk);
            // The plan has checked that every block has a 32-bit address; only the one after the
            // last chunk may have none.
            block = u32::try_from(u64::from(block) + blocks).unwrap_or(NULL_BLOCK);
            first
        })
    }

    /// Returns the stored parts of the file as byte ranges; each is stored in whole blocks.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.stored.iter().map(|&chunk| self.geometry().range_of(chunk))
    }

    fn geometry(&self) -> Geometry {
        Geometry { bits: self.bits, len: self.len }
    }
}

/// The division of a file into chunks.
#[derive(Clone, Copy)]
struct Geometry {
    bits: u32,
    len: u64,
}

impl Geometry {
    fn shift(self) -> u32 {
        BLOCK_BITS + self.bits
    }

    fn count(self) -> u64 {
        self.len.div_ceil(1 << self.shift())
    }

    fn range_of(self, chunk: u64) -> Range<u64> {
        let start = chunk << self.shift();
        start..self.len.min(start.saturating_add(1 << self.shift()))
    }

    fn blocks_of(self, chunk: u64) -> u64 {
        let range = self.range_of(chunk);
        (range.end - range.start).div_ceil(BLOCK)
    }

    fn chunks_with_data(self, content: &Content) -> impl Iterator<Item = u64> {
        let mut next = 0;
        content.extents().flat_map(move |extent| {
            let first = next.max(extent.start >> self.shift());
            next = ((extent.end - 1) >> self.shift()) + 1;
            first..next
        })
    }

    /// Returns the bytes that table and blocks take.
    fn cost(self, content: &Content) -> u128 {
        let blocks: u128 =
            self.chunks_with_data(content).map(|chunk| u128::from(self.blocks_of(chunk))).sum();
        u128::from(self.count() * ENTRY) + blocks * u128::from(BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn sparse(len: u64, extents: &[(u64, usize)]) -> Content {
        let extents =
            extents.iter().map(|&(offset, len)| (offset, Bytes::from(vec![1; len]))).collect();
        Content::sparse(len, extents).unwrap()
    }

    #[test]
    fn dense_and_small_files_are_not_chunked() {
        assert_eq!(Chunks::of(&Content::from(vec![0; 100_000])), None);
        assert_eq!(Chunks::of(&sparse(4096, &[])), None);
        assert_eq!(Chunks::of(&sparse(8192, &[(1, 8191)])), None);
    }

    #[test]
    fn a_huge_hole_takes_one_entry() {
        let chunks = Chunks::of(&sparse(5 * GIB, &[])).unwrap();
        assert_eq!((chunks.table_size(), chunks.blocks()), (4, 0));
        assert_eq!(chunks.table(9).collect::<Vec<_>>(), [NULL_BLOCK]);
        let largest = Chunks::of(&sparse(i64::MAX as u64, &[])).unwrap();
        assert_eq!(largest.table_size(), (1 << 20) * 4);
    }

    #[test]
    fn data_at_both_ends_stays_small() {
        let chunks = Chunks::of(&sparse(5 * GIB + 5, &[(0, 10), (5 * GIB, 5)])).unwrap();
        assert!(chunks.table_size() + chunks.blocks() * BLOCK < 1 << 20, "{chunks:?}");
        let ranges: Vec<_> = chunks.ranges().collect();
        assert_eq!(ranges.len(), 2);
        assert_eq!(ranges[1].end, 5 * GIB + 5);
        let table: Vec<u32> = chunks.table(7).collect();
        let second = u64::from(*table.last().unwrap());
        assert_eq!((table[0], second), (7, 7 + ranges[0].end / BLOCK));
    }

    #[test]
    fn extents_that_meet_in_a_chunk_store_it_once() {
        let content = sparse(1 << 20, &[(10, 5), (100, 5), (4090, 10), (1 << 19, 4096)]);
        let chunks = Chunks::of(&content).unwrap();
        assert_eq!((chunks.bits, chunks.stored.as_slice()), (0, &[0, 1, 128][..]));
    }
}
