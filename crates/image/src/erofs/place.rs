use std::collections::BTreeSet;

use super::inode::SLOT;
use super::{BLOCK, NULL_BLOCK};

/// The metadata area while it is filled.
///
/// A record up to a block long never spans two blocks: the kernel wants an inline tail in one
/// block, before Linux 6.2 in that of the inode if it is a link's target. What is left at a block's
/// end is given to the smallest record that comes later and fits.
#[derive(Debug)]
pub(super) struct MetaSpace {
    /// The first block not in use.
    next_block: u64,
    /// Bytes left at the end of a block, and the block.
    free: BTreeSet<(u64, u64)>,
}

impl MetaSpace {
    /// Starts with no block in use from `first_block` on.
    pub(super) fn new(first_block: u64) -> Self {
        Self { next_block: first_block, free: BTreeSet::new() }
    }

    /// Returns where in the image a record of `size` bytes goes, a multiple of [`SLOT`].
    pub(super) fn place(&mut self, size: u64) -> u64 {
        let size = size.next_multiple_of(SLOT);
        let fitting = self.free.range((size, 0)..).next().copied();
        if size <= BLOCK
            && let Some((free, block)) = fitting
        {
            self.free.remove(&(free, block));
            self.release(free - size, block);
            return (block + 1) * BLOCK - free;
        }
        let first = self.next_block;
        self.next_block += size.div_ceil(BLOCK);
        self.release(self.next_block * BLOCK - (first * BLOCK + size), self.next_block - 1);
        first * BLOCK
    }

    /// Returns the first block after the metadata.
    pub(super) fn end_block(&self) -> u64 {
        self.next_block
    }

    fn release(&mut self, free: u64, block: u64) {
        if free > 0 {
            self.free.insert((free, block));
        }
    }
}

/// The data blocks while they are given out.
#[derive(Debug)]
pub(super) struct DataSpace {
    next_block: u64,
}

impl DataSpace {
    pub(super) fn new(first_block: u64) -> Self {
        Self { next_block: first_block }
    }

    /// Returns the first of so many blocks in sequence; [`NULL_BLOCK`] if it has no 32-bit
    /// address, which [`Self::end_block`] then shows.
    pub(super) fn take(&mut self, blocks: u64) -> u32 {
        let first = self.next_block;
        self.next_block = first.saturating_add(blocks);
        u32::try_from(first).unwrap_or(NULL_BLOCK)
    }

    /// Returns the first block after the data.
    pub(super) fn end_block(&self) -> u64 {
        self.next_block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fill_gaps_and_never_span_blocks() {
        let mut space = MetaSpace::new(1);
        assert_eq!(space.place(4000), 4096);
        assert_eq!(space.place(200), 2 * 4096);
        assert_eq!(space.place(64), 4096 + 4000);
        assert_eq!(space.place(64), 2 * 4096 + 224);
        assert_eq!(space.place(4096), 3 * 4096);
        assert_eq!(space.end_block(), 4);
    }

    #[test]
    fn a_record_longer_than_a_block_starts_its_own() {
        let mut space = MetaSpace::new(1);
        assert_eq!(space.place(32), 4096);
        assert_eq!(space.place(10_000), 2 * 4096);
        assert_eq!(space.place(2300), 4096 + 32, "the smallest gap that fits");
        assert_eq!(space.place(2272), 2 * 4096 + 10_016);
        assert_eq!(space.end_block(), 5);
    }
}
