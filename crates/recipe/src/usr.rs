use std::ops::RangeInclusive;

use crate::decode::{Decode, Node, decode_integer};
use crate::layer::UsrLayer;
use crate::report::Report;
use crate::source::Located;
use crate::table::Onto;
use crate::{ByteSize, Compression};

/// How /usr is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsrFormat {
    /// The compressor.
    pub compression: Compression,
    /// How hard it tries; within its bounds.
    pub level: u8,
    /// How much is compressed together: a power of two from 8K to 1M.
    pub cluster: ByteSize,
}

/// The level of either compressor that has some.
const DEFAULT_LEVEL: u8 = 9;

/// Smaller ones take more space without being read faster; docs/benchmarks.md has the figures.
const DEFAULT_CLUSTER: ByteSize = ByteSize::from_bytes(256 << 10);

const CLUSTERS: RangeInclusive<u64> = 8 << 10..=1 << 20;

/// The level of a compressor, of whichever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressionLevel(u8);

impl CompressionLevel {
    pub(crate) const MIN: u64 = 1;
    pub(crate) const MAX: u64 = 22;
}

impl Onto for CompressionLevel {}

impl Decode for CompressionLevel {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        decode_integer(node, &(Self::MIN..=Self::MAX), report).map(Self)
    }
}

impl UsrFormat {
    pub(crate) fn resolve(layer: UsrLayer, report: &mut Report) -> Self {
        let compression = layer.compression.map_or(Compression::None, |word| word.value);
        Self {
            compression,
            level: layer
                .level
                .map_or(DEFAULT_LEVEL, |level| resolve_level(&level, compression, report)),
            cluster: layer.cluster.map_or(DEFAULT_CLUSTER, |size| resolve_cluster(&size, report)),
        }
    }
}

fn resolve_level(
    level: &Located<CompressionLevel>,
    compression: Compression,
    report: &mut Report,
) -> u8 {
    let CompressionLevel(value) = level.value;
    if compression == Compression::Lz4hc && !(2..=12).contains(&value) {
        report.push(
            level
                .at
                .error("`level` is out of bounds for lz4hc")
                .expected("2 to 12")
                .found(value.to_string()),
        );
    }
    value
}

fn resolve_cluster(size: &Located<ByteSize>, report: &mut Report) -> ByteSize {
    let bytes = size.value.bytes();
    if !bytes.is_power_of_two() || !CLUSTERS.contains(&bytes) {
        report.push(
            size.at
                .error("`cluster` is not a size for a cluster")
                .expected("a power of two from 8K to 1M")
                .found(size.value.to_string()),
        );
    }
    size.value
}
