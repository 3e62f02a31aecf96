use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::{LogEntry, WriteLog};

const SECTOR: u64 = 512;
const SECTOR_LEN: usize = 512;

/// A disk as it was before, with some of the writes of a log over it. Sectors are written whole or not at
/// all.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    base: &'a File,
    len: u64,
    log: &'a WriteLog,
    /// Which bytes of the log are in which sector.
    sectors: HashMap<u64, u64>,
    at: u64,
}

impl<'a> Replay<'a> {
    /// Begins with the disk as it was, of `len` bytes; beyond the end of the file there are zeros.
    pub fn new(base: &'a File, len: u64, log: &'a WriteLog) -> Self {
        Self { base, len, log, sectors: HashMap::new(), at: 0 }
    }

    /// Does one thing that the log has. A discard changes nothing: what it leaves is not to be read.
    pub fn apply(&mut self, entry: &LogEntry) {
        if let LogEntry::Write { offset, len, data, .. } = *entry {
            for at in (0..len).step_by(SECTOR_LEN) {
                self.sectors.insert((offset + at) / SECTOR, data + at);
            }
        }
    }

    /// Fills a buffer from an offset on.
    ///
    /// # Errors
    /// What the system says; beyond the disk's end there is nothing.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.len);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.read_base(buffer, offset)?;
        let first = offset / SECTOR;
        let last = (offset + buffer.len() as u64).div_ceil(SECTOR);
        for sector in first..last {
            let Some(&data) = self.sectors.get(&sector) else { continue };
            let mut bytes = [0; SECTOR_LEN];
            self.log.read_at(&mut bytes, data)?;
            let start = sector * SECTOR;
            for (byte, at) in bytes.into_iter().zip(start..) {
                let place = at.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
                if let Some(place) = place.and_then(|at| buffer.get_mut(at)) {
                    *place = byte;
                }
            }
        }
        Ok(())
    }

    fn read_base(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = self.base.read_at(buffer, offset)?;
            if count == 0 {
                buffer.fill(0);
                break;
            }
            buffer = &mut buffer[count..];
            offset += count as u64;
        }
        Ok(())
    }
}

impl Read for Replay<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        self.read_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Replay<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
