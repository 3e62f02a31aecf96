use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::header::{Header, HeaderBuilder};
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition as GptPartition;
use gpt::partition_types::{OperatingSystem, Type};
use uuid::Uuid;

use crate::DiskError;

/// The size of a sector, in bytes.
pub(crate) const SECTOR: u64 = 512;
/// Entries in a table (UEFI 2.10, 5.3.1: at least 16 KiB), and the bytes of one.
pub(crate) const ENTRIES: u32 = 128;
pub(crate) const ENTRY_BYTES: u32 = 128;
/// Where the number and the size of the entries stand in a header (UEFI 2.10, table 5.5).
const ENTRY_COUNT_AT: usize = 80;
const ENTRY_SIZE_AT: usize = 84;

/// A partition table read from a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskTable {
    /// The disk's identifier.
    pub disk_guid: Uuid,
    /// The partitions by number, in order.
    pub entries: Vec<TableEntry>,
}

/// One partition of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// Its number, from 1.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// The GUID of its type.
    pub type_guid: Uuid,
    /// Its identifier (PARTUUID).
    pub guid: Uuid,
    /// Its attribute bits.
    pub attributes: u64,
    /// Where it starts on the disk, in bytes.
    pub offset_bytes: u64,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// Writes the protective MBR and both tables of a disk of `size_bytes` bytes; its last sector among them,
/// which gives an empty file its length.
pub(crate) fn write_table<D: Read + Write + Seek>(
    table: &DiskTable,
    size_bytes: u64,
    disk: &mut D,
) -> Result<(), DiskError> {
    encode_table(table, size_bytes, &mut Device(disk)).map_err(DiskError::WriteTable)
}

fn encode_table<D: Read + Write + Seek>(
    table: &DiskTable,
    size_bytes: u64,
    device: &mut Device<'_, D>,
) -> Result<(), gpt::GptError> {
    let block = LogicalBlockSize::Lb512;
    let sectors = size_bytes / SECTOR;
    let mut builder = HeaderBuilder::new();
    builder.disk_guid(table.disk_guid).num_parts(ENTRIES).backup_lba(sectors - 1);
    let mut primary = builder.primary(true).build(block)?;
    let mut backup = builder.primary(false).build(block)?;
    for header in [&primary, &backup] {
        let start = header.part_start;
        GptPartition::write_zero_entries_to_device(
            device,
            0,
            ENTRIES.into(),
            start,
            block,
            ENTRY_BYTES,
        )?;
        for partition in &table.entries {
            let first_lba = partition.offset_bytes / SECTOR;
            let entry = GptPartition {
                part_type_guid: Type { guid: partition.type_guid, os: OperatingSystem::None },
                part_guid: partition.guid,
                first_lba,
                last_lba: first_lba + partition.size_bytes / SECTOR - 1,
                flags: partition.attributes,
                name: partition.label.clone(),
            };
            let index = u64::from(partition.number - 1);
            entry.write_to_device(device, index, start, block, ENTRY_BYTES)?;
        }
    }
    backup.write_backup(device, block)?;
    primary.write_primary(device, block)?;
    // UEFI 2.10, table 5.4: a size that does not fit is written as all ones.
    let protected = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(protected).overwrite_lba0(device).map_err(io::Error::other)?;
    Ok(())
}

