use std::io::{self, Seek, SeekFrom, Write};

/// A writer that takes the start of an image once more when the rest has passed.
///
/// What an image says about itself is in its first block, and partly known only at its end.
pub trait ImageWriter: Write {
    /// Replaces the image's first bytes, all of which have been written, and goes on at its end.
    ///
    /// # Errors
    /// Whatever the writer underneath gives.
    fn rewrite_start(&mut self, start: &[u8]) -> io::Result<()>;
}

/// The image starts at position 0.
impl<W: Write + Seek> ImageWriter for W {
    fn rewrite_start(&mut self, start: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(0))?;
        self.write_all(start)?;
        self.seek(SeekFrom::End(0)).map(|_| ())
    }
}
