use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::TortureError;

/// The first eight bytes of a log, as a little-endian number, and the version (Linux,
/// Documentation/admin-guide/device-mapper/log-writes.rst).
const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// The sectors that QEMU writes by itself.
const SECTOR: u64 = 512;

const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// What a machine did to its disk, in order.
#[derive(Debug)]
pub struct WriteLog {
    path: PathBuf,
    file: File,
    entries: Vec<LogEntry>,
}

/// One thing that was done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// Bytes were written.
    Write {
        /// Where on the disk, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// Where they are in the log.
        data: u64,
        /// Whether the write is durable when it is done (FUA).
        durable: bool,
    },
    /// Bytes are wanted no more: they read as before, or as zeros.
    Discard {
        /// Where on the disk, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Everything before is durable when it is done.
    Flush,
}

impl WriteLog {
    /// Reads the entries of a log; the data stays in the file.
    ///
    /// # Errors
    /// [`TortureError::Read`], [`TortureError::Log`].
    pub fn open(path: &Path) -> Result<Self, TortureError> {
        let failed = |source| TortureError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let field = |offset: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, offset).map_err(failed)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let wrong = |offset, rule| TortureError::Log { offset, rule };
        if length < SECTOR || field(0)? != MAGIC || field(8)? != VERSION {
            return Err(wrong(0, "it is one of dm-log-writes, version 1"));
        }
        if field(24)? & u64::from(u32::MAX) != SECTOR {
            return Err(wrong(24, "its sectors have 512 bytes"));
        }
        let count = field(16)?;
        let mut entries = Vec::new();
        let mut at = SECTOR;
        for _ in 0..count {
            if at.checked_add(SECTOR).is_none_or(|end| end > length) {
                return Err(wrong(at, "it has as many entries as it says"));
            }
            let (sector, sectors, flags) = (field(at)?, field(at + 8)?, field(at + 16)?);
            at += SECTOR;
            let bytes = |sectors: u64| sectors.checked_mul(SECTOR);
            let (Some(offset), Some(len)) = (bytes(sector), bytes(sectors)) else {
                return Err(wrong(at - SECTOR, "a disk ends before 2^64 bytes"));
            };
            if flags & DISCARD != 0 {
                entries.push(LogEntry::Discard { offset, len });
                continue;
            }
            if flags & FLUSH != 0 {
                entries.push(LogEntry::Flush);
            }
            if len > 0 {
                let end = at.checked_add(len).filter(|end| *end <= length);
                let end = end.ok_or(wrong(at, "it has the data of each write"))?;
                let durable = flags & FUA != 0;
                entries.push(LogEntry::Write { offset, len, data: at, durable });
                at = end;
            }
        }
        Ok(Self { path: path.to_owned(), file, entries })
    }

    /// Returns what was done, in order.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Fills a buffer with bytes of the log, from where an entry says that its data are.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, buffer: &mut [u8], data: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, data)
    }

    /// Returns the log's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
