use bytes::Bytes;
use flagstone_tree::Data;

use super::{ArchiveData, BLOCK};
use crate::ArchiveError;

/// Where a reader of archives takes blocks from.
pub(super) trait Input {
    /// Returns how many bytes of the archive have gone by.
    fn position(&self) -> u64;

    /// Takes bytes that say something about members: whole blocks.
    fn take(&mut self, len: usize) -> Result<Bytes, ArchiveError>;

    /// Takes so many bytes of a file, and the padding to the next block.
    fn content(&mut self, size: u64) -> Result<Data, ArchiveError>;
}

/// An archive in memory; contents are slices of it.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    data: &'a Bytes,
    at: usize,
}

impl<'a> Whole<'a> {
    pub(super) fn new(data: &'a Bytes) -> Self {
        Self { data, at: 0 }
    }
}

impl Input for Whole<'_> {
    fn position(&self) -> u64 {
        self.at as u64
    }

    fn take(&mut self, len: usize) -> Result<Bytes, ArchiveError> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.data.len());
        let end = end.ok_or(ArchiveError::Truncated(self.data.len() as u64))?;
        let taken = self.data.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn content(&mut self, size: u64) -> Result<Data, ArchiveError> {
        let padded = padded(size).ok_or(ArchiveError::Truncated(self.data.len() as u64))?;
        let padded = usize::try_from(padded);
        let taken =
            self.take(padded.map_err(|_| ArchiveError::Truncated(self.data.len() as u64))?)?;
        Ok(Data::from(taken).slice(0..size))
    }
}

/// An archive that was split: its headers in memory, its contents anywhere.
#[derive(Debug)]
pub(super) struct Split<'a> {
    headers: Whole<'a>,
    contents: std::slice::Iter<'a, Data>,
    /// Bytes of contents that have gone by.
    passed: u64,
}

impl<'a> Split<'a> {
    pub(super) fn new(headers: &'a Bytes, contents: &'a [Data]) -> Self {
        Self { headers: Whole::new(headers), contents: contents.iter(), passed: 0 }
    }
}

impl Input for Split<'_> {
    fn position(&self) -> u64 {
        self.headers.position() + self.passed
    }

    fn take(&mut self, len: usize) -> Result<Bytes, ArchiveError> {
        self.headers.take(len)
    }

    fn content(&mut self, size: u64) -> Result<Data, ArchiveError> {
        if size == 0 {
            return Ok(Bytes::new().into());
        }
        let data = self.contents.next().filter(|data| data.len() == size);
        let data = data.ok_or(ArchiveError::Truncated(self.position()))?;
        self.passed += padded(size).unwrap_or(size);
        Ok(data.clone())
    }
}

/// Returns a length with the padding to the next block.
pub(super) fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
}

impl ArchiveData {
    /// Calls a reader with whatever this archive is.
    pub(super) fn with_input<T>(&self, read: impl FnOnce(&mut dyn Input) -> T) -> T {
        match self {
            Self::Whole(data) => read(&mut Whole::new(data)),
            Self::Split { headers, contents } => read(&mut Split::new(headers, contents)),
        }
    }
}
