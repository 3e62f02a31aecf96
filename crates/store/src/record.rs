use flagstone_artifact::Sha256Digest;

use crate::checksum::{self, Checksum};

/// The version of the format of packs; it is in every footer.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"FLAGPACK";
/// Bytes of a record in the index.
pub(crate) const RECORD_SIZE: usize = 64;
/// Bytes of the footer.
pub(crate) const FOOTER_SIZE: usize = 96;
/// Bytes of the footer that its own checksum is of.
const SUMMED: usize = 80;

/// Where a value is in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value's name.
    pub key: Sha256Digest,
    /// Its first byte, from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    pub(crate) checksum: Checksum,
}

impl Record {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.key.as_bytes());
        out.extend(self.offset.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        out.extend(self.checksum);
    }

    pub(crate) fn decode(bytes: &[u8; RECORD_SIZE]) -> Self {
        let mut fields = Fields(bytes);
        Self {
            key: Sha256Digest::from_bytes(fields.take()),
            offset: u64::from_le_bytes(fields.take()),
            len: u64::from_le_bytes(fields.take()),
            checksum: fields.take(),
        }
    }
}

/// The end of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) version: u32,
    pub(crate) count: u64,
    pub(crate) values_len: u64,
    pub(crate) index_checksum: Checksum,
    /// The pack's own name, so that one that was put in another's place is found out.
    pub(crate) name: Sha256Digest,
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.count.to_le_bytes());
        out.extend(self.values_len.to_le_bytes());
        out.extend(self.index_checksum);
        out.extend(self.name.as_bytes());
        let checksum = checksum::of(&out);
        out.extend(checksum);
        out
    }

    /// Reads a footer; `None` for bytes that are none, or damaged.
    pub(crate) fn decode(bytes: &[u8; FOOTER_SIZE]) -> Option<Self> {
        let (summed, checksum) = bytes.split_at(SUMMED);
        if !summed.starts_with(&MAGIC) || checksum::of(summed) != checksum {
            return None;
        }
        let mut fields = Fields(&summed[MAGIC.len()..]);
        let version = u32::from_le_bytes(fields.take());
        let _: [u8; 4] = fields.take();
        Some(Self {
            version,
            count: u64::from_le_bytes(fields.take()),
            values_len: u64::from_le_bytes(fields.take()),
            index_checksum: fields.take(),
            name: Sha256Digest::from_bytes(fields.take()),
        })
    }
}

/// Fields of fixed size, one after the other; asking for more than there are gives zeros.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}
