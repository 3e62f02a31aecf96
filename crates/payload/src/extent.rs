use crate::schema;

/// Bytes of a block, which all of a partition is counted in.
pub const BLOCK: u64 = 4096;

/// Blocks of a partition that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// The first block.
    pub start: u64,
    /// How many, at least one.
    pub blocks: u64,
}

impl Extent {
    /// Returns the first block after it; within 2^52, as every extent is that was read.
    pub fn end(self) -> u64 {
        self.start + self.blocks
    }

    /// Returns where it begins, in bytes.
    pub fn offset_bytes(self) -> u64 {
        self.start * BLOCK
    }

    /// Returns its length in bytes.
    pub fn len_bytes(self) -> u64 {
        self.blocks * BLOCK
    }

    /// Checks an extent against the blocks that its partition has.
    pub(crate) fn read(message: &schema::Extent, partition_blocks: u64) -> Option<Self> {
        let (start, blocks) = (message.start_block?, message.num_blocks?);
        let end = start.checked_add(blocks)?;
        (blocks > 0 && end <= partition_blocks).then_some(Self { start, blocks })
    }

    pub(crate) fn to_message(self) -> schema::Extent {
        schema::Extent { start_block: Some(self.start), num_blocks: Some(self.blocks) }
    }
}

/// Returns the bytes of all extents.
pub(crate) fn total_bytes(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.len_bytes()).sum()
}
