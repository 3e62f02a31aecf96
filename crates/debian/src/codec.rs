use std::io::Read;

use bytes::Bytes;
use liblzma::stream::{CONCATENATED, Stream};

use crate::CodecError;

/// How much memory a decoder of xz may use: its highest preset needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;
/// The largest window of a zstd frame, as a power of two; level 19 needs 8 MiB, `--long` 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;
/// How much memory is reserved on a claim of the input alone.
const TRUSTED_HINT: u64 = 1 << 30;

/// How data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// All of them, the one to prefer for indices first: the smallest.
    pub const ALL: [Self; 4] = [Self::Xz, Self::Zstd, Self::Gzip, Self::None];

    /// Returns the ending of file names.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// Returns the compression that the rest of a member's name (`.xz`) stands for.
    pub(crate) fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.extension() == extension)
    }

    /// Decompresses all of `data`, to at most `limit` bytes.
    ///
    /// `hint` is the expected length; it only saves copies.
    ///
    /// # Errors
    /// If the data is damaged, cut off, or longer than `limit`.
    pub fn decompress(self, data: &Bytes, hint: u64, limit: u64) -> Result<Bytes, CodecError> {
        let reader: Box<dyn Read + '_> = match self {
            Self::None if data.len() as u64 > limit => return Err(CodecError::TooLong { limit }),
            Self::None => return Ok(data.clone()),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(&data[..])),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                    .map_err(|error| CodecError::Damaged(error.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(&data[..], stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&data[..])
                    .map_err(CodecError::Damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(CodecError::Damaged)?;
                Box::new(decoder)
            }
        };
        read_all(reader, hint, limit)
    }
}

fn read_all(reader: Box<dyn Read + '_>, hint: u64, limit: u64) -> Result<Bytes, CodecError> {
    // One byte more than expected, so that the end is seen without growing.
    let reserve = hint.min(limit).min(TRUSTED_HINT).saturating_add(1);
    let mut data = Vec::with_capacity(usize::try_from(reserve).unwrap_or(0));
    let mut reader = reader.take(limit.saturating_add(1));
    reader.read_to_end(&mut data).map_err(CodecError::Damaged)?;
    if data.len() as u64 > limit {
        return Err(CodecError::TooLong { limit });
    }
    Ok(data.into())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn compress(compression: Compression, data: &[u8]) -> Bytes {
        match compression {
            Compression::None => data.to_vec(),
            Compression::Gzip => {
                let mut writer =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            Compression::Xz => {
                let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(data, 1).unwrap(),
        }
        .into()
    }

    #[test]
    fn every_compression_is_undone_within_its_limit() {
        let data = b"flagstone ".repeat(10_000);
        let length = data.len() as u64;
        for compression in Compression::ALL {
            let packed = compress(compression, &data);
            for hint in [0, 10, length, u64::MAX] {
                assert_eq!(compression.decompress(&packed, hint, length).unwrap(), data);
            }
            let error = compression.decompress(&packed, length, length - 1).unwrap_err();
            assert!(matches!(error, CodecError::TooLong { .. }), "{compression:?}");
        }
    }

    #[test]
    fn several_streams_in_a_row_are_one() {
        for compression in Compression::ALL {
            let twice = [compress(compression, b"one "), compress(compression, b"two")].concat();
            assert_eq!(compression.decompress(&twice.into(), 0, 100).unwrap(), "one two");
        }
    }

    #[test]
    fn truncated_and_damaged_data_is_refused() {
        let data: Vec<u8> = (0..20_000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let packed = compress(compression, &data);
            for cut in [1, packed.len() / 2, packed.len() - 1] {
                let result = compression.decompress(&packed.slice(..cut), 0, 1 << 20);
                assert!(matches!(result, Err(CodecError::Damaged(_))), "{compression:?} {cut}");
            }
            let mut damaged = packed.to_vec();
            damaged[packed.len() / 2] ^= 0x10;
            let result = compression.decompress(&damaged.into(), 0, 1 << 20);
            assert!(result.is_err() || compression == Compression::Zstd, "{compression:?}");
        }
    }
}
