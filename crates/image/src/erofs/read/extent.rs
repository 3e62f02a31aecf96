/// A part of a file that is stored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where in the file it begins.
    pub(super) start: u64,
    /// Bytes of the file.
    pub(super) length: u64,
    /// Where in the image it begins, in bytes.
    pub(super) position: u64,
    pub(super) stored: Stored,
}

/// How it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// As it is.
    Plain,
    /// Compressed, in so many bytes of whole blocks.
    Packed {
        /// The number of the compressor.
        format: u8,
        size: u64,
    },
}

impl Extent {
    /// Returns the first byte of the file after it.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}
