use std::fmt;
use std::io::Read;

use crate::SparseImage;

/// What goes into a partition. What is shorter than the partition is followed by zeros.
pub enum Content<'a> {
    /// An image in memory.
    Sparse(&'a SparseImage),
    /// Bytes read from elsewhere, such as a file or a compressor's output.
    Stream {
        /// Where the bytes come from.
        reader: Box<dyn Read + 'a>,
        /// How many there are, in bytes; fewer or more are an error.
        len_bytes: u64,
    },
}

impl<'a> Content<'a> {
    /// Wraps a reader of exactly `len_bytes` bytes.
    pub fn stream(reader: impl Read + 'a, len_bytes: u64) -> Self {
        Self::Stream { reader: Box::new(reader), len_bytes }
    }

    /// Returns the length in bytes.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Sparse(image) => image.len(),
            Self::Stream { len_bytes, .. } => *len_bytes,
        }
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len_bytes", &self.len_bytes()).finish_non_exhaustive()
    }
}
