use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::table::{SECTOR, write_table};
use crate::write::{check_lengths, fill};
use crate::{Content, DiskError, Layout, Role};

/// How much is read from a stream at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// Bytes in a sector, as an index.
const SECTOR_LEN: usize = 512;

/// A part of a disk, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
}

/// Hands on a disk from its first byte to its last, as [`write_disk`](crate::write_disk) would write
/// it, without a disk.
///
/// # Errors
/// As [`write_disk`](crate::write_disk), of which nothing is written here.
pub fn stream_disk(
    layout: &Layout,
    mut contents: BTreeMap<Role, Content<'_>>,
    take: &mut dyn FnMut(Piece<'_>),
) -> Result<(), DiskError> {
    check_lengths(layout, &contents)?;
    let mut table = Sectors { at: 0, written: BTreeMap::new(), len: layout.size_bytes() };
    write_table(&layout.table(), layout.size_bytes(), &mut table)?;
    let mut out = Stream { at: 0, take };
    let mut partitions: Vec<_> = layout.partitions().iter().collect();
    partitions.sort_by_key(|partition| partition.offset_bytes);
    let first = partitions.first().map_or(layout.size_bytes(), |first| first.offset_bytes);
    for (at, sector) in table.written.range(..first) {
        out.zeros_to(*at);
        out.data(sector);
    }
    for partition in partitions {
        out.zeros_to(partition.offset_bytes);
        match contents.remove(&partition.role) {
            None => {}
            Some(Content::Sparse(image)) => {
                for (offset, data) in image.extents() {
                    out.zeros_to(partition.offset_bytes + offset);
                    out.data(data);
                }
            }
            Some(Content::Stream { reader, len_bytes }) => {
                out.stream(partition.role, reader, len_bytes)?;
            }
        }
    }
    for (at, sector) in table.written.range(out.at..) {
        out.zeros_to(*at);
        out.data(sector);
    }
    out.zeros_to(layout.size_bytes());
    Ok(())
}

struct Stream<'a> {
    at: u64,
    take: &'a mut dyn FnMut(Piece<'_>),
}

impl Stream<'_> {
    fn zeros_to(&mut self, at: u64) {
        if let Some(count @ 1..) = at.checked_sub(self.at) {
            (self.take)(Piece::Zeros(count));
            self.at = at;
        }
    }

    fn data(&mut self, data: &[u8]) {
        (self.take)(Piece::Data(data));
        self.at += data.len() as u64;
    }

    fn stream(
        &mut self,
        role: Role,
        mut reader: impl Read,
        expected_bytes: u64,
    ) -> Result<(), DiskError> {
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        loop {
            let filled =
                fill(&mut reader, &mut chunk).map_err(|source| DiskError::Read { role, source })?;
            done += filled as u64;
            if done > expected_bytes || (filled < CHUNK && done < expected_bytes) {
                return Err(DiskError::ContentLength { role, expected_bytes, actual_bytes: done });
            }
            if filled == 0 {
                return Ok(());
            }
            self.data(&chunk[..filled]);
        }
    }
}

/// A disk that holds no more than the sectors that were written.
struct Sectors {
    at: u64,
    written: BTreeMap<u64, [u8; SECTOR_LEN]>,
    len: u64,
}

impl Sectors {
    /// Returns the sector at the current position, and the position within it.
    fn place(&self) -> (u64, usize) {
        let within = self.at % SECTOR;
        (self.at - within, usize::try_from(within).expect("less than 512"))
    }
}

impl Read for Sectors {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (sector, within) = self.place();
        let count = buffer.len().min(SECTOR_LEN - within);
        match self.written.get(&sector) {
            Some(data) => buffer[..count].copy_from_slice(&data[within..within + count]),
            None => buffer[..count].fill(0),
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Sectors {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let (sector, within) = self.place();
        let count = data.len().min(SECTOR_LEN - within);
        let stored = self.written.entry(sector).or_insert([0; SECTOR_LEN]);
        stored[within..within + count].copy_from_slice(&data[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sectors {
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
