use std::fmt;
use std::ops::RangeInclusive;

use super::ClusterSize;

/// Levels of [`Compression::Lz4hc`].
pub const LZ4HC_LEVELS: RangeInclusive<u8> = 2..=12;

/// Levels of [`Compression::Zstd`].
pub const ZSTD_LEVELS: RangeInclusive<u8> = 1..=22;

/// How file contents are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 at its fastest, which Linux reads since 4.19 and with large clusters since 5.13.
    Lz4,
    /// LZ4 with a thorough search; it is read like [`Self::Lz4`].
    Lz4hc {
        /// One of [`LZ4HC_LEVELS`].
        level: u8,
    },
    /// Zstandard, which Linux reads since 6.10 if it is built with `CONFIG_EROFS_FS_ZIP_ZSTD`.
    Zstd {
        /// One of [`ZSTD_LEVELS`].
        level: u8,
    },
}

impl Compression {
    /// Tells whether the level is one that the compressor has.
    pub(super) fn is_sound(self) -> bool {
        match self {
            Self::None | Self::Lz4 => true,
            Self::Lz4hc { level } => LZ4HC_LEVELS.contains(&level),
            Self::Zstd { level } => ZSTD_LEVELS.contains(&level),
        }
    }

    /// Returns the version of the library that compresses, as it counts; 0 for none.
    ///
    /// Other versions may give other bytes, which are read in the same way.
    pub fn library_version(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Lz4 | Self::Lz4hc { .. } => lzzzz::version_number(),
            Self::Zstd { .. } => zstd::zstd_safe::version_number(),
        }
    }

    /// Returns the number of the format (`Z_EROFS_COMPRESSION_*`); 0 for none, too.
    pub(super) fn format(self) -> u8 {
        match self {
            Self::None | Self::Lz4 | Self::Lz4hc { .. } => 0,
            Self::Zstd { .. } => 3,
        }
    }

    /// Returns what the superblock's extension says about the format: `struct z_erofs_lz4_cfgs`
    /// or `struct z_erofs_zstd_cfgs`.
    pub(super) fn configuration(self, cluster: ClusterSize) -> Vec<u8> {
        /// `max_distance` of LZ4: matches reach back as far as the format lets them.
        const MAX_DISTANCE: u16 = u16::MAX;
        /// `windowlog` is counted from here (`ZSTD_WINDOWLOG_ABSOLUTEMIN`).
        const WINDOW_LOG_MIN: u32 = 10;
        let mut record = Vec::new();
        match self {
            Self::None => {}
            Self::Lz4 | Self::Lz4hc { .. } => {
                let blocks = u16::try_from(cluster.blocks()).expect("at most 256 blocks");
                record.extend(MAX_DISTANCE.to_le_bytes());
                record.extend(blocks.to_le_bytes());
                record.resize(14, 0);
            }
            Self::Zstd { .. } => {
                let window_log = (cluster.bits() - WINDOW_LOG_MIN).to_le_bytes()[0];
                record.extend([0, window_log]); // format 0: ordinary frames
                record.resize(6, 0);
            }
        }
        record
    }
}

/// The form in which a recipe and a cache's key name it.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Lz4hc { level } => write!(f, "lz4hc level {level}"),
            Self::Zstd { level } => write!(f, "zstd level {level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_compressors() {
        for (compression, sound) in [
            (Compression::None, true),
            (Compression::Lz4hc { level: 1 }, false),
            (Compression::Lz4hc { level: 12 }, true),
            (Compression::Lz4hc { level: 13 }, false),
            (Compression::Zstd { level: 0 }, false),
            (Compression::Zstd { level: 22 }, true),
            (Compression::Zstd { level: 23 }, false),
        ] {
            assert_eq!(compression.is_sound(), sound, "{compression}");
        }
    }

    #[test]
    fn the_superblock_tells_how_much_memory_reading_takes() {
        let cluster = ClusterSize::new(64 << 10).unwrap();
        let zstd = Compression::Zstd { level: 3 }.configuration(cluster);
        assert_eq!(zstd, [0, 6, 0, 0, 0, 0]);
        let lz4 = Compression::Lz4.configuration(cluster);
        assert_eq!((lz4.len(), &lz4[..5]), (14, &[0xff, 0xff, 16, 0, 0][..]));
    }
}
