use super::{BLOCK, FAN_OUT};

/// Where the levels of a tree lie on the hash device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    /// Hash blocks of each level, the topmost first; none over a single data block.
    blocks: Vec<u64>,
}

impl Levels {
    pub(super) fn new(data_blocks: u64) -> Self {
        let mut blocks = Vec::new();
        let mut below = data_blocks;
        while below > 1 {
            below = below.div_ceil(FAN_OUT);
            blocks.push(below);
        }
        blocks.reverse();
        Self { blocks }
    }

    /// Returns the first block of the hash device that each level has, and how many, the topmost
    /// level first.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.blocks.iter().scan(1, |next, &blocks| {
            let first = *next;
            *next += blocks;
            Some((first, blocks))
        })
    }

    /// Returns the bytes of the hash device, superblock included.
    pub(super) fn device_size(&self) -> u64 {
        (1 + self.blocks.iter().sum::<u64>()).saturating_mul(BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow_by_the_fan_out() {
        let cases: [(u64, &[u64]); 7] = [
            (1, &[]),
            (2, &[1]),
            (128, &[1]),
            (129, &[1, 2]),
            (16_384, &[1, 128]),
            (16_385, &[1, 2, 129]),
            (u64::MAX, &[1, 2, 256, 1 << 15, 1 << 22, 1 << 29, 1 << 36, 1 << 43, 1 << 50, 1 << 57]),
        ];
        for (data_blocks, blocks) in cases {
            assert_eq!(Levels::new(data_blocks).blocks, blocks, "{data_blocks}");
        }
        assert_eq!(Levels::new(129).ranges().collect::<Vec<_>>(), [(1, 1), (2, 2)]);
        assert_eq!(Levels::new(129).device_size(), 4 * 4096);
        assert_eq!(Levels::new(u64::MAX).device_size(), u64::MAX, "no overflow");
    }
}
