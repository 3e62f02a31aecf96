use std::io;

use crate::FatError;
use crate::fat_directory::{Attribute, DOT, DOT_DOT, ENTRY_BYTES, LONG_AT, LONG_LAST};
use crate::fat_geometry::FIRST_CLUSTER;

/// Entries of the FAT above this end a chain (Microsoft's FAT specification, section 4).
const CHAIN_END: u32 = 0x0fff_fff8;
/// The upper four bits of an entry of the FAT are reserved.
const CLUSTER_MASK: u32 = 0x0fff_ffff;
/// The longest directory: 65,536 entries (section 6).
const DIRECTORY_MAX: u64 = 65_536 * 32;

/// Fills a buffer with the bytes of a volume from an offset on.
type ReadAt<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// A FAT32 file system to be read, which is not trusted.
pub struct EspReader<'a> {
    read: ReadAt<'a>,
    cluster_bytes: u64,
    fat_start: u64,
    data_start: u64,
    clusters: u32,
    root: u32,
}

/// A file or folder in an EFI system partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The length of a file, in bytes.
    pub len: u64,
    first: u32,
}

impl std::fmt::Debug for EspReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EspReader").field("clusters", &self.clusters).finish_non_exhaustive()
    }
}

impl<'a> EspReader<'a> {
    /// Reads the boot sector.
    ///
    /// # Errors
    /// [`FatError::Damaged`] if it is none of FAT32; [`FatError::Unreadable`].
    pub fn open(read: ReadAt<'a>) -> Result<Self, FatError> {
        let mut sector = [0; 512];
        get(read, &mut sector, 0)?;
        let damaged = FatError::Damaged("its boot sector is none of FAT32");
        let half = |at: usize| u32::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
        let word = |at: usize| half(at) | half(at + 2) << 16;
        let (bytes, per_cluster, fats) = (half(11), u32::from(sector[13]), u32::from(sector[16]));
        let (reserved, sectors, fat_sectors) = (half(14), word(32), word(36));
        let shape = sector[510..] == [0x55, 0xaa]
            && matches!(bytes, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && (1..=2).contains(&fats)
            && half(17) == 0
            && half(22) == 0;
        let overhead = fat_sectors.checked_mul(fats).and_then(|all| all.checked_add(reserved));
        let space = overhead.and_then(|overhead| sectors.checked_sub(overhead));
        let (Some(overhead), Some(space), true) = (overhead, space, shape) else {
            return Err(damaged);
        };
        // A FAT has no more entries than fit its sectors, two of which are no clusters.
        let entries = u64::from(fat_sectors) * u64::from(bytes) / 4;
        let entries = u32::try_from(entries).unwrap_or(u32::MAX).saturating_sub(FIRST_CLUSTER);
        Ok(Self {
            read,
            cluster_bytes: u64::from(bytes * per_cluster),
            fat_start: u64::from(reserved) * u64::from(bytes),
            data_start: u64::from(overhead) * u64::from(bytes),
            clusters: (space / per_cluster).min(entries),
            root: word(44) & CLUSTER_MASK,
        })
    }

    /// Returns what is in a folder, named by the names that lead to it; nothing if it is not there.
    ///
    /// # Errors
    /// [`FatError::Damaged`], [`FatError::Unreadable`].
    pub fn folder(&self, names: &[&str]) -> Result<Vec<EspEntry>, FatError> {
        let mut entries = self.directory(self.root)?;
        for name in names {
            let next =
                entries.into_iter().find(|e| e.is_folder && e.name.eq_ignore_ascii_case(name));
            let Some(next) = next else { return Ok(Vec::new()) };
            entries = self.directory(next.first)?;
        }
        Ok(entries)
    }

    /// Returns a file's content, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`FatError::Damaged`], also if it is longer; [`FatError::Unreadable`].
    pub fn content(&self, file: &EspEntry, limit: u64) -> Result<Vec<u8>, FatError> {
        if file.len > limit {
            return Err(FatError::Damaged("a file is longer than any that is put there"));
        }
        let mut content = self.chain(file.first, file.len)?;
        let len = usize::try_from(file.len).unwrap_or(usize::MAX);
        if content.len() < len {
            return Err(FatError::Damaged("a file ends before its length"));
        }
        content.truncate(len);
        Ok(content)
    }

    fn directory(&self, first: u32) -> Result<Vec<EspEntry>, FatError> {
        let bytes = self.chain(first, DIRECTORY_MAX)?;
        let mut entries = Vec::new();
        let mut long: Vec<u16> = Vec::new();
        for entry in bytes.chunks_exact(ENTRY_BYTES).take_while(|entry| entry[0] != 0) {
            let attributes = entry[11];
            if entry[0] == 0xe5 {
                long.clear();
            } else if attributes & 0x3f == Attribute::LongName as u8 {
                if entry[0] & LONG_LAST != 0 {
                    long.clear();
                }
                // The parts stand in reverse.
                let part = LONG_AT.map(|at| u16::from_le_bytes([entry[at], entry[at + 1]]));
                long.splice(0..0, part);
                long.truncate(260);
            } else if attributes & Attribute::VolumeLabel as u8 != 0 {
                long.clear();
            } else {
                let taken = std::mem::take(&mut long);
                if entry[..11] != DOT && entry[..11] != DOT_DOT {
                    entries.push(record(entry, &taken));
                }
            }
        }
        Ok(entries)
    }

    /// Returns the bytes of a chain of clusters, as far as they are needed.
    fn chain(&self, first: u32, needed: u64) -> Result<Vec<u8>, FatError> {
        let mut bytes = Vec::new();
        let mut cluster = first;
        let mut left = self.clusters;
        while (bytes.len() as u64) < needed && cluster != 0 && cluster < CHAIN_END {
            let index = cluster.checked_sub(FIRST_CLUSTER).filter(|&index| index < self.clusters);
            let (Some(index), Some(fewer)) = (index, left.checked_sub(1)) else {
                return Err(FatError::Damaged(
                    "a chain of clusters leaves the volume or is a ring",
                ));
            };
            left = fewer;
            let start = bytes.len();
            let size = usize::try_from(self.cluster_bytes).expect("at most 512 KiB");
            bytes.resize(start + size, 0);
            let position = self.data_start + u64::from(index) * self.cluster_bytes;
            get(self.read, &mut bytes[start..], position)?;
            let mut entry = [0; 4];
            get(self.read, &mut entry, self.fat_start + u64::from(cluster) * 4)?;
            cluster = u32::from_le_bytes(entry) & CLUSTER_MASK;
        }
        Ok(bytes)
    }
}

fn record(entry: &[u8], long: &[u16]) -> EspEntry {
    let half = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
    let name = if long.is_empty() {
        let part = |range| String::from_utf8_lossy(&entry[range]).trim_end().to_owned();
        let (base, extension) = (part(0..8), part(8..11));
        if extension.is_empty() { base } else { format!("{base}.{extension}") }
    } else {
        let end = long.iter().position(|&unit| unit == 0 || unit == 0xffff).unwrap_or(long.len());
        String::from_utf16_lossy(&long[..end])
    };
    EspEntry {
        name,
        is_folder: entry[11] & Attribute::Directory as u8 != 0,
        len: u64::from(half(28) | half(30) << 16),
        first: (half(26) | half(20) << 16) & CLUSTER_MASK,
    }
}

fn get(read: ReadAt<'_>, buffer: &mut [u8], offset: u64) -> Result<(), FatError> {
    read(buffer, offset).map_err(|error| FatError::Unreadable { offset, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{EspOptions, EspPath, SparseImage, build_esp};

    fn flat(image: &SparseImage) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(image.len()).unwrap()];
        for (offset, data) in image.extents() {
            let at = usize::try_from(*offset).unwrap();
            bytes[at..at + data.len()].copy_from_slice(data);
        }
        bytes
    }

    fn sample() -> Vec<u8> {
        let files = [
            ("EFI/BOOT/BOOTX64.EFI", vec![1; 5000]),
            ("EFI/Linux/base_0.1.0+3.efi", (0..=255).cycle().take(300_000).collect()),
            ("loader/empty", Vec::new()),
        ];
        let files = files.map(|(path, data)| (path.parse::<EspPath>().unwrap(), Bytes::from(data)));
        let options = EspOptions {
            size_bytes: 64 << 20,
            volume_id: 7,
            label: "ESP".to_owned(),
            source_date: 1_700_000_000,
        };
        flat(&build_esp(&files, &options).unwrap())
    }

    fn at(volume: &[u8]) -> impl Fn(&mut [u8], u64) -> io::Result<()> + '_ {
        |buffer, offset| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = volume.get(start..start.saturating_add(buffer.len()));
            buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let volume = sample();
        let read = at(&volume);
        let esp = EspReader::open(&read).unwrap();
        let names = |folder: &[&str]| -> Vec<String> {
            esp.folder(folder).unwrap().into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names(&[]), ["EFI", "loader"]);
        assert_eq!(names(&["EFI", "boot"]), ["BOOTX64.EFI"]);
        assert_eq!(names(&["EFI", "none"]), Vec::<String>::new());
        let linux = esp.folder(&["EFI", "Linux"]).unwrap();
        assert_eq!(linux[0].name, "base_0.1.0+3.efi");
        let content = esp.content(&linux[0], 1 << 20).unwrap();
        assert!(content.into_iter().eq((0..=255).cycle().take(300_000)));
        assert!(matches!(esp.content(&linux[0], 1000), Err(FatError::Damaged(_))));
        let empty = esp.folder(&["loader"]).unwrap();
        assert_eq!(esp.content(&empty[0], 10).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let sound = sample();
        for at_byte in 0..512 {
            for value in [0, 0x7f, 0xff] {
                let mut volume = sound[..1 << 20].to_vec();
                volume[at_byte] = value;
                let read = at(&volume);
                let Ok(esp) = EspReader::open(&read) else { continue };
                for entry in esp.folder(&["EFI", "Linux"]).unwrap_or_default() {
                    let _ = esp.content(&entry, 1 << 20);
                }
            }
        }
        // A chain that comes back to itself.
        let mut volume = sound;
        let fat = 32 * 512;
        let root = u32::from_le_bytes(volume[44..48].try_into().unwrap());
        let entry = fat + usize::try_from(root).unwrap() * 4;
        volume[entry..entry + 4].copy_from_slice(&root.to_le_bytes());
        let read = at(&volume);
        let esp = EspReader::open(&read).unwrap();
        assert!(esp.folder(&["none"]).is_ok(), "a directory ends at its limit");
    }
}
