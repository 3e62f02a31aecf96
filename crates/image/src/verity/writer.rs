use std::io::{self, Write};

use super::batch::Batch;
use super::salted::Salted;
use super::{BLOCK, BLOCK_SIZE, DIGEST_SIZE, HashTree, Parameters};
use crate::{ImageWriter, VerityError};

/// Passes writes on, and hashes them into a tree in parallel batches.
///
/// It keeps 32 bytes for every 4096 that pass, and a batch.
#[derive(Debug)]
pub struct VerityWriter<W> {
    inner: W,
    parameters: Parameters,
    salted: Salted,
    batch: Batch,
    /// The digests of the data blocks so far.
    leaves: Vec<u8>,
}

impl<W> VerityWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W, parameters: Parameters) -> Self {
        let salted = Salted::new(parameters.salt());
        Self { inner, parameters, salted, batch: Batch::default(), leaves: Vec::new() }
    }

    /// Ends the data, and returns the wrapped writer and the tree.
    ///
    /// # Errors
    /// [`VerityError::DataLength`] if what was written is not a whole number of blocks, at least
    /// one.
    pub fn finish(mut self) -> Result<(W, HashTree), VerityError> {
        let rest = self.batch.finish(|data| self.salted.digest_all(data, &mut self.leaves));
        let data_blocks = (self.leaves.len() / DIGEST_SIZE) as u64;
        if rest > 0 || data_blocks == 0 {
            return Err(VerityError::DataLength { len: data_blocks * BLOCK + rest as u64 });
        }
        let tree = HashTree::above(self.leaves, data_blocks, &self.salted, self.parameters);
        Ok((self.inner, tree))
    }

    /// Hashes data without passing it on.
    pub(super) fn absorb(&mut self, data: &[u8]) {
        self.batch.push(data, |blocks| self.salted.digest_all(blocks, &mut self.leaves));
    }
}

impl<W: Write> Write for VerityWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.absorb(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Only what has passed can be replaced, in whole blocks.
impl<W: ImageWriter> ImageWriter for VerityWriter<W> {
    fn rewrite_start(&mut self, start: &[u8]) -> io::Result<()> {
        self.inner.rewrite_start(start)?;
        let hashed = (self.leaves.len() / DIGEST_SIZE * BLOCK_SIZE).min(start.len());
        let (hashed, waiting) = start.split_at(hashed);
        let mut digests = Vec::new();
        self.salted.digest_all(hashed, &mut digests);
        self.leaves[..digests.len()].copy_from_slice(&digests);
        if self.batch.rewrite_start(waiting) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not whole blocks that have passed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_what_is_hashed() {
        let data: Vec<u8> = (0..700 * 4096_u32).map(|n| (n / 999).to_le_bytes()[0]).collect();
        let parameters = Parameters::new(*b"pepper", [1; 16]).unwrap();
        let expected = HashTree::of(&data, parameters.clone()).unwrap();
        for step in [777, 4096, 1 << 20, data.len()] {
            let mut writer = VerityWriter::new(Vec::new(), parameters.clone());
            data.chunks(step).for_each(|part| writer.write_all(part).unwrap());
            let (passed, tree) = writer.finish().unwrap();
            assert!(passed == data && tree == expected, "steps of {step}");
        }
    }

    #[test]
    fn the_start_can_be_replaced_whether_it_is_hashed_or_not() {
        for blocks in [1, 2, 255, 256, 257, 600] {
            let mut data = vec![3; blocks * 4096];
            let mut writer = VerityWriter::new(io::Cursor::new(Vec::new()), Parameters::default());
            writer.write_all(&data).unwrap();
            let start = vec![7; blocks.min(2) * 4096];
            writer.rewrite_start(&start).unwrap();
            data[..start.len()].copy_from_slice(&start);
            writer.write_all(&[9; 4096]).unwrap();
            data.extend([9; 4096]);
            let (passed, tree) = writer.finish().unwrap();
            assert!(passed.into_inner() == data, "{blocks} blocks");
            let expected = HashTree::of(&data, Parameters::default()).unwrap();
            assert!(tree == expected, "{blocks} blocks");
        }
    }

    #[test]
    fn what_has_not_passed_cannot_be_replaced() {
        let mut writer = VerityWriter::new(io::Cursor::new(Vec::new()), Parameters::default());
        writer.write_all(&[3; 4096]).unwrap();
        assert!(writer.rewrite_start(&[7; 8192]).is_err());
    }
}
