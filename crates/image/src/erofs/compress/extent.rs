use std::io;

use super::Parameters;
use super::codec::Codec;
use crate::erofs::{BLOCK, BLOCK_SIZE};

/// A cluster of a piece as it goes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes of the file.
    pub(super) length: u32,
    /// Bytes when compressed; `None` if that saves no block.
    pub(super) packed: Option<u32>,
}

impl Extent {
    /// Returns the bytes it takes.
    pub(super) fn bytes(self) -> u32 {
        self.packed.unwrap_or(self.length)
    }

    /// Returns the blocks it takes.
    pub(super) fn blocks(self) -> u32 {
        u32::try_from(u64::from(self.bytes()).div_ceil(BLOCK))
            .expect("a cluster has at most 256 blocks")
    }
}

/// A piece, compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extents {
    pub(super) list: Vec<Extent>,
    /// The bytes of all after each other.
    pub(super) stored: Vec<u8>,
}

/// Bytes of an extent in [`Extents::encode`].
const RECORD: usize = 8;

impl Extents {
    /// Compresses a piece, cluster by cluster. Depends on nothing but its arguments.
    pub(super) fn compress(data: &[u8], parameters: Parameters) -> io::Result<Self> {
        let mut extents = Self::default();
        let Some(mut codec) = Codec::new(parameters)? else { return Ok(extents) };
        for cluster in data.chunks(parameters.cluster.bytes() as usize) {
            extents.add(cluster, &mut codec)?;
        }
        Ok(extents)
    }

    /// Compresses one cluster, unless that saves no block.
    pub(super) fn add(&mut self, cluster: &[u8], codec: &mut Codec) -> io::Result<()> {
        let start = self.stored.len();
        let limit = cluster.len().saturating_sub(1) / BLOCK_SIZE as usize * BLOCK_SIZE as usize + 1;
        let gained = limit > 1 && codec.compress(cluster, limit, &mut self.stored)?;
        let size = |bytes: usize| u32::try_from(bytes).expect("a cluster has at most 1 MiB");
        let packed = gained.then(|| size(self.stored.len() - start));
        if !gained {
            self.stored.extend_from_slice(cluster);
        }
        self.list.push(Extent { length: size(cluster.len()), packed });
        Ok(())
    }

    /// Returns the form for a cache: a count, then for every extent its length and its compressed
    /// length or 0, 32-bit little-endian each; then the bytes of all.
    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.list.len()).expect("a piece has at most 2^20 bytes");
        let mut out = Vec::with_capacity(4 + RECORD * self.list.len() + self.stored.len());
        out.extend(count.to_le_bytes());
        for extent in &self.list {
            out.extend(extent.length.to_le_bytes());
            out.extend(extent.packed.unwrap_or(0).to_le_bytes());
        }
        out.extend(&self.stored);
        out
    }

    /// Reads what [`Self::encode`] gave for a piece of this length; `None` if it is anything else.
    pub(super) fn decode(bytes: &[u8], length: u64, parameters: Parameters) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let cluster = parameters.cluster.bytes();
        if count as u64 != length.div_ceil(cluster.into()) {
            return None;
        }
        let (records, stored) = rest.split_at_checked(count * RECORD)?;
        let (mut left, mut stored_left) = (u32::try_from(length).ok()?, stored.len());
        let mut list = Vec::with_capacity(count);
        for record in records.chunks_exact(RECORD) {
            let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| record[at + i]));
            let extent = Extent { length: word(0), packed: Some(word(4)).filter(|&n| n > 0) };
            let plain = Extent { packed: None, ..extent };
            if extent.length != left.min(cluster)
                || extent.packed.is_some_and(|_| extent.blocks() >= plain.blocks())
            {
                return None;
            }
            left -= extent.length;
            stored_left = stored_left.checked_sub(extent.bytes() as usize)?;
            list.push(extent);
        }
        (left == 0 && stored_left == 0).then(|| Self { list, stored: stored.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erofs::{ClusterSize, Compression};

    fn parameters(compression: Compression) -> Parameters {
        Parameters { compression, cluster: ClusterSize::new(16 << 10).unwrap() }
    }

    const ALL: [Compression; 3] =
        [Compression::Lz4, Compression::Lz4hc { level: 9 }, Compression::Zstd { level: 3 }];

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .take(len)
        .collect()
    }

    #[test]
    fn a_cluster_that_saves_no_block_stays_as_it_is() {
        for compression in ALL {
            let plain = |data: &[u8]| {
                let extents = Extents::compress(data, parameters(compression)).unwrap();
                extents.list.iter().map(|extent| extent.packed.is_none()).collect::<Vec<_>>()
            };
            assert_eq!(plain(&noise(40_000)), [true; 3], "{compression}");
            assert_eq!(plain(&[0; 4096]), [true], "{compression}");
            assert_eq!(plain(&[0; 4097]), [false], "{compression}");
            let mixed = [noise(16 << 10), vec![0; 16 << 10], noise(1)].concat();
            assert_eq!(plain(&mixed), [true, false, true], "{compression}");
        }
    }

    #[test]
    fn compressed_bytes_do_not_begin_with_zero() {
        // Linux takes leading zeros for padding.
        for compression in ALL {
            for data in [vec![0; 9000], b"text ".repeat(3000), noise(100).repeat(100)] {
                let extents = Extents::compress(&data, parameters(compression)).unwrap();
                assert_ne!(extents.stored[0], 0, "{compression}");
            }
        }
    }

    #[test]
    fn a_cache_gives_back_what_it_got_and_nothing_else() {
        let data = [noise(16 << 10), vec![0; 16 << 10], b"text ".repeat(2000)].concat();
        for compression in ALL {
            let parameters = parameters(compression);
            let extents = Extents::compress(&data, parameters).unwrap();
            let bytes = extents.encode();
            assert_eq!(Extents::decode(&bytes, data.len() as u64, parameters), Some(extents));
            assert_eq!(Extents::decode(&bytes, data.len() as u64 - 1, parameters), None);
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(Extents::decode(&longer, data.len() as u64, parameters), None);
            for cut in 0..bytes.len() {
                assert_eq!(Extents::decode(&bytes[..cut], data.len() as u64, parameters), None);
            }
            for at in 0..4 + 3 * RECORD {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x81;
                assert_eq!(
                    Extents::decode(&bytes, data.len() as u64, parameters),
                    None,
                    "byte {at}"
                );
            }
        }
    }
}
