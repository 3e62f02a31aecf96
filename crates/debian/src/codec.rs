mod xz;

use std::io::{self, Read};
use std::num::NonZeroUsize;

use bytes::Bytes;

use self::xz::XzReader;
use crate::CodecError;

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
        if self == Self::None {
            let fits = data.len() as u64 <= limit;
            return if fits { Ok(data.clone()) } else { Err(CodecError::TooLong { limit }) };
        }
        let mut reader = self.reader(data, limit, NonZeroUsize::MIN)?;
        // One byte more than expected, so that the end is seen without growing.
        let reserve = hint.min(limit).min(TRUSTED_HINT).saturating_add(1);
        let mut all = Vec::with_capacity(usize::try_from(reserve).unwrap_or(0));
        reader.read_to_end(&mut all).map_err(CodecError::of)?;
        Ok(all.into())
    }

    /// Decompresses `data` while it is read, to at most `limit` bytes. Errors are those that
    /// [`CodecError::of`] turns back.
    ///
    /// Where `data` allows it, several threads decompress: xz in more than one block.
    ///
    /// # Errors
    /// [`CodecError::Damaged`] if there is no memory.
    pub(crate) fn reader(
        self,
        data: &[u8],
        limit: u64,
        threads: NonZeroUsize,
    ) -> Result<impl Read + '_, CodecError> {
        let inner: Box<dyn Read + '_> = match self {
            Self::None => Box::new(data),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(data)),
            Self::Xz => Box::new(XzReader::new(data, threads).map_err(CodecError::Damaged)?),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(data).map_err(CodecError::Damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(CodecError::Damaged)?;
                Box::new(decoder)
            }
        };
        Ok(Limited { inner, left: limit, limit })
    }
}

/// A reader that fails where there is more than there may be.
struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let too_long = || io::Error::other(CodecError::TooLong { limit: self.limit });
        self.left = self.left.checked_sub(count as u64).ok_or_else(too_long)?;
        Ok(count)
    }
}

impl CodecError {
    /// Turns the error of a reader of [`Compression::reader`] back into what it says.
    pub(crate) fn of(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Damaged)
    }
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
    fn blocks_that_are_decompressed_at_the_same_time_come_in_order() {
        let data: Vec<u8> =
            (0..900_000_u32).flat_map(|i| i.wrapping_mul(i).to_le_bytes()).collect();
        let blocks = liblzma::stream::MtStreamBuilder::new().block_size(1 << 20).encoder().unwrap();
        let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), blocks);
        writer.write_all(&data).unwrap();
        let one = writer.finish().unwrap();
        // Two streams, and padding of four zeros after each (xz file format, 2.2).
        let streams = [&one[..], &[0; 4], &compress(Compression::Xz, b"end"), &[0; 4]].concat();
        for threads in 1..=3 {
            let threads = NonZeroUsize::new(threads).unwrap();
            let read = |packed: &[u8], limit: u64| {
                let mut all = Vec::new();
                let reader = Compression::Xz.reader(packed, limit, threads);
                reader.unwrap().read_to_end(&mut all).map_err(CodecError::of).map(|_| all)
            };
            assert!(read(&streams, u64::MAX).unwrap() == [&data[..], b"end"].concat());
            let length = data.len() as u64;
            assert!(read(&one, length).unwrap() == data);
            assert!(matches!(read(&one, length - 1), Err(CodecError::TooLong { .. })));
            for cut in [1, one.len() / 2, one.len() - 1] {
                assert!(matches!(read(&one[..cut], length), Err(CodecError::Damaged(_))), "{cut}");
            }
            for at in [one.len() / 3, one.len() / 2, one.len() - 20] {
                let mut damaged = one.clone();
                damaged[at] ^= 0x10;
                assert!(matches!(read(&damaged, length), Err(CodecError::Damaged(_))), "{at}");
            }
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
