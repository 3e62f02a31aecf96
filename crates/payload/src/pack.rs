use std::io;

use flagstone_artifact::Sha256Digest;
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use crate::extent::BLOCK;
use crate::{OperationKind, PayloadError};

/// What one operation of a full payload writes.
pub(crate) const CHUNK_BYTES: usize = 2 << 20;
/// xz's usual level, with a dictionary no larger than a chunk.
const XZ_LEVEL: u32 = 6;
/// zstd's highest level that needs no more memory to decompress.
const ZSTD_LEVEL: i32 = 19;
/// zstd's level for what is compressed already: there the highest saves 0.3 % more, in forty times the time
/// (docs/benchmarks.md).
const ZSTD_QUICK_LEVEL: i32 = 6;
/// Which part zstd's fastest level has to save before each of these is tried.
const ZSTD_WORTH: usize = 16;
const ZSTD_QUICK_WORTH: usize = 64;
const XZ_WORTH: usize = 32;
/// Which part xz has to save. Images are compressed already; the last percent of a payload would take a machine
/// three times as long.
const XZ_SAVES: usize = 16;

/// Which compressors a payload may use. All readers of the format know xz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// xz, where it saves a sixteenth.
    #[default]
    Xz,
    /// zstd, where it saves a 64th: faster to apply, but for fewer readers.
    Zstd,
}

/// A chunk as it goes into a payload.
pub(crate) struct Packed {
    pub(crate) kind: OperationKind,
    pub(crate) data: Vec<u8>,
    pub(crate) digest: Option<Sha256Digest>,
}

/// Packs a chunk of whole blocks, if that is worth its while; the same for the same chunk.
pub(crate) fn pack(chunk: &[u8], compression: Compression) -> Result<Packed, PayloadError> {
    if chunk.chunks(64).all(|part| part.iter().fold(0, |all, byte| all | byte) == 0) {
        return Ok(Packed { kind: OperationKind::Zero, data: Vec::new(), digest: None });
    }
    let failed = |source| PayloadError::Compress { source };
    let quick = zstd::bulk::compress(chunk, 1).map_err(failed)?;
    let mut best = (OperationKind::Replace, Vec::new());
    let saves = |length: usize, part: usize| length + chunk.len() / part < chunk.len();
    let zstd = |level| zstd::bulk::compress(chunk, level).map_err(failed);
    match compression {
        Compression::Xz if saves(quick.len(), XZ_WORTH) => {
            let data = xz(chunk).map_err(failed)?;
            if saves(data.len(), XZ_SAVES) {
                best = (OperationKind::ReplaceXz, data);
            }
        }
        Compression::Zstd if saves(quick.len(), ZSTD_WORTH) => {
            best = (OperationKind::ReplaceZstd, zstd(ZSTD_LEVEL)?);
        }
        Compression::Zstd if saves(quick.len(), ZSTD_QUICK_WORTH) => {
            best = (OperationKind::ReplaceZstd, zstd(ZSTD_QUICK_LEVEL)?);
        }
        Compression::Xz | Compression::Zstd => {}
    }
    if best.0 == OperationKind::Replace || best.1.len() >= chunk.len() {
        best = (OperationKind::Replace, chunk.to_vec());
    }
    debug_assert!(chunk.len().is_multiple_of(usize::try_from(BLOCK).unwrap_or(1)));
    let digest = Some(Sha256Digest::of(&best.1));
    Ok(Packed { kind: best.0, data: best.1, digest })
}

/// Compresses to one xz stream with CRC-32, the only checksum that every reader knows.
fn xz(chunk: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(XZ_LEVEL)?;
    options.dict_size(u32::try_from(CHUNK_BYTES).expect("a chunk is small"));
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut out = Vec::with_capacity(chunk.len() + 4096);
    let status = stream.process_vec(chunk, &mut out, Action::Finish)?;
    if status == Status::StreamEnd {
        return Ok(out);
    }
    // There is no room left, so it is longer than the chunk, and will not be taken.
    out.resize(chunk.len() + 4096, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk of noise, of which one part of so many is zeros.
    fn noise(zeros: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut chunk: Vec<u8> = (0..CHUNK_BYTES)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        chunk[..CHUNK_BYTES / zeros].fill(0);
        chunk
    }

    #[test]
    fn slow_compressors_are_for_what_they_make_smaller() {
        use OperationKind::{Replace, ReplaceXz, ReplaceZstd};
        let (zstd, xz) = (Compression::Zstd, Compression::Xz);
        for (zeros, compression, kind, level) in [
            (100, zstd, Replace, 0),
            (40, zstd, ReplaceZstd, ZSTD_QUICK_LEVEL),
            (20, zstd, ReplaceZstd, ZSTD_QUICK_LEVEL),
            (8, zstd, ReplaceZstd, ZSTD_LEVEL),
            (40, xz, Replace, 0),
            (20, xz, Replace, 0),
            (8, xz, ReplaceXz, 0),
        ] {
            let chunk = noise(zeros);
            let packed = pack(&chunk, compression).unwrap();
            assert_eq!(packed.kind, kind, "a {zeros}th, {compression:?}");
            match packed.kind {
                Replace => assert_eq!(packed.data, chunk),
                ReplaceZstd => {
                    assert_eq!(packed.data, zstd::bulk::compress(&chunk, level).unwrap());
                }
                _ => assert!(packed.data.len() < chunk.len()),
            }
        }
    }
}
