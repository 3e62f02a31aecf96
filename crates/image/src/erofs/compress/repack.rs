use std::io;

use super::Parameters;
use super::codec::Codec;
use super::extent::Extents;
use super::piece::PIECE_SIZE;
use super::stream::write_piece;
use crate::erofs::sink::Sink;
use crate::erofs::{ClusterSize, Compression};

/// The most bytes of content that are compressed one after the other, before a compressor begins that
/// has not seen anything.
pub const PIECE_BYTES: u64 = PIECE_SIZE;

/// Makes the blocks of a piece of an image again from its content: whole clusters of one file, or of
/// the packed inode, in the order in which the image has them.
#[expect(missing_debug_implementations, reason = "a compressor has none")]
pub struct Repacker {
    codec: Codec,
    cluster: ClusterSize,
}

impl Repacker {
    /// Begins a piece; `None` where nothing is compressed, or there is no such level.
    ///
    /// # Errors
    /// What the compressor says, which has never been seen but for want of memory.
    pub fn new(compression: Compression, cluster: ClusterSize) -> io::Result<Option<Self>> {
        if !compression.is_sound() {
            return Ok(None);
        }
        let codec = Codec::new(Parameters { compression, cluster })?;
        Ok(codec.map(|codec| Self { codec, cluster }))
    }

    /// Appends the blocks of what follows in the piece, cut into clusters of which all but the last
    /// of a file are whole.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn add(&mut self, content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut extents = Extents::default();
        for cluster in content.chunks(self.cluster.bytes() as usize) {
            extents.add(cluster, &mut self.codec)?;
        }
        let mut sink = Sink::new(out);
        write_piece(&extents, &mut sink)?;
        sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_made_again_cluster_by_cluster() {
        let cluster = ClusterSize::new(64 << 10).unwrap();
        let text: Vec<u8> = (0..60_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for level in [3, 9] {
            let compression = Compression::Zstd { level };
            let parameters = Parameters { compression, cluster };
            let mut expected = Vec::new();
            let mut sink = Sink::new(&mut expected);
            write_piece(&Extents::compress(&text, parameters).unwrap(), &mut sink).unwrap();
            sink.flush().unwrap();
            drop(sink);
            let mut repacker = Repacker::new(compression, cluster).unwrap().unwrap();
            let mut blocks = Vec::new();
            for part in text.chunks(64 << 10) {
                repacker.add(part, &mut blocks).unwrap();
            }
            assert!(blocks == expected && blocks.len() < text.len());
        }
        assert!(Repacker::new(Compression::None, cluster).unwrap().is_none());
        assert!(Repacker::new(Compression::Zstd { level: 23 }, cluster).unwrap().is_none());
    }
}
