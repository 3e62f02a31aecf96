use std::fmt;

use flagstone_artifact::{ImageVersion, Sha256Digest};
use flagstone_disk::{
    BootEntry, DiskTable, EspEntry, EspReader, PartitionType, TableEntry, read_table,
    slot_identifiers,
};

use crate::{Expected, Replay, Version};

/// The longest kernel image, in bytes.
const UKI_MAX: u64 = 1 << 30;
/// How much of a slot is compared at a time, in bytes.
const PIECE: usize = 1 << 20;

/// What a disk boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The old version, complete.
    Old,
    /// The new version, complete.
    New,
    /// Neither.
    Neither {
        /// What stops it, and where.
        reason: String,
    },
}

/// Firmware, loader and initrd, as far as they choose something from a disk.
///
/// The firmware takes the primary partition table, or the backup if that is damaged (UEFI 2.10, 5.3.2),
/// and the loader in it from the EFI system partition. The loader takes the newest kernel image that has tries
/// left, or is not counted; only if there is none, one without (systemd's Automatic Boot Assessment). A file
/// that is no PE image, such as one whose name FAT has before its length, is none to it. The
/// initrd takes the partitions that have the halves of the root hash as identifiers.
#[derive(Debug)]
pub struct Loader<'a> {
    expected: &'a Expected,
    /// The loader's own files, which nothing may change.
    own: Vec<(String, Sha256Digest)>,
}

/// A kernel image that the loader may start.
struct Candidate {
    file: EspEntry,
    entry: BootEntry,
    version: ImageVersion,
}

impl<'a> Loader<'a> {
    /// Looks at the disk as it was before anything was written.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(expected: &'a Expected, before: &Replay<'_>) -> Result<Self, String> {
        let table = table(before)?;
        let own = own_files(before, &table)?;
        Ok(Self { expected, own })
    }

    /// Tells what a disk boots: which kernel image, and whether all that it needs is there. `slot_is_new` is
    /// asked whether a slot holds the new version in full, since that takes long to find out.
    pub fn boots(
        &self,
        disk: &Replay<'_>,
        slot_is_new: &mut dyn FnMut(&TableEntry, &TableEntry) -> Result<(), String>,
    ) -> Verdict {
        match self.chosen(disk, slot_is_new) {
            Ok(true) => Verdict::New,
            Ok(false) => Verdict::Old,
            Err(reason) => Verdict::Neither { reason },
        }
    }

    /// Returns whether the new version is started.
    fn chosen(
        &self,
        disk: &Replay<'_>,
        slot_is_new: &mut dyn FnMut(&TableEntry, &TableEntry) -> Result<(), String>,
    ) -> Result<bool, String> {
        let table = table(disk)?;
        if own_files(disk, &table)? != self.own {
            return Err("the loader itself was changed".to_owned());
        }
        let (start, len) = esp(&table)?;
        let read = |buffer: &mut [u8], offset: u64| within(disk, start, len, buffer, offset);
        let reader = EspReader::open(&read).map_err(|error| error.to_string())?;
        let folder = reader.folder(&["EFI", "Linux"]).map_err(|error| error.to_string())?;
        let mut candidates: Vec<Candidate> = folder.into_iter().filter_map(Candidate::of).collect();
        candidates.sort_by(|a, b| {
            a.entry
                .has_failed()
                .cmp(&b.entry.has_failed())
                .then_with(|| b.version.compare(&a.version))
        });
        let Expected { old, new } = self.expected;
        let mut chosen = None;
        for candidate in &candidates {
            let name = &candidate.file.name;
            let content = reader.content(&candidate.file, UKI_MAX);
            let content = content.map_err(|error| format!("{name} cannot be read: {error}"))?;
            // The loader lists what it can read the sections of.
            if is_pe(&content) {
                chosen = Some((candidate, content));
                break;
            }
        }
        let (first, content) = chosen.ok_or("the loader has no kernel image")?;
        let version = [old, new].into_iter().find(|version| version.stem() == first.entry.stem);
        let version = version.ok_or_else(|| format!("the loader starts {}", first.file.name))?;
        if Sha256Digest::of(&content) != version.uki {
            return Err(format!("{} is not complete", first.file.name));
        }
        let (usr, verity) = slot(&table, version)?;
        if std::ptr::eq(version, new) {
            slot_is_new(usr, verity)?;
        }
        Ok(std::ptr::eq(version, new))
    }
}

