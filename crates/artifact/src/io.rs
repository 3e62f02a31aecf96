use std::io::{self, Read, Write};

use crate::{Sha256Digest, Sha256Hasher};

/// Passes writes on and digests what was written.
#[derive(Debug)]
pub struct DigestWriter<W> {
    inner: W,
    hasher: Sha256Hasher,
    written: u64,
}

impl<W: Write> DigestWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256Hasher::new(), written: 0 }
    }

    /// Returns how many bytes went through, and the digest of them, with the writer.
    pub fn finish(self) -> (W, u64, Sha256Digest) {
        (self.inner, self.written, self.hasher.finish())
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(&data[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes reads on and digests what was read.
#[derive(Debug)]
pub struct DigestReader<R> {
    inner: R,
    hasher: Sha256Hasher,
    read: u64,
}

impl<R: Read> DigestReader<R> {
    /// Wraps a reader.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256Hasher::new(), read: 0 }
    }

    /// Returns how many bytes went through, and the digest of them.
    pub fn finish(self) -> (u64, Sha256Digest) {
        (self.read, self.hasher.finish())
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_give_the_digest_of_what_passed() {
        let mut writer = DigestWriter::new(Vec::new());
        io::copy(&mut &b"flagstone"[..], &mut writer).unwrap();
        let (data, written, wrote) = writer.finish();
        let mut reader = DigestReader::new(data.as_slice());
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.finish(), (written, wrote));
        assert_eq!(wrote, Sha256Digest::of(b"flagstone"));
    }
}
