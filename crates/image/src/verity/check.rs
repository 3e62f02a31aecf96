use std::io::Read;

use flagstone_artifact::Sha256Digest;

use super::batch::BATCH_SIZE;
use super::levels::Levels;
use super::salted::Salted;
use super::{BLOCK, BLOCK_SIZE, DIGEST_SIZE, Superblock};
use crate::VerityError;

/// Checks a hash device against a root hash from the top down, then data against it.
///
/// Both come from a device that may be larger than what it holds: bytes after the tree and after
/// the data are neither read nor judged. No more is allocated than a batch and a 128th of
/// `hash_device`.
///
/// # Errors
/// [`VerityError`] with the first block that is not what it should be; none of the data is read
/// before the whole tree is found good.
pub fn verify(
    data: impl Read,
    hash_device: &[u8],
    root_hash: &Sha256Digest,
) -> Result<(), VerityError> {
    let superblock = Superblock::parse(hash_device)?;
    let levels = Levels::new(superblock.data_blocks);
    let (expected, actual) = (levels.device_size(), hash_device.len() as u64);
    if actual < expected {
        return Err(VerityError::HashLength { expected, actual });
    }
    let salted = Salted::new(superblock.parameters.salt());
    let leaves = verify_levels(hash_device, &levels, &salted, root_hash)?;
    verify_data(data, superblock.data_blocks, leaves, &salted)
}

/// Checks every hash block, and returns the digests of the data blocks.
fn verify_levels<'a>(
    hash_device: &'a [u8],
    levels: &Levels,
    salted: &Salted,
    root_hash: &'a Sha256Digest,
) -> Result<&'a [u8], VerityError> {
    let byte = |block: u64| {
        usize::try_from(block * BLOCK).expect("the hash device in memory is as long as this")
    };
    let mut above: &[u8] = root_hash.as_bytes();
    for (first, blocks) in levels.ranges() {
        let level = &hash_device[byte(first)..byte(first + blocks)];
        let mut digests = Vec::new();
        salted.digest_all(level, &mut digests);
        match first_difference(&digests, above) {
            None => above = level,
            Some(0) if first == 1 => {
                let actual = salted.digest(level);
                return Err(VerityError::RootHash { expected: *root_hash, actual });
            }
            Some(index) => return Err(VerityError::HashBlock { block: first + index }),
        }
    }
    Ok(above)
}

fn verify_data(
    mut data: impl Read,
    data_blocks: u64,
    mut leaves: &[u8],
    salted: &Salted,
) -> Result<(), VerityError> {
    let (mut buffer, mut digests) = (Vec::new(), Vec::new());
    let mut block = 0;
    while block < data_blocks {
        let wanted = (BATCH_SIZE as u64).min((data_blocks - block).saturating_mul(BLOCK));
        buffer.clear();
        data.by_ref().take(wanted).read_to_end(&mut buffer).map_err(VerityError::Read)?;
        digests.clear();
        salted.digest_all(&buffer, &mut digests);
        if let Some(index) = first_difference(&digests, leaves) {
            return Err(VerityError::DataBlock { block: block + index });
        }
        if (buffer.len() as u64) < wanted {
            return Err(VerityError::DataShort {
                expected: data_blocks.saturating_mul(BLOCK),
                actual: block * BLOCK + buffer.len() as u64,
            });
        }
        leaves = &leaves[digests.len()..];
        block += (buffer.len() / BLOCK_SIZE) as u64;
    }
    Ok(())
}

/// Returns the number of the first digest that differs from the expected one; there may be more
/// expected ones.
fn first_difference(digests: &[u8], expected: &[u8]) -> Option<u64> {
    (0..)
        .zip(digests.chunks_exact(DIGEST_SIZE).zip(expected.chunks_exact(DIGEST_SIZE)))
        .find_map(|(index, (digest, expected))| (digest != expected).then_some(index))
}

#[cfg(test)]
mod tests {
    use super::super::{HashTree, Parameters};
    use super::*;

    /// More than a batch, and three levels' worth of neither: two levels, the last block not full.
    const BLOCKS: u64 = 300;

    fn sample() -> (Vec<u8>, HashTree) {
        let data: Vec<u8> = (0..BLOCKS * BLOCK).map(|n| (n / 4096 + n).to_le_bytes()[0]).collect();
        let tree = HashTree::of(&data, Parameters::new([3; 32], [0; 16]).unwrap()).unwrap();
        (data, tree)
    }

    #[test]
    fn good_data_passes_with_whatever_follows_it() {
        let (mut data, mut tree) = sample();
        assert!(verify(data.as_slice(), &tree.bytes, &tree.root_hash).is_ok());
        data.extend([1; 5000]);
        tree.bytes.extend([1; 5000]);
        assert!(verify(data.as_slice(), &tree.bytes, &tree.root_hash).is_ok());
        let one = HashTree::of(&data[..4096], Parameters::default()).unwrap();
        assert!(verify(data.as_slice(), &one.bytes, &one.root_hash).is_ok());
    }

    #[test]
    fn a_flipped_bit_is_found_in_its_block() {
        let (data, tree) = sample();
        for block in [0_u64, 1, 127, 128, 255, 256, 299] {
            let mut data = data.clone();
            data[usize::try_from(block).unwrap() * 4096 + 77] ^= 0x10;
            // A later one does not hide it.
            *data.last_mut().unwrap() ^= 1;
            let result = verify(data.as_slice(), &tree.bytes, &tree.root_hash);
            assert!(matches!(result, Err(VerityError::DataBlock { block: b }) if b == block));
        }
    }

    #[test]
    fn a_flipped_bit_in_the_tree_is_found() {
        let (data, tree) = sample();
        let flipped = |at: usize| {
            let mut bytes = tree.bytes.clone();
            bytes[at] ^= 1;
            verify(data.as_slice(), &bytes, &tree.root_hash).unwrap_err()
        };
        assert!(matches!(flipped(0), VerityError::Superblock { .. }));
        assert!(matches!(flipped(90), VerityError::RootHash { .. }), "the salt");
        assert!(matches!(flipped(4096), VerityError::RootHash { .. }));
        for block in 2..5 {
            let last = (block + 1) * 4096 - 1;
            let error = flipped(last);
            assert!(matches!(error, VerityError::HashBlock { block: b } if b == block as u64));
        }
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let (data, tree) = sample();
        let result = verify(data.as_slice(), &tree.bytes[..tree.bytes.len() - 1], &tree.root_hash);
        assert!(matches!(result, Err(VerityError::HashLength { .. })));
        for len in [0, 1, 4096, data.len() - 1] {
            let result = verify(&data[..len], &tree.bytes, &tree.root_hash);
            let Err(VerityError::DataShort { actual, .. }) = result else { panic!("{result:?}") };
            assert_eq!(actual, len as u64);
        }
    }

    #[test]
    fn a_superblock_that_lies_about_its_size_allocates_nothing() {
        let (data, mut tree) = sample();
        for data_blocks in [u64::MAX, 1 << 52, BLOCKS + 100_000] {
            tree.bytes[72..80].copy_from_slice(&data_blocks.to_le_bytes());
            let result = verify(data.as_slice(), &tree.bytes, &tree.root_hash);
            assert!(matches!(result, Err(VerityError::HashLength { .. })));
        }
    }
}
