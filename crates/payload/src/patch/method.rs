use std::io;

use flagstone_image::erofs::{
    ClusterSize, Compression, FORMAT_VERSION, LZ4HC_LEVELS, Repacker, ZSTD_LEVELS,
};

use crate::{PayloadError, schema};

/// The most methods of one payload.
pub const METHODS_MAX: usize = 8;
/// The highest level of a frame: higher ones take more memory than applying may.
const FRAME_LEVEL_MAX: u8 = 12;

/// What compresses, and with which settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    /// Clusters of an EROFS image, as they are in it.
    Clusters {
        /// Compressor and level.
        compression: Compression,
        /// How much is compressed together.
        cluster: ClusterSize,
    },
    /// One zstd frame, by one thread.
    Frame {
        /// The level.
        level: u8,
    },
}

/// How content is compressed where a delta is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// What compresses.
    pub compressor: Compressor,
    /// The version of its library, as that counts.
    pub library_version: u32,
    /// The version of how images are written; 0 for frames.
    pub image_format: u32,
}

impl Method {
    /// Returns the method of this very program.
    pub fn of(compressor: Compressor) -> Self {
        let (library_version, image_format) = match compressor {
            Compressor::Clusters { compression, .. } => {
                (compression.library_version(), FORMAT_VERSION)
            }
            Compressor::Frame { .. } => (zstd::zstd_safe::version_number(), 0),
        };
        Self { compressor, library_version, image_format }
    }

    /// Checks that this program would give the same bytes as the one that made the delta.
    ///
    /// # Errors
    /// [`PayloadError::Library`].
    pub fn check(&self) -> Result<(), PayloadError> {
        let own = Self::of(self.compressor);
        let found = (own.library_version, own.image_format);
        if found == (self.library_version, self.image_format) {
            return Ok(());
        }
        Err(PayloadError::Library {
            expected: self.library_version,
            expected_format: self.image_format,
            actual: own.library_version,
            actual_format: own.image_format,
        })
    }

    /// Appends the compressed form of content: of clusters, those of one piece.
    pub(crate) fn pack(&self, content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self.compressor {
            Compressor::Clusters { compression, cluster } => {
                let repacker = Repacker::new(compression, cluster)?;
                repacker.ok_or(io::ErrorKind::InvalidInput)?.add(content, out)
            }
            Compressor::Frame { level } => {
                out.extend(zstd::bulk::compress(content, level.into())?);
                Ok(())
            }
        }
    }

    pub(crate) fn read(message: &schema::Method) -> Option<Self> {
        let level = u8::try_from(message.level.unwrap_or(0)).ok()?;
        let clusters = |compression| {
            let cluster = ClusterSize::new(message.cluster_bytes?)?;
            Some(Compressor::Clusters { compression, cluster })
        };
        let compressor = match message.compressor? {
            1 if level == 0 => clusters(Compression::Lz4)?,
            2 if LZ4HC_LEVELS.contains(&level) => clusters(Compression::Lz4hc { level })?,
            3 if ZSTD_LEVELS.contains(&level) => clusters(Compression::Zstd { level })?,
            4 if (1..=FRAME_LEVEL_MAX).contains(&level) && message.cluster_bytes.is_none() => {
                Compressor::Frame { level }
            }
            _ => return None,
        };
        Some(Self {
            compressor,
            library_version: message.library_version?,
            image_format: message.image_format.unwrap_or(0),
        })
    }

    pub(crate) fn to_message(self) -> schema::Method {
        let (compressor, level, cluster) = match self.compressor {
            Compressor::Clusters { compression, cluster } => {
                let (number, level) = match compression {
                    Compression::Lz4hc { level } => (2, level),
                    Compression::Zstd { level } => (3, level),
                    _ => (1, 0),
                };
                (number, level, Some(cluster.bytes()))
            }
            Compressor::Frame { level } => (4, level, None),
        };
        schema::Method {
            compressor: Some(compressor),
            level: Some(level.into()),
            cluster_bytes: cluster,
            library_version: Some(self.library_version),
            image_format: Some(self.image_format),
        }
    }
}
