use std::io::{Read, Seek, SeekFrom};

use gpt::disk::LogicalBlockSize;
use uuid::Uuid;

use crate::grow::{ENTRIES_AT, ENTRIES_LEN, Ends, TABLE_END_BYTES};
use crate::table::{Device, ENTRY_BYTES, SECTOR, check_headers, read_copy};
use crate::{DiskError, GrownTable, LABEL_MAX, TABLE_START_BYTES, read_table};

/// Where GUID and name of a partition stand in its entry, and the bytes of the name (UEFI 2.10,
/// table 5.6).
const GUID_AT: usize = 16;
const NAME_AT: usize = 56;
const NAME_BYTES: usize = 2 * LABEL_MAX;

/// What a partition is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionName {
    /// Its number, from 1.
    pub number: u32,
    /// Its new label.
    pub label: String,
    /// Its new identifier (PARTUUID).
    pub guid: Uuid,
}

/// Makes the table of a disk with some partitions renamed, from whichever of its two copies is whole.
/// Does not write to the disk: [`GrownTable::end`] is to be made durable first, [`GrownTable::start`]
/// after it. Then one copy is whole at any moment, and the other one is next written the same.
///
/// # Errors
/// [`DiskError::ReadTable`], [`DiskError::NoTable`] if both copies are damaged,
/// [`DiskError::StrangeTable`] if the backup does not lie at the disk's end or there is no such
/// partition, [`DiskError::Label`], [`DiskError::WriteTable`] if the library refuses its own numbers.
pub fn rename_partitions<D: Read + Seek>(
    disk: &mut D,
    names: &[PartitionName],
) -> Result<GrownTable, DiskError> {
    check_headers(disk)?;
    let mut table = read_table(disk)?;
    let mut ends = read_ends(disk)?;
    let block = LogicalBlockSize::Lb512;
    let mut primary = read_copy(disk)?.header;
    if primary.current_lba != 1 {
        ends.start[ENTRIES_AT..].copy_from_slice(&ends.end[..ENTRIES_LEN]);
        (primary.current_lba, primary.backup_lba) = (1, primary.current_lba);
        primary.part_start = 2;
    }
    let last = ends.end_offset + TABLE_END_BYTES as u64 - SECTOR;
    if (primary.current_lba, primary.part_start, primary.backup_lba) != (1, 2, last / SECTOR) {
        return Err(DiskError::StrangeTable("its copies are not at the disk's two ends"));
    }
    for name in names {
        let entry = table.entries.iter_mut().find(|entry| entry.number == name.number);
        let entry = entry.ok_or(DiskError::StrangeTable("it lacks a partition to rename"))?;
        (entry.label, entry.guid) = (name.label.clone(), name.guid);
        write_name(&mut ends.start[ENTRIES_AT..], name)?;
    }
    ends.end[..ENTRIES_LEN].copy_from_slice(&ends.start[ENTRIES_AT..]);
    let mut backup = primary.clone();
    (backup.current_lba, backup.backup_lba) = (primary.backup_lba, primary.current_lba);
    backup.part_start = ends.end_offset / SECTOR;
    let written = backup
        .write_backup(&mut Device(&mut ends), block)
        .and_then(|_| primary.write_primary(&mut Device(&mut ends), block));
    written.map_err(|error| DiskError::WriteTable(error.into()))?;
    if read_table(&mut ends)? != table {
        return Err(DiskError::StrangeTable("it does not read back as it was written"));
    }
    Ok(ends.into_grown(table))
}

