use flagstone_tree::Mtime;

use super::fields::Fields;
use super::{BLOCK, BLOCK_SIZE, ReadAt};
use crate::ReadError;
use crate::erofs::ClusterSize;

/// Where `struct erofs_super_block` is, and its length.
const OFFSET: usize = 1024;
const SIZE: usize = 128;

const MAGIC: u32 = 0xe0f5_e1e2;

/// `EROFS_FEATURE_COMPAT_SB_CHKSUM`.
const HAS_CHECKSUM: u32 = 1;

/// Zeros before compressed data, settings of compressors, chunk-based files, packed inode.
const KNOWN_FEATURES: u32 = 0x1 | 0x2 | 0x4 | 0x20;

/// Settings of compressors follow the superblock.
const HAS_SETTINGS: u32 = 0x2;

/// Compressed data ends with its last block.
const ZERO_PADDING: u32 = 0x1;

/// The compressors that are known, as bits: LZ4 and zstd.
const KNOWN_COMPRESSORS: u16 = 1 | 1 << 3;

/// What the image says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) root_nid: u64,
    /// How many blocks the image has.
    pub(super) blocks: u32,
    pub(super) packed_nid: Option<u64>,
    /// Where inodes are counted from, in bytes.
    pub(super) meta_start: u64,
    pub(super) build_time: Mtime,
    pub(super) uuid: [u8; 16],
    pub(super) label: Vec<u8>,
    /// The compressors that are used, as bits.
    pub(super) compressors: u16,
    /// How much is compressed together at most.
    pub(super) cluster: Option<ClusterSize>,
}

impl Superblock {
    pub(super) fn read(source: &impl ReadAt, len: u64) -> Result<Self, ReadError> {
        let refuse = |reason| ReadError::Superblock { reason };
        let mut block = [0; BLOCK_SIZE];
        if len < BLOCK {
            return Err(refuse("the image is shorter than a block"));
        }
        source
            .read_exact_at(&mut block, 0)
            .map_err(|source| ReadError::Read { offset: 0, source })?;
        let fields = Fields(&block[OFFSET..]);
        if fields.u32(0) != MAGIC {
            return Err(refuse("its magic number is another"));
        }
        if fields.u32(8) & HAS_CHECKSUM != 0 && checksum(&block) != fields.u32(4) {
            return Err(refuse("its checksum is wrong"));
        }
        if fields.0[12] != 12 {
            return Err(refuse("its blocks are not of 4096 bytes"));
        }
        let features = fields.u32(80);
        let compressors = fields.u16(84);
        let compressed = features & HAS_SETTINGS != 0;
        if features & !KNOWN_FEATURES != 0 || fields.0[13] != 0 || fields.0[86..92] != [0; 6] {
            return Err(refuse("it announces a feature that is not known"));
        }
        if compressed && (compressors & !KNOWN_COMPRESSORS != 0 || features & ZERO_PADDING == 0) {
            return Err(refuse("it announces a compressor that is not known"));
        }
        if u64::from(fields.u32(36)) * BLOCK > len {
            return Err(refuse("the image is cut off"));
        }
        let label = &fields.0[64..80];
        Ok(Self {
            root_nid: fields.u16(14).into(),
            blocks: fields.u32(36),
            packed_nid: Some(fields.u64(96)).filter(|&nid| nid != 0 && features & 0x20 != 0),
            meta_start: u64::from(fields.u32(40)) * BLOCK,
            build_time: Mtime {
                seconds: fields.u64(24).cast_signed(),
                nanoseconds: fields.u32(32),
            },
            uuid: std::array::from_fn(|i| fields.0[48 + i]),
            label: label.split(|&byte| byte == 0).next().unwrap_or_default().to_vec(),
            compressors: if compressed { compressors } else { 0 },
            cluster: if compressed { cluster(compressors, &fields.0[SIZE..]) } else { None },
        })
    }
}

/// Reads the size of clusters from the settings of the only compressor: of LZ4 the blocks of one, of
/// zstd the logarithm of its window less ten.
fn cluster(compressors: u16, settings: &[u8]) -> Option<ClusterSize> {
    let length = Fields(settings).u16(0);
    let bytes = match (compressors, length) {
        (1, 14) => u32::from(Fields(settings).u16(4)).checked_mul(4096)?,
        (8, 6) => 1_u32.checked_shl(u32::from(settings[3]).checked_add(10)?)?,
        _ => return None,
    };
    ClusterSize::new(bytes)
}

/// Returns CRC-32C of block 0 from the superblock on, the checksum itself taken as 0, without the
/// final inversion.
fn checksum(block: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (at, &byte) in block.iter().enumerate().skip(OFFSET) {
        let is_checksum = (OFFSET + 4..OFFSET + 8).contains(&at);
        crc ^= if is_checksum { 0 } else { u32::from(byte) };
        for _ in 0..8 {
            let carry = if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            crc = crc >> 1 ^ carry;
        }
    }
    crc
}

const _: () = assert!(OFFSET + SIZE <= BLOCK_SIZE);
