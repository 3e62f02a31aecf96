use std::io::{self, Write};

use super::{BLOCK, BLOCK_SIZE};

/// Small pieces are gathered to this many bytes before they are written.
const BUFFER_SIZE: usize = 256 << 10;

/// A writer that knows how far it is.
pub(super) struct Sink<W: Write> {
    inner: io::BufWriter<W>,
    position: u64,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner: io::BufWriter::with_capacity(BUFFER_SIZE, inner), position: 0 }
    }

    /// Returns how many bytes have been written.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.inner.write_all(data)?;
        self.position += data.len() as u64;
        Ok(())
    }

    /// Writes zeros up to a position; an image is written in order.
    pub(super) fn pad_to(&mut self, position: u64) -> io::Result<()> {
        debug_assert!(self.position <= position, "an image is written in order");
        while self.position < position {
            let count = (position - self.position).min(BLOCK);
            self.write(&[0; BLOCK_SIZE as usize][..usize::try_from(count).expect("at most 4096")])?;
        }
        Ok(())
    }

    /// Writes zeros up to the next block.
    pub(super) fn pad_block(&mut self) -> io::Result<()> {
        self.pad_to(self.position.next_multiple_of(BLOCK))
    }

    /// Writes out what has been gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