fn read_ends<D: Read + Seek>(disk: &mut D) -> Result<Ends, DiskError> {
    let length = disk.seek(SeekFrom::End(0)).map_err(DiskError::ReadTable)?;
    let end_offset = (length / SECTOR * SECTOR)
        .checked_sub(TABLE_END_BYTES as u64)
        .filter(|end| *end >= TABLE_START_BYTES as u64)
        .ok_or(DiskError::StrangeTable("the disk is too small for two tables"))?;
    let mut read = |offset, len| {
        let mut bytes = vec![0; len];
        disk.seek(SeekFrom::Start(offset))?;
        disk.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let start = read(0, TABLE_START_BYTES).map_err(DiskError::ReadTable)?;
    let end = read(end_offset, TABLE_END_BYTES).map_err(DiskError::ReadTable)?;
    Ok(Ends::new(start, end, end_offset))
}

fn write_name(entries: &mut [u8], name: &PartitionName) -> Result<(), DiskError> {
    let units: Vec<u16> = name.label.encode_utf16().collect();
    if units.len() > LABEL_MAX {
        return Err(DiskError::Label { label: name.label.clone() });
    }
    let entry_bytes = ENTRY_BYTES as usize;
    let index = (name.number as usize).checked_sub(1);
    let entry = index.and_then(|index| entries.chunks_exact_mut(entry_bytes).nth(index));
    let entry = entry.ok_or(DiskError::StrangeTable("it lacks a partition to rename"))?;
    entry[GUID_AT..GUID_AT + 16].copy_from_slice(&name.guid.to_bytes_le());
    let field = &mut entry[NAME_AT..NAME_AT + NAME_BYTES];
    field.fill(0);
    for (place, unit) in field.chunks_exact_mut(2).zip(units) {
        place.copy_from_slice(&unit.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::process::Command;

    use super::*;
    use crate::{Layout, LayoutRequest, PartitionSizes, Role, verity_tree_bytes, write_disk};
    use flagstone_artifact::{Architecture, ImageName, Sha256Digest};

    const MIB: u64 = 1 << 20;

    fn disk() -> Vec<u8> {
        let layout = Layout::plan(&LayoutRequest {
            name: &ImageName {
                id: "base".parse().unwrap(),
                version: "1.2".parse().unwrap(),
                architecture: Architecture::X86_64,
            },
            root_hash: Sha256Digest::of(b"usr"),
            usr_image_bytes: MIB,
            verity_image_bytes: verity_tree_bytes(MIB),
            sizes: PartitionSizes {
                esp_bytes: MIB,
                usr_bytes: 2 * MIB,
                verity_bytes: MIB,
                oem_bytes: MIB,
                root_bytes: MIB,
                head_room_percent: 10,
            },
            seed: b"seed",
        })
        .unwrap();
        let mut disk = Cursor::new(Vec::new());
        write_disk(&layout, std::collections::BTreeMap::new(), &mut disk).unwrap();
        disk.into_inner()
    }

    fn names() -> Vec<PartitionName> {
        let name = |role: Role, label: &str, byte| PartitionName {
            number: role.number(),
            label: label.to_owned(),
            guid: Uuid::from_bytes([byte; 16]),
        };
        vec![name(Role::UsrB, "base_1.3", 7), name(Role::VerityB, "base_1.3_verity", 8)]
    }

    fn put(disk: &mut [u8], at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn partitions_get_names_and_keep_all_else() {
        let mut bytes = disk();
        let before = read_table(&mut Cursor::new(&bytes)).unwrap();
        let table = rename_partitions(&mut Cursor::new(&bytes), &names()).unwrap();
        put(&mut bytes, table.end_offset, &table.end);
        put(&mut bytes, 0, &table.start);
        let after = read_table(&mut Cursor::new(&bytes)).unwrap();
        for (old, new) in before.entries.iter().zip(&after.entries) {
            match names().into_iter().find(|name| name.number == new.number) {
                Some(PartitionName { label, guid, .. }) => {
                    assert_eq!((&new.label, new.guid), (&label, guid));
                    assert_eq!(
                        (old.offset_bytes, old.attributes),
                        (new.offset_bytes, new.attributes)
                    );
                }
                None => assert_eq!(old, new),
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let Ok(output) = Command::new("sgdisk").arg("-v").arg(file.path()).output() else {
            println!("skipped: sgdisk is missing");
            return;
        };
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(words.contains("No problems found"), "{words}");
    }

    /// Power may go after any sector: what can be read then is the old table or the new one.
    #[test]
    fn one_copy_is_whole_at_any_moment() {
        let mut bytes = disk();
        let old = read_table(&mut Cursor::new(&bytes)).unwrap();
        let table = rename_partitions(&mut Cursor::new(&bytes), &names()).unwrap();
        assert_ne!(old, table.table);
        let mut seen = (0, 0);
        let writes = [(table.end_offset, &table.end), (0, &table.start)];
        for (at, content) in writes {
            for (index, sector) in content.chunks(512).enumerate() {
                put(&mut bytes, at + index as u64 * 512, sector);
                let read = read_table(&mut Cursor::new(&bytes)).unwrap();
                assert!(read == old || read == table.table, "sector {index} from {at}");
                if read == old {
                    seen.0 += 1;
                } else {
                    seen.1 += 1;
                }
                // Whatever was interrupted can be done again.
                let again = rename_partitions(&mut Cursor::new(&bytes), &names()).unwrap();
                assert_eq!(again.table, table.table);
                assert_eq!((&again.start, &again.end), (&table.start, &table.end));
            }
        }
        assert!(seen.0 > 30 && seen.1 > 0, "{seen:?}");
    }

    #[test]
    fn what_cannot_be_named_is_refused() {
        let bytes = disk();
        let rename = |number, label: &str| {
            let name =
                PartitionName { number, label: label.to_owned(), guid: Uuid::from_bytes([1; 16]) };
            rename_partitions(&mut Cursor::new(&bytes), &[name])
        };
        assert!(matches!(rename(8, "x"), Err(DiskError::StrangeTable(_))));
        assert!(matches!(rename(0, "x"), Err(DiskError::StrangeTable(_))));
        assert!(matches!(rename(5, &"x".repeat(37)), Err(DiskError::Label { .. })));
        assert!(rename_partitions(&mut Cursor::new(vec![0; 1 << 20]), &names()).is_err());
        assert!(rename_partitions(&mut Cursor::new(vec![]), &names()).is_err());
    }
}
