use flagstone_image::erofs::PIECE_BYTES;
use flagstone_image::erofs::read::decompress;

use super::{Compressor, Method};

/// The most bytes of a zstd frame, decompressed.
pub(crate) const FRAME_BYTES: u64 = 8 << 20;

/// How a segment of the old image is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Storage {
    /// As it is.
    Plain,
    /// A cluster of an EROFS image, LZ4.
    Lz4Cluster,
    /// A cluster of an EROFS image, zstd.
    ZstdCluster,
    /// One zstd frame.
    ZstdFrame,
}

impl Storage {
    const ALL: [Self; 4] = [Self::Plain, Self::Lz4Cluster, Self::ZstdCluster, Self::ZstdFrame];

    /// Returns how a cluster is stored whose compressor has this number in the image.
    pub(crate) fn of_format(format: u8) -> Option<Self> {
        match format {
            0 => Some(Self::Lz4Cluster),
            3 => Some(Self::ZstdCluster),
            _ => None,
        }
    }

    pub(super) fn number(self) -> u64 {
        match self {
            Self::Plain => 0,
            Self::Lz4Cluster => 1,
            Self::ZstdCluster => 2,
            Self::ZstdFrame => 3,
        }
    }

    pub(super) fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|storage| storage.number() == number)
    }
}

/// A part of what a patch reads of the old image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldSegment {
    /// How it is stored.
    pub storage: Storage,
    /// Bytes that it takes in the old image.
    pub stored: usize,
    /// Bytes of its content.
    pub length: usize,
}

impl OldSegment {
    /// Returns a segment, unless it is empty.
    pub(crate) fn new(storage: Storage, stored: u64, length: u64) -> Option<Self> {
        let size = |bytes: u64| usize::try_from(bytes).ok().filter(|&bytes| bytes > 0);
        Some(Self { storage, stored: size(stored)?, length: size(length)? })
    }

    /// Appends the content; `None` if it is not stored as it should be. Both lengths are bounded by
    /// those of the operation.
    pub(crate) fn unfold(&self, stored: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self.storage {
            Storage::Plain if stored.len() == self.length => out.extend_from_slice(stored),
            Storage::Plain => return None,
            Storage::Lz4Cluster => out.extend(decompress(0, stored, self.length)?),
            Storage::ZstdCluster => out.extend(decompress(3, stored, self.length)?),
            Storage::ZstdFrame => {
                let start = out.len();
                out.resize(start.checked_add(self.length)?, 0);
                let count = zstd::zstd_safe::decompress(&mut out[start..], stored).ok()?;
                (count == self.length).then_some(())?;
            }
        }
        Some(())
    }
}

/// A part of what a patch makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSegment {
    /// Which method of the payload compresses it, from 0; none if it stays as it is.
    pub method: Option<usize>,
    /// Bytes of its content.
    pub length: usize,
}

impl NewSegment {
    /// Tells whether the method can take so much.
    pub(super) fn is_sound(&self, methods: &[Method]) -> bool {
        let limit = match self.method.map(|index| methods.get(index)) {
            None => return self.length > 0,
            Some(None) => return false,
            Some(Some(method)) => match method.compressor {
                Compressor::Clusters { .. } => PIECE_BYTES,
                Compressor::Frame { .. } => FRAME_BYTES,
            },
        };
        (1..=limit).contains(&(self.length as u64))
    }
}
