use std::io;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::Parameters;
use crate::erofs::Compression;

/// A compressor of clusters, used by one thread at a time.
pub(super) enum Codec {
    Lz4,
    Lz4hc(i32),
    Zstd(Box<Compressor<'static>>),
}

impl Codec {
    /// Makes a compressor that has not seen anything; `None` where nothing is compressed.
    ///
    /// A zstd context draws the salt of its hash tables from what it has compressed before, so
    /// a piece's bytes depend on nothing but the piece only if each begins with a new one.
    pub(super) fn new(parameters: Parameters) -> io::Result<Option<Self>> {
        Ok(Some(match parameters.compression {
            Compression::None => return Ok(None),
            Compression::Lz4 => Self::Lz4,
            Compression::Lz4hc { level } => Self::Lz4hc(level.into()),
            Compression::Zstd { level } => {
                let mut compressor = Compressor::new(level.into())?;
                compressor.set_parameter(CParameter::WindowLog(parameters.cluster.bits()))?;
                Self::Zstd(Box::new(compressor))
            }
        }))
    }

    /// Appends the compressed form of `data`, and tells whether it has less than `limit` bytes;
    /// otherwise nothing is appended.
    ///
    /// # Errors
    /// What zstd says, which has never been seen but for want of memory.
    pub(super) fn compress(
        &mut self,
        data: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let start = out.len();
        let packed = match self {
            Self::Lz4 | Self::Lz4hc(_) => self.compress_lz4(data, limit, out),
            Self::Zstd(compressor) => {
                out.resize(start + compress_bound(data.len()), 0);
                Some(compressor.compress_to_buffer(data, &mut out[start..])?)
            }
        };
        let gained = packed.filter(|&length| length < limit);
        out.truncate(start + gained.unwrap_or(0));
        Ok(gained.is_some())
    }

    /// LZ4 fails where its output does not fit, which is no gain.
    fn compress_lz4(&self, data: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<usize> {
        let start = out.len();
        out.resize(start + limit, 0);
        let out = &mut out[start..];
        match self {
            Self::Lz4hc(level) => lzzzz::lz4_hc::compress(data, out, *level),
            _ => lzzzz::lz4::compress(data, out, lzzzz::lz4::ACC_LEVEL_DEFAULT),
        }
        .ok()
    }
}
