use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};

use rustix::fs::{Advice, fadvise};

use crate::PARTITION_MAX;

/// What a partition is written to. A trait, so that tests can let it fail at any point.
pub trait Target {
    /// Returns how many bytes it can hold.
    fn capacity_bytes(&self) -> u64;

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// What the system says; how much was written then is unknown.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Fills a buffer with the bytes from an offset on.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Returns when all that was written is durable; what is read then comes from where it was
    /// written to, as far as that can be had.
    ///
    /// # Errors
    /// What the system says; nothing since the last success is certain then.
    fn sync(&mut self) -> io::Result<()>;
}

/// A block device, or a regular file, which grows as it is written.
#[derive(Debug)]
pub struct FileTarget {
    file: File,
    capacity_bytes: u64,
}

impl FileTarget {
    /// Takes a file that is open for reading and writing.
    ///
    /// # Errors
    /// If it is neither a block device nor a regular file, or its size cannot be found out.
    pub fn new(mut file: File) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let capacity_bytes = if kind.is_block_device() {
            file.seek(SeekFrom::End(0))?
        } else if kind.is_file() {
            PARTITION_MAX
        } else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a block device nor a regular file",
            ));
        };
        Ok(Self { file, capacity_bytes })
    }
}

impl Target for FileTarget {
    fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // Only what is clean can be dropped, which all of it is now. That it was is a wish.
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(())
    }
}
