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
/// What zstd's fastest level has to save before a slow compressor is tried: a 64th.
const WORTH: usize = 64;
/// What xz has to save: a 16th. Images are compressed already; the last percent of a payload would take a machine
/// three times as long.
const XZ_WORTH: usize = 16;

/// Which compressors a payload may use. All readers of the format know xz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// xz, where it saves a sixteenth.
    #[default]
    Xz,
    /// zstd, where it saves something: faster to apply, but for fewer readers.
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
    if quick.len() + chunk.len() / WORTH < chunk.len() {
        let packed = match compression {
            Compression::Xz => (OperationKind::ReplaceXz, xz(chunk).map_err(failed)?),
            Compression::Zstd => {
                let data = zstd::bulk::compress(chunk, ZSTD_LEVEL).map_err(failed)?;
                (OperationKind::ReplaceZstd, data)
            }
        };
        let saved = match compression {
            Compression::Xz => chunk.len() / XZ_WORTH,
            Compression::Zstd => 0,
        };
        if packed.1.len() + saved < chunk.len() {
            best = packed;
        }
    }
    if best.0 == OperationKind::Replace {
        best.1 = chunk.to_vec();
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
