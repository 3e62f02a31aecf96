use crate::VerityError;

use super::{BLOCK, BLOCK_SIZE};

/// Bytes of `struct verity_sb`.
const SIZE: usize = 512;

const SIGNATURE: &[u8; 8] = b"verity\0\0";

/// The version of the superblock.
const VERSION: u32 = 1;

/// "Normal": the salt comes before the block, digests are packed. 0 is Chrome OS's.
const HASH_TYPE: u32 = 1;

/// The digest's name, padded with NUL to 32 bytes.
const ALGORITHM: &[u8; 32] = b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The most bytes of salt.
const SALT_MAX: usize = 256;

/// Where the salt is.
const SALT_OFFSET: usize = 88;

/// What a tree depends on besides the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    salt: Vec<u8>,
    uuid: [u8; 16],
}

impl Parameters {
    /// Takes a salt of at most 256 bytes and an id in the byte order of RFC 9562.
    ///
    /// The id is stored in the superblock and does not enter the root hash.
    ///
    /// # Errors
    /// [`VerityError::SaltLength`].
    pub fn new(salt: impl Into<Vec<u8>>, uuid: [u8; 16]) -> Result<Self, VerityError> {
        let salt = salt.into();
        if salt.len() > SALT_MAX {
            return Err(VerityError::SaltLength { len: salt.len() });
        }
        Ok(Self { salt, uuid })
    }

    /// Returns the salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Returns the id.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }
}

/// The first 512 bytes of a hash device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Salt and id.
    pub parameters: Parameters,
    /// Blocks of data that the tree covers, at least one.
    pub data_blocks: u64,
}

impl Superblock {
    /// Reads the superblock of a hash device, which may be longer or cut off after it.
    ///
    /// # Errors
    /// [`VerityError::Superblock`] for anything that this module would not write.
    pub fn parse(hash_device: &[u8]) -> Result<Self, VerityError> {
        let refuse = |reason| VerityError::Superblock { reason };
        let bytes: &[u8; SIZE] = hash_device.first_chunk().ok_or(refuse("it is cut off"))?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let data_blocks = u64::from(word(72)) | u64::from(word(76)) << 32;
        let salt_length = usize::from(u16::from_le_bytes([bytes[80], bytes[81]]));
        if bytes[..8] != *SIGNATURE {
            return Err(refuse("its signature is another"));
        }
        if word(8) != VERSION || word(12) != HASH_TYPE {
            return Err(refuse("its version or hash type is not 1"));
        }
        if bytes[32..64] != *ALGORITHM {
            return Err(refuse("its digest is not sha256"));
        }
        if u64::from(word(64)) != BLOCK || u64::from(word(68)) != BLOCK {
            return Err(refuse("its blocks are not of 4096 bytes"));
        }
        if data_blocks == 0 {
            return Err(refuse("it covers no data"));
        }
        if salt_length > SALT_MAX {
            return Err(refuse("its salt is longer than 256 bytes"));
        }
        let salt = bytes[SALT_OFFSET..SALT_OFFSET + salt_length].to_vec();
        let uuid = std::array::from_fn(|i| bytes[16 + i]);
        Ok(Self { parameters: Parameters { salt, uuid }, data_blocks })
    }

    /// Returns the first block of the hash device.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Parameters { salt, uuid } = &self.parameters;
        let salt_length = u16::try_from(salt.len()).expect("Parameters::new() checked it");
        let block_size = u32::try_from(BLOCK_SIZE).expect("4096 fits");
        let mut block = Vec::with_capacity(BLOCK_SIZE);
        block.extend(SIGNATURE);
        block.extend(VERSION.to_le_bytes());
        block.extend(HASH_TYPE.to_le_bytes());
        block.extend(uuid);
        block.extend(ALGORITHM);
        block.extend(block_size.to_le_bytes());
        block.extend(block_size.to_le_bytes());
        block.extend(self.data_blocks.to_le_bytes());
        block.extend(salt_length.to_le_bytes());
        block.resize(SALT_OFFSET, 0);
        block.extend(salt);
        block.resize(BLOCK_SIZE, 0);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Superblock {
        let parameters = Parameters::new([7; 33], [9; 16]).unwrap();
        Superblock { parameters, data_blocks: 0x1_0000_0002 }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        assert_eq!(Superblock::parse(&sample().encode()).unwrap(), sample());
        assert!(Parameters::new([0; 256], [0; 16]).is_ok());
        assert!(matches!(
            Parameters::new([0; 257], [0; 16]),
            Err(VerityError::SaltLength { len: 257 })
        ));
    }

    #[test]
    fn every_wrong_field_is_refused() {
        let cases = [
            (0, "signature"),
            (8, "version"),
            (12, "hash type"),
            (38, "sha256"),
            (64, "4096"),
            (68, "4096"),
            (81, "salt"),
        ];
        for (at, part) in cases {
            let mut bytes = sample().encode();
            bytes[at] ^= 2;
            let error = Superblock::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(part), "byte {at}: {error}");
        }
        let empty = Superblock { data_blocks: 0, ..sample() };
        assert!(Superblock::parse(&empty.encode()).unwrap_err().to_string().contains("no data"));
        assert!(Superblock::parse(&sample().encode()[..511]).is_err());
    }
}
