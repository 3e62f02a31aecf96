use std::io;

/// A disk that is written to. A trait, so that tests can let it fail at any point.
pub trait Device {
    /// Returns its size in bytes.
    fn size_bytes(&self) -> u64;

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// What the system says; how much was written then is unknown.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes a range read as zeros, in the cheapest way that is certain to do so.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    fn zero(&mut self, offset: u64, len: u64) -> io::Result<()>;

    /// Returns when all that was written is durable.
    ///
    /// # Errors
    /// What the system says; nothing since the last success is certain then.
    fn sync(&mut self) -> io::Result<()>;
}
