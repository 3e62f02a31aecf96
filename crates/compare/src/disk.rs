use std::io;
use std::path::Path;

use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_disk::{DiskTable, EspReader, PartitionType, TableEntry, read_table};
use flagstone_image::erofs::read::ReadAt as _;
use serde::Serialize;

use crate::CompareError;
use crate::release::UKI_MAX;
use crate::window::Window;

/// The label of a slot that nothing was written to.
const EMPTY: &str = "_empty";

/// A partition and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionSize {
    /// Its number.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What is on a disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) usr: Window,
    pub(crate) uki: Option<Vec<u8>>,
    pub(crate) root_hash: Option<Sha256Digest>,
    pub(crate) partitions: Vec<PartitionSize>,
    pub(crate) notes: Vec<String>,
}

/// Reads the partition table of a disk and finds /usr and the kernel image that belongs to it.
pub(crate) fn open(path: &Path, window: &Window) -> Result<Disk, CompareError> {
    let table = table(path, window)?;
    let is = |entry: &TableEntry, kind: fn(Architecture) -> PartitionType| {
        Architecture::ALL.iter().any(|&architecture| kind(architecture).guid() == entry.type_guid)
    };
    let slots: Vec<&TableEntry> = table
        .entries
        .iter()
        .filter(|entry| is(entry, PartitionType::Usr) && entry.label != EMPTY)
        .collect();
    let Some(slot) = slots.first() else { return Err(no_usr(path, &table)) };
    let mut notes = Vec::new();
    if slots.len() > 1 {
        let labels: Vec<&str> = slots.iter().map(|slot| slot.label.as_str()).collect();
        notes.push(format!(
            "{}: there are several images of /usr ({}); partition {} is compared",
            path.display(),
            labels.join(", "),
            slot.number
        ));
    }
    let verity = table.entries.iter().find(|entry| {
        is(entry, PartitionType::UsrVerity) && entry.number == slot.number.wrapping_add(1)
    });
    let partition = |entry: &TableEntry| {
        let part = window.part(entry.offset_bytes, entry.size_bytes);
        part.ok_or_else(|| CompareError::Unfit {
            path: path.to_owned(),
            place: format!("partition {} ({})", entry.number, entry.label),
            expected: format!("{} bytes from byte {}", entry.size_bytes, entry.offset_bytes),
            found: format!("a disk of {} bytes", window.size()),
            hint: "the disk image is cut off: copy it again, or build it again",
        })
    };
    let usr = partition(slot)?;
    let esp = table.entries.iter().find(|entry| entry.type_guid == PartitionType::Esp.guid());
    let uki = match esp {
        Some(esp) => kernel_image(path, &partition(esp)?, &slot.label)?,
        None => None,
    };
    Ok(Disk {
        usr,
        uki,
        root_hash: verity.map(|verity| root_hash(slot, verity)),
        partitions: table.entries.iter().map(size).collect(),
        notes,
    })
}

/// Reads a partition table.
pub(crate) fn table(path: &Path, window: &Window) -> Result<DiskTable, CompareError> {
    read_table(&mut window.file())
        .map_err(|source| CompareError::Disk { path: path.to_owned(), source })
}

fn size(entry: &TableEntry) -> PartitionSize {
    PartitionSize { number: entry.number, label: entry.label.clone(), size: entry.size_bytes }
}

fn no_usr(path: &Path, table: &DiskTable) -> CompareError {
    let labels: Vec<String> =
        table.entries.iter().map(|entry| format!("{} {}", entry.number, entry.label)).collect();
    CompareError::Unfit {
        path: path.to_owned(),
        place: "the partition table".to_owned(),
        expected: "a partition of the type for /usr that is in use".to_owned(),
        found: if labels.is_empty() { "no partition".to_owned() } else { labels.join(", ") },
        hint: "name a disk image that `flagstone build` wrote",
    }
}

/// The identifiers of a slot's partitions are the halves of its root hash.
fn root_hash(usr: &TableEntry, verity: &TableEntry) -> Sha256Digest {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(usr.guid.as_bytes());
    bytes[16..].copy_from_slice(verity.guid.as_bytes());
    Sha256Digest::from_bytes(bytes)
}

/// Reads the kernel image of a slot, or the first there is.
fn kernel_image(path: &Path, esp: &Window, slot: &str) -> Result<Option<Vec<u8>>, CompareError> {
    let error = |source| CompareError::Esp { path: path.to_owned(), source };
    let read =
        |buffer: &mut [u8], offset: u64| -> io::Result<()> { esp.read_exact_at(buffer, offset) };
    let reader = EspReader::open(&read).map_err(error)?;
    let mut images = reader.folder(&["EFI", "Linux"]).map_err(error)?;
    images.retain(|entry| !entry.is_folder && entry.name.to_ascii_lowercase().ends_with(".efi"));
    let own = images.iter().find(|entry| entry.name.starts_with(slot));
    let Some(image) = own.or(images.first()) else { return Ok(None) };
    reader.content(image, UKI_MAX).map(Some).map_err(error)
}
