use super::BLOCK_SIZE;

/// Bytes handed to the threads at once: enough to keep them busy, little enough for the caches.
pub(super) const BATCH_SIZE: usize = 256 * BLOCK_SIZE;

/// Gathers bytes of any granularity into whole blocks; what comes in large is not copied.
#[derive(Debug, Default)]
pub(super) struct Batch {
    buffer: Vec<u8>,
}

impl Batch {
    /// Takes bytes, and calls `full` with whole blocks as they come together.
    pub(super) fn push(&mut self, mut data: &[u8], mut full: impl FnMut(&[u8])) {
        while !data.is_empty() {
            if self.buffer.is_empty() && data.len() >= BATCH_SIZE {
                let (blocks, rest) = data.split_at(data.len() / BLOCK_SIZE * BLOCK_SIZE);
                full(blocks);
                data = rest;
                continue;
            }
            let (part, rest) = data.split_at(data.len().min(BATCH_SIZE - self.buffer.len()));
            self.buffer.extend_from_slice(part);
            data = rest;
            if self.buffer.len() == BATCH_SIZE {
                full(&self.buffer);
                self.buffer.clear();
            }
        }
    }

    /// Replaces the first bytes that have not been given to `full`; `false` if there are not as many.
    pub(super) fn rewrite_start(&mut self, start: &[u8]) -> bool {
        let found = self.buffer.get_mut(..start.len());
        found.map(|found| found.copy_from_slice(start)).is_some()
    }

    /// Calls `full` with the whole blocks left, and returns how many bytes are left beyond them.
    pub(super) fn finish(self, full: impl FnOnce(&[u8])) -> usize {
        let (blocks, rest) = self.buffer.split_at(self.buffer.len() / BLOCK_SIZE * BLOCK_SIZE);
        full(blocks);
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_comes_once_and_in_order() {
        let data: Vec<u8> =
            (0..3 * BATCH_SIZE + 5000).map(|n| (n / 777).to_le_bytes()[0]).collect();
        for step in [1000, BLOCK_SIZE, BATCH_SIZE - 1, BATCH_SIZE + 1, data.len()] {
            let (mut batch, mut out) = (Batch::default(), Vec::new());
            for part in data.chunks(step) {
                batch.push(part, |blocks| out.extend_from_slice(blocks));
            }
            assert_eq!(batch.finish(|blocks| out.extend_from_slice(blocks)), 5000 - 4096);
            assert!(out == data[..3 * BATCH_SIZE + 4096], "steps of {step}");
        }
    }
}
