use super::{BLOCK_BITS, BLOCK_SIZE};

/// How many bytes of a file are compressed together, at most: a power of two.
///
/// To read one byte, a whole cluster is decompressed. Larger ones compress better and waste less:
/// on the disk each takes whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterSize {
    /// The logarithm of the size in bytes.
    bits: u32,
}

impl ClusterSize {
    /// Two blocks: one could not become less.
    pub const MIN: Self = Self { bits: BLOCK_BITS + 1 };

    /// Linux refuses zstd windows beyond it (`Z_EROFS_ZSTD_MAX_DICT_SIZE`).
    pub const MAX: Self = Self { bits: 20 };

    /// Takes a size in bytes; `None` if it is no power of two, or out of range.
    pub const fn new(bytes: u32) -> Option<Self> {
        let bits = bytes.trailing_zeros();
        if bytes.is_power_of_two() && bits >= Self::MIN.bits && bits <= Self::MAX.bits {
            Some(Self { bits })
        } else {
            None
        }
    }

    /// Returns the size in bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.bits
    }

    /// Returns the logarithm of the size in bytes.
    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    /// Returns how many blocks a cluster takes that is not compressed.
    pub(super) fn blocks(self) -> u32 {
        self.bytes() / BLOCK_SIZE
    }
}

/// 256 KiB: smaller ones take more space without being read faster (docs/benchmarks.md).
impl Default for ClusterSize {
    fn default() -> Self {
        Self { bits: 18 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two_in_range_are_taken() {
        for bytes in [8 << 10, 64 << 10, 128 << 10, 1 << 20] {
            assert_eq!(ClusterSize::new(bytes).map(ClusterSize::bytes), Some(bytes));
        }
        for bytes in [0, 1, 4 << 10, 12 << 10, 96 << 10, 2 << 20, 1 << 31, u32::MAX] {
            assert_eq!(ClusterSize::new(bytes), None, "{bytes}");
        }
        assert_eq!((ClusterSize::MIN.blocks(), ClusterSize::MAX.blocks()), (2, 256));
    }
}
