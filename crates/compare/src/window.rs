use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use flagstone_image::erofs::read::ReadAt;

use crate::CompareError;
use crate::spread::data;

/// A part of a file that is read as if it were one: a partition, or the whole.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    file: Arc<File>,
    start: u64,
    len: u64,
}

impl Window {
    /// Opens a whole file.
    pub(crate) fn open(path: &Path) -> Result<Self, CompareError> {
        let file = File::open(path).map_err(CompareError::read(path))?;
        let len = ReadAt::len(&file).map_err(CompareError::read(path))?;
        Ok(Self { file: Arc::new(file), start: 0, len })
    }

    /// Returns a part; `None` if it is not all there.
    pub(crate) fn part(&self, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len).filter(|&end| end <= self.len);
        end.map(|_| Self { file: Arc::clone(&self.file), start: self.start + start, len })
    }

    /// Returns the bytes at the start, as many as there are.
    pub(crate) fn head(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; usize::try_from(self.len).unwrap_or(most).min(most)];
        self.read_exact_at(&mut head, 0)?;
        Ok(head)
    }

    /// Returns the parts that are no holes.
    pub(crate) fn data(&self) -> io::Result<Vec<Range<u64>>> {
        let found = data(&self.file, self.start..self.start + self.len)?;
        let start = self.start;
        Ok(found.into_iter().map(|part| part.start - start..part.end - start).collect())
    }

    pub(crate) fn size(&self) -> u64 {
        self.len
    }

    /// Returns the file, for what wants to seek in all of it.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for Window {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&end| end <= self.len);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        ReadAt::read_exact_at(&*self.file, buffer, self.start + offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}