impl Candidate {
    fn of(file: EspEntry) -> Option<Self> {
        let entry: BootEntry = file.name.parse().ok().filter(|_| !file.is_folder)?;
        let version = entry.version()?;
        Some(Self { file, entry, version })
    }
}

/// Tells whether a file has the head of a PE image: without it, there is no entry for the loader.
fn is_pe(content: &[u8]) -> bool {
    const OFFSET_AT: usize = 0x3c;
    let offset = content.get(OFFSET_AT..OFFSET_AT + 4);
    let offset = offset.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let head = offset.and_then(|at| content.get(at as usize..)?.get(..4));
    content.starts_with(b"MZ") && head == Some(b"PE\0\0")
}

/// Compares a slot with what was released.
pub(crate) fn compare_slot(
    disk: &Replay<'_>,
    usr: &TableEntry,
    verity: &TableEntry,
    version: &Version,
) -> Result<(), String> {
    for (entry, expected) in [(usr, &version.usr), (verity, &version.verity)] {
        let mut actual = vec![0; PIECE];
        for (piece, index) in expected.chunks(PIECE).zip(0_u64..) {
            let actual = &mut actual[..piece.len()];
            let offset = index * PIECE as u64;
            within(disk, entry.offset_bytes, entry.size_bytes, actual, offset)
                .map_err(|error| error.to_string())?;
            if actual != piece {
                return Err(format!("partition {} is not complete", entry.number));
            }
        }
    }
    Ok(())
}

fn table(disk: &Replay<'_>) -> Result<DiskTable, String> {
    read_table(&mut disk.clone()).map_err(|error| error.to_string())
}

fn esp(table: &DiskTable) -> Result<(u64, u64), String> {
    let kind = PartitionType::Esp.guid();
    let esp = table.entries.iter().find(|entry| entry.type_guid == kind);
    let esp = esp.ok_or("there is no EFI system partition")?;
    Ok((esp.offset_bytes, esp.size_bytes))
}

/// Finds the slot of a version by its root hash.
fn slot<'t>(
    table: &'t DiskTable,
    version: &Version,
) -> Result<(&'t TableEntry, &'t TableEntry), String> {
    let (usr, verity) = slot_identifiers(&version.root_hash);
    let find = |guid| table.entries.iter().find(|entry| entry.guid == guid);
    let none = || format!("no partition has the root hash of {}", version.image.version);
    find(usr).zip(find(verity)).ok_or_else(none)
}

/// Reads the loader and its settings.
fn own_files(disk: &Replay<'_>, table: &DiskTable) -> Result<Vec<(String, Sha256Digest)>, String> {
    let (start, len) = esp(table)?;
    let read = |buffer: &mut [u8], offset: u64| within(disk, start, len, buffer, offset);
    let reader = EspReader::open(&read).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for folder in [&["EFI", "BOOT"][..], &["EFI", "systemd"], &["loader"]] {
        for entry in reader.folder(folder).map_err(|error| error.to_string())? {
            // What else lies there, such as a seed for random numbers, may change at every boot.
            let is_own = entry.name.to_ascii_lowercase().ends_with(".efi");
            if entry.is_folder || !(is_own || entry.name == "loader.conf") {
                continue;
            }
            let content = reader.content(&entry, UKI_MAX).map_err(|error| error.to_string())?;
            files
                .push((format!("{}/{}", folder.join("/"), entry.name), Sha256Digest::of(&content)));
        }
    }
    if files.is_empty() {
        return Err("the EFI system partition has no loader".to_owned());
    }
    files.sort();
    Ok(files)
}

fn within(
    disk: &Replay<'_>,
    start: u64,
    len: u64,
    buffer: &mut [u8],
    offset: u64,
) -> std::io::Result<()> {
    let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= len);
    end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    disk.read_at(buffer, start + offset)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old => f.write_str("the old version"),
            Self::New => f.write_str("the new version"),
            Self::Neither { reason } => write!(f, "neither: {reason}"),
        }
    }
}