/// Reads the partition table of a disk with sectors of 512 bytes; the backup if the primary one is
/// damaged.
///
/// # Errors
/// [`DiskError::ReadTable`], [`DiskError::NoTable`], [`DiskError::StrangeTable`] for a table of
/// other than 128 entries of 128 bytes or partitions that end before they start.
pub fn read_table<D: Read + Seek>(disk: &mut D) -> Result<DiskTable, DiskError> {
    check_headers(disk)?;
    let table = read_copy(disk)?;
    let mut entries = Vec::new();
    for (number, entry) in table.partitions.iter().filter(|(_, entry)| entry.is_used()) {
        let bytes = |sectors: u64| sectors.checked_mul(SECTOR);
        let size = entry.last_lba.checked_sub(entry.first_lba).and_then(|n| n.checked_add(1));
        let (Some(offset_bytes), Some(size_bytes)) = (bytes(entry.first_lba), size.and_then(bytes))
        else {
            return Err(DiskError::StrangeTable("a partition ends before it starts"));
        };
        entries.push(TableEntry {
            number: *number,
            label: entry.name.clone(),
            type_guid: entry.part_type_guid.guid,
            guid: entry.part_guid,
            attributes: entry.flags,
            offset_bytes,
            size_bytes,
        });
    }
    Ok(DiskTable { disk_guid: table.header.disk_guid, entries })
}

/// A copy of a partition table that is whole.
pub(crate) struct Copy {
    /// Its header, which says whether it is the primary one.
    pub(crate) header: Header,
    partitions: BTreeMap<u32, GptPartition>,
}

/// Reads the table through the `gpt` crate: the primary copy, or the backup where header or entries of
/// the primary one are damaged. The crate by itself passes over a damaged header only.
pub(crate) fn read_copy<D: Read + Seek>(disk: &mut D) -> Result<Copy, DiskError> {
    read_view(disk, false)
        .or_else(|error| read_view(disk, true).map_err(|_| DiskError::NoTable(error)))
}

fn read_view<D: Read + Seek>(disk: &mut D, hides_primary: bool) -> Result<Copy, gpt::GptError> {
    let config = GptConfig::new().writable(false).logical_block_size(LogicalBlockSize::Lb512);
    let mut view = View { disk, at: 0, hides_primary };
    let table = config.open_from_device(Device(&mut view))?;
    let header = table.primary_header().or_else(|_| table.backup_header())?;
    Ok(Copy { header: header.clone(), partitions: table.partitions().clone() })
}

/// Refuses the headers on which the `gpt` crate would panic or allocate what the header asks for.
pub(crate) fn check_headers<D: Read + Seek>(disk: &mut D) -> Result<(), DiskError> {
    let len = disk.seek(SeekFrom::End(0)).map_err(DiskError::ReadTable)?;
    let last = (len / SECTOR).saturating_sub(1) * SECTOR;
    for at in [SECTOR, last] {
        let mut header = [0; 512];
        disk.seek(SeekFrom::Start(at)).map_err(DiskError::ReadTable)?;
        match disk.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(DiskError::ReadTable(error)),
        }
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let shape = (number(ENTRY_COUNT_AT), number(ENTRY_SIZE_AT));
        if header.starts_with(b"EFI PART") && shape != (ENTRIES, ENTRY_BYTES) {
            return Err(DiskError::StrangeTable("it has not 128 entries of 128 bytes"));
        }
    }
    Ok(())
}

/// What the `gpt` crate asks of a disk: it wants to print it.
pub(crate) struct Device<'a, D>(pub(crate) &'a mut D);

impl<D> fmt::Debug for Device<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device")
    }
}

impl<D: Read> Read for Device<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<D: Write> Write for Device<'_, D> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<D: Seek> Seek for Device<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// A disk that refuses to be written, for a reader that asks for a writer; without its primary header
/// if that is of no use.
struct View<'a, D> {
    disk: &'a mut D,
    at: u64,
    hides_primary: bool,
}

impl<D: Read> Read for View<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.disk.read(buffer)?;
        let hidden = self.hides_primary.then_some(SECTOR..2 * SECTOR);
        for (byte, at) in buffer[..count].iter_mut().zip(self.at..) {
            if hidden.as_ref().is_some_and(|hidden| hidden.contains(&at)) {
                *byte = 0;
            }
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl<D> Write for View<'_, D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<D: Seek> Seek for View<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.disk.seek(to)?;
        Ok(self.at)
    }
}
