use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use gpt::disk::LogicalBlockSize;
use gpt::header::read_header_from_arbitrary_device;
use gpt::mbr::ProtectiveMBR;

use crate::table::{Device, ENTRIES, ENTRY_BYTES, SECTOR, check_headers};
use crate::{DiskError, DiskTable, read_table};

/// Bytes in a sector, as an index.
const SECTOR_LEN: usize = 512;
/// The bytes of all entries of a table.
pub(crate) const ENTRIES_LEN: usize = ENTRIES as usize * ENTRY_BYTES as usize;
/// Where they start on a disk.
pub(crate) const ENTRIES_AT: usize = 2 * SECTOR_LEN;
/// The bytes at a disk's start that hold protective MBR, header and entries.
pub const TABLE_START_BYTES: usize = ENTRIES_AT + ENTRIES_LEN;
/// The bytes at a disk's end that hold the backup: entries, then the header.
pub(crate) const TABLE_END_BYTES: usize = ENTRIES_LEN + SECTOR_LEN;

/// The two copies of a partition table, as they are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrownTable {
    /// What is in it.
    pub table: DiskTable,
    /// The disk's first [`TABLE_START_BYTES`] bytes: protective MBR, header, entries.
    pub start: Vec<u8>,
    /// The disk's last bytes: entries, then the backup header in the last sector.
    pub end: Vec<u8>,
    /// Where [`Self::end`] goes on the disk.
    pub end_offset: u64,
}

/// Makes the table of an image, of which `start` are the first bytes, fit a disk of `disk_bytes`:
/// the backup moves to the disk's end, and the room up to there becomes usable. Does not write to
/// the disk. Partitions, their numbers and identifiers stay.
///
/// # Errors
/// [`DiskError::NoTable`] if the primary header is damaged, [`DiskError::StrangeTable`] if the entries
/// are, a partition would not fit, or the table is none that Flagstone writes;
/// [`DiskError::WriteTable`] if the library refuses its own numbers.
pub fn grow_table(start: &[u8], disk_bytes: u64) -> Result<GrownTable, DiskError> {
    let strange = DiskError::StrangeTable;
    let start = start.get(..TABLE_START_BYTES).ok_or(strange("it is shorter than a table"))?;
    let sectors = disk_bytes / SECTOR;
    let size_bytes = sectors * SECTOR;
    let end_offset = size_bytes
        .checked_sub(TABLE_END_BYTES as u64)
        .filter(|end| *end >= TABLE_START_BYTES as u64)
        .ok_or(strange("the disk is too small for two tables"))?;
    check_headers(&mut Cursor::new(start))?;

    let mut ends = Ends::new(start.to_owned(), vec![0; TABLE_END_BYTES], end_offset);
    let block = LogicalBlockSize::Lb512;
    let read = read_header_from_arbitrary_device(&mut ends, block);
    let mut primary = read.map_err(|error| DiskError::NoTable(error.into()))?;
    if (primary.current_lba, primary.part_start) != (1, 2) {
        return Err(strange("it does not start in the second sector"));
    }
    let old = read_table(&mut ends)?;
    let usable = primary.first_usable.saturating_mul(SECTOR)..end_offset;
    for entry in &old.entries {
        let end = entry.offset_bytes.checked_add(entry.size_bytes);
        if entry.offset_bytes < usable.start || end.is_none_or(|end| end > usable.end) {
            return Err(strange("a partition lies outside of the disk"));
        }
    }

    primary.backup_lba = sectors - 1;
    primary.last_usable = end_offset / SECTOR - 1;
    let mut backup = primary.clone();
    (backup.current_lba, backup.backup_lba) = (primary.backup_lba, primary.current_lba);
    backup.part_start = end_offset / SECTOR;
    ends.end[..ENTRIES_LEN].copy_from_slice(&ends.start[ENTRIES_AT..]);
    let checksum = primary.crc32_parts;
    let written = backup
        .write_backup(&mut Device(&mut ends), block)
        .and_then(|_| primary.write_primary(&mut Device(&mut ends), block));
    written.map_err(|error| DiskError::WriteTable(error.into()))?;
    if primary.crc32_parts != checksum {
        return Err(strange("its entries are damaged"));
    }
    // UEFI 2.10, table 5.4: a size that does not fit is written as all ones.
    let protected = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(protected)
        .overwrite_lba0(&mut Device(&mut ends))
        .map_err(|error| DiskError::WriteTable(io::Error::other(error).into()))?;
    if read_table(&mut ends)? != old {
        return Err(strange("it does not read back as it was written"));
    }
    Ok(ends.into_grown(old))
}

/// The two ends of a disk; what lies between cannot be touched.
pub(crate) struct Ends {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    pub(crate) end_offset: u64,
    at: u64,
}

impl Ends {
    pub(crate) fn new(start: Vec<u8>, end: Vec<u8>, end_offset: u64) -> Self {
        Self { start, end, end_offset, at: 0 }
    }

    pub(crate) fn into_grown(self, table: DiskTable) -> GrownTable {
        let Self { start, end, end_offset, .. } = self;
        GrownTable { table, start, end, end_offset }
    }

    /// Returns the bytes from the current position to the end of the piece in which it lies.
    fn rest(&mut self) -> &mut [u8] {
        let within = |piece_at: u64, len: usize| {
            let within = usize::try_from(self.at.checked_sub(piece_at)?).ok()?;
            (within < len).then_some(within)
        };
        if let Some(within) = within(0, self.start.len()) {
            &mut self.start[within..]
        } else if let Some(within) = within(self.end_offset, self.end.len()) {
            &mut self.end[within..]
        } else {
            &mut []
        }
    }
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.rest();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Ends {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let rest = self.rest();
        let count = rest.len().min(data.len());
        rest[..count].copy_from_slice(&data[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let len = self.end_offset + self.end.len() as u64;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => len.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
