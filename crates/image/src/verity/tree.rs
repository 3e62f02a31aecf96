use std::io::{self, Read};

use flagstone_artifact::Sha256Digest;

use super::salted::Salted;
use super::{BLOCK_SIZE, Parameters, Superblock, VerityWriter};
use crate::VerityError;

/// A finished hash tree.
#[derive(Clone, PartialEq, Eq)]
pub struct HashTree {
    /// The digest that stands for all of the data.
    pub root_hash: Sha256Digest,
    /// The hash device: superblock, then the levels; a multiple of 4096 bytes.
    pub bytes: Vec<u8>,
    /// Blocks of data it covers.
    pub data_blocks: u64,
}

impl HashTree {
    /// Computes the tree of data in memory.
    ///
    /// # Errors
    /// [`VerityError::DataLength`] if it is not a whole number of blocks, at least one.
    pub fn of(data: &[u8], parameters: Parameters) -> Result<Self, VerityError> {
        Self::read(data, parameters)
    }

    /// Computes the tree of everything a reader gives.
    ///
    /// # Errors
    /// [`VerityError::DataLength`] as [`Self::of`], and [`VerityError::Read`].
    pub fn read(mut data: impl Read, parameters: Parameters) -> Result<Self, VerityError> {
        let mut writer = VerityWriter::new(io::sink(), parameters);
        let mut buffer = vec![0; super::batch::BATCH_SIZE];
        loop {
            match data.read(&mut buffer) {
                Ok(0) => return Ok(writer.finish()?.1),
                Ok(count) => writer.absorb(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(VerityError::Read(error)),
            }
        }
    }

    /// Builds the levels above the digests of the data blocks, of which there is at least one.
    pub(super) fn above(
        leaves: Vec<u8>,
        data_blocks: u64,
        salted: &Salted,
        parameters: Parameters,
    ) -> Self {
        let mut levels = Vec::new();
        let mut digests = leaves;
        while digests.len() > super::DIGEST_SIZE {
            digests.resize(digests.len().next_multiple_of(BLOCK_SIZE), 0);
            let mut above = Vec::new();
            salted.digest_all(&digests, &mut above);
            levels.push(digests);
            digests = above;
        }
        let root: &[u8; super::DIGEST_SIZE] =
            digests.first_chunk().expect("the caller gave at least one digest");
        let mut bytes = Superblock { parameters, data_blocks }.encode();
        for level in levels.into_iter().rev() {
            bytes.extend(level);
        }
        Self { root_hash: Sha256Digest::from_bytes(*root), bytes, data_blocks }
    }
}

impl std::fmt::Debug for HashTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashTree")
            .field("root_hash", &self.root_hash)
            .field("data_blocks", &self.data_blocks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_has_no_level() {
        let tree = HashTree::of(&[5; 4096], Parameters::default()).unwrap();
        assert_eq!(tree.root_hash, Sha256Digest::of(&[5; 4096]));
        assert_eq!((tree.bytes.len(), tree.data_blocks), (4096, 1));
    }

    #[test]
    fn the_salt_is_hashed_first() {
        let parameters = Parameters::new(*b"salt", [0; 16]).unwrap();
        let data: Vec<u8> = [[1; 4096], [2; 4096]].concat();
        let tree = HashTree::of(&data, parameters).unwrap();
        let salted = |block: &[u8]| Sha256Digest::of(&[b"salt", block].concat());
        let leaves: [[u8; 32]; 2] = [1, 2].map(|byte| *salted(&[byte; 4096]).as_bytes());
        let mut top = leaves.concat();
        top.resize(4096, 0);
        assert_eq!(tree.root_hash, salted(&top));
        assert_eq!(tree.bytes[4096..], top);
    }

    #[test]
    fn the_digest_of_a_known_tree_stays() {
        let data: Vec<u8> = (0..300 * 4096_u32).map(|n| (n / 4096).to_le_bytes()[0]).collect();
        let parameters = Parameters::new([0xab; 32], [0xcd; 16]).unwrap();
        let tree = HashTree::of(&data, parameters).unwrap();
        assert_eq!(
            tree.root_hash.to_string(),
            "ef934a6402051f95d0249a30598e33f591905823193c1879268f3d39b29947b2"
        );
        assert_eq!(
            Sha256Digest::of(&tree.bytes).to_string(),
            "89e50dd57300089a5ecbe4202cc58845b2b437beb0d69044d12a5cda6db3d4ec"
        );
    }

    #[test]
    fn parts_of_blocks_and_nothing_are_refused() {
        for len in [0, 1, 4095, 4097] {
            let error = HashTree::of(&vec![0; len], Parameters::default()).unwrap_err();
            assert!(matches!(error, VerityError::DataLength { len: l } if l == len as u64));
        }
    }
}
