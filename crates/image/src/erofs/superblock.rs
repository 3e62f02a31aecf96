use flagstone_tree::Mtime;

use super::{BLOCK, BLOCK_BITS, BLOCK_SIZE};

/// Where the superblock starts within block 0 (`EROFS_SUPER_OFFSET`).
const OFFSET: usize = 1024;

/// Bytes of `struct erofs_super_block` without extension slots.
const SIZE: usize = 128;

/// `EROFS_SUPER_MAGIC_V1`.
const MAGIC: u32 = 0xe0f5_e1e2;

/// `EROFS_FEATURE_COMPAT_SB_CHKSUM`: the checksum field holds one.
const COMPAT_CHECKSUM: u32 = 0x1;

/// `EROFS_FEATURE_COMPAT_MTIME`: the times of inodes are modification times.
const COMPAT_MTIME: u32 = 0x2;

/// `EROFS_FEATURE_INCOMPAT_ZERO_PADDING`: zeros come before compressed data, not after it.
const INCOMPAT_ZERO_PADDING: u32 = 0x1;

/// `EROFS_FEATURE_INCOMPAT_COMPR_CFGS` and `…_BIG_PCLUSTER`, which are one bit: settings of the
/// compressors follow the superblock, and clusters may have several blocks.
const INCOMPAT_COMPRESSION_SETTINGS: u32 = 0x2;

/// `EROFS_FEATURE_INCOMPAT_CHUNKED_FILE`: some inodes are chunk-based.
const INCOMPAT_CHUNKED_FILE: u32 = 0x4;

/// `EROFS_FEATURE_INCOMPAT_FRAGMENTS`: some inodes are within the packed inode.
const INCOMPAT_FRAGMENTS: u32 = 0x20;

/// Bytes of the volume's name, its final NUL included (Linux 6.1 refuses a name without).
const NAME_SIZE: usize = 16;

/// The fields of `struct erofs_super_block` that differ between images.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) root_nid: u16,
    pub(super) inodes: u64,
    pub(super) build_time: Mtime,
    pub(super) blocks: u32,
    pub(super) uuid: [u8; 16],
    pub(super) label: String,
    pub(super) chunked: bool,
    /// `meta_blkaddr`: inodes are numbered by their position after this block's start, in units
    /// of 32 bytes.
    pub(super) meta_block: u32,
    /// The number of the compressor and its settings, if contents are compressed.
    pub(super) compression: Option<(u8, Vec<u8>)>,
    pub(super) packed_nid: Option<u64>,
}

impl Superblock {
    /// Tells whether a label can be stored.
    pub(super) fn accepts_label(label: &str) -> bool {
        label.len() < NAME_SIZE && !label.contains('\0')
    }

    fn incompat(&self) -> u32 {
        let bit = |set: bool, bits: u32| if set { bits } else { 0 };
        bit(self.compression.is_some(), INCOMPAT_ZERO_PADDING | INCOMPAT_COMPRESSION_SETTINGS)
            | bit(self.chunked, INCOMPAT_CHUNKED_FILE)
            | bit(self.packed_nid.is_some(), INCOMPAT_FRAGMENTS)
    }

    /// Returns block 0: zeros, the superblock, settings of the compressor, zeros.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; OFFSET];
        block.extend(MAGIC.to_le_bytes());
        block.extend(0_u32.to_le_bytes()); // checksum, filled in below
        block.extend((COMPAT_CHECKSUM | COMPAT_MTIME).to_le_bytes());
        block.push(BLOCK_BITS.to_le_bytes()[0]);
        block.push(0); // sb_extslots
        block.extend(self.root_nid.to_le_bytes());
        block.extend(self.inodes.to_le_bytes());
        block.extend(self.build_time.seconds.to_le_bytes());
        block.extend(self.build_time.nanoseconds.to_le_bytes());
        block.extend(self.blocks.to_le_bytes());
        block.extend(self.meta_block.to_le_bytes());
        block.extend(0_u32.to_le_bytes()); // xattr_blkaddr: no shared attributes
        block.extend(self.uuid);
        let mut name = [0; NAME_SIZE];
        name[..self.label.len()].copy_from_slice(self.label.as_bytes());
        block.extend(name);
        block.extend(self.incompat().to_le_bytes());
        let formats = self.compression.as_ref().map_or(0, |(format, _)| 1_u16 << format);
        block.extend(formats.to_le_bytes()); // available_compr_algs
        block.extend([0; 2 + 2 + 1 + 1 + 4]); // devices, directory blocks, attribute prefixes
        block.extend(self.packed_nid.unwrap_or(0).to_le_bytes());
        debug_assert!(block.len() < OFFSET + SIZE, "the fields left are zero");
        block.resize(OFFSET + SIZE, 0);
        if let Some((_, settings)) = &self.compression {
            let length = u16::try_from(settings.len()).expect("settings have 6 or 14 bytes");
            block.extend(length.to_le_bytes());
            block.extend(settings);
        }
        block.resize(BLOCK_SIZE as usize, 0);
        let checksum = crc32c(&block[OFFSET..]);
        block[OFFSET + 4..OFFSET + 8].copy_from_slice(&checksum.to_le_bytes());
        debug_assert_eq!(block.len() as u64, BLOCK);
        block
    }
}

/// Returns CRC-32C (Castagnoli, reflected polynomial `0x82f63b78`) from all ones and without the
/// usual final inversion, as `erofs_superblock_csum_verify` in Linux computes it.
fn crc32c(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        // The check value of CRC-32/ISCSI, its final inversion taken back.
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn fields_are_where_the_kernel_reads_them() {
        let superblock = Superblock {
            root_nid: 0x1234,
            inodes: 5,
            build_time: Mtime { seconds: 6, nanoseconds: 7 },
            blocks: 8,
            uuid: [9; 16],
            label: "label".into(),
            chunked: true,
            meta_block: 0,
            compression: None,
            packed_nid: None,
        };
        let block = superblock.encode();
        let fields = &block[OFFSET..OFFSET + SIZE];
        assert_eq!(block.len(), 4096);
        assert_eq!(fields[..4], [0xe2, 0xe1, 0xf5, 0xe0]);
        assert_eq!(fields[8..16], [3, 0, 0, 0, 12, 0, 0x34, 0x12]);
        assert_eq!([fields[16], fields[24], fields[32], fields[36]], [5, 6, 7, 8]);
        assert_eq!(fields[48..64], [9; 16]);
        assert_eq!(&fields[64..80], b"label\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(fields[80..84], [4, 0, 0, 0]);
        assert_eq!(fields[84..], [0; 44]);

        let superblock = Superblock {
            meta_block: 0x1234,
            compression: Some((3, vec![0, 6, 0, 0, 0, 0])),
            packed_nid: Some(0x0506),
            ..superblock
        };
        let block = superblock.encode();
        let fields = &block[OFFSET..OFFSET + SIZE + 16];
        assert_eq!(fields[40..44], [0x34, 0x12, 0, 0]);
        assert_eq!(fields[80..86], [0x27, 0, 0, 0, 8, 0]);
        assert_eq!(fields[96..104], [6, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(fields[128..138], [6, 0, 0, 6, 0, 0, 0, 0, 0, 0]);
    }
}
