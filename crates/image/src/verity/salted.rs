use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use rayon::prelude::*;

use super::{BLOCK_SIZE, DIGEST_SIZE};

/// The fewest blocks worth handing to another thread.
const MIN_BLOCKS: usize = 32;

/// SHA-256 that has taken the salt already.
#[derive(Clone, Debug)]
pub(super) struct Salted(Sha256Hasher);

impl Salted {
    pub(super) fn new(salt: &[u8]) -> Self {
        let mut hasher = Sha256Hasher::new();
        hasher.update(salt);
        Self(hasher)
    }

    /// Returns the digest of salt and block.
    pub(super) fn digest(&self, block: &[u8]) -> Sha256Digest {
        let mut hasher = self.0.clone();
        hasher.update(block);
        hasher.finish()
    }

    /// Appends the digests of whole blocks, computed in parallel.
    pub(super) fn digest_all(&self, blocks: &[u8], digests: &mut Vec<u8>) {
        let start = digests.len();
        digests.resize(start + blocks.len() / BLOCK_SIZE * DIGEST_SIZE, 0);
        digests[start..]
            .par_chunks_exact_mut(DIGEST_SIZE)
            .zip(blocks.par_chunks_exact(BLOCK_SIZE))
            .with_min_len(MIN_BLOCKS)
            .for_each(|(digest, block)| digest.copy_from_slice(self.digest(block).as_bytes()));
    }
}
