use bytes::Bytes;

use crate::fat_directory::{
    Attribute, DOT, DOT_DOT, ENTRY_BYTES, ShortName, push_entries, short_entry,
};
use crate::fat_geometry::{FIRST_CLUSTER, Geometry, RESERVED_SECTORS, SECTOR, VOLUME_MIN};
use crate::fat_plan::{Child, FatPlan, Placement, Run};
use crate::fat_time::FatTime;
use crate::{EspPath, FatError, SparseImage};

/// The sectors of `FSInfo` and of the boot sector's copy, as everywhere.
const FS_INFO_SECTOR: u16 = 1;
const BACKUP_SECTOR: u16 = 6;
const SECTOR_BYTES: usize = SECTOR as usize;
/// "This boot sector is a whole one", at the end of it.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Marks a fixed disk, in the boot sector and in the first entry of the FAT.
const MEDIA: u8 = 0xf8;
/// The last cluster of a chain.
const END_OF_CHAIN: u32 = 0x0fff_ffff;
const MIB: u64 = 1 << 20;

/// What the ESP's file system is besides its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspOptions {
    /// The size of the partition in bytes: at least 33 MiB, the smallest FAT32 volume there can
    /// be; from 260 MiB on, clusters are 4 KiB large.
    pub size_bytes: u64,
    /// The volume's serial number, such as [`crate::Layout::esp_volume_id`].
    pub volume_id: u32,
    /// The volume's label: 1 to 11 capital letters, digits, `-`, `_` and spaces.
    pub label: String,
    /// The time of every file and directory, in seconds since 1970-01-01 UTC.
    pub source_date: i64,
}

/// How full an ESP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspUse {
    /// The size of a cluster, in bytes.
    pub cluster_bytes: u32,
    /// What files and directories take, in bytes, whole clusters.
    pub used_bytes: u64,
    /// What is left, in bytes, whole clusters.
    pub free_bytes: u64,
}

/// Checks that files of these lengths fit an ESP of `size_bytes`, counting clusters as
/// [`build_esp`] uses them. To prove that an update fits too, list its files as well.
///
/// # Errors
/// [`FatError::Full`] with the size that would do; any other [`FatError`].
pub fn esp_fits(files: &[(EspPath, u64)], size_bytes: u64) -> Result<EspUse, FatError> {
    let plan = FatPlan::new(files.iter().map(|(path, len)| (path, *len)))?;
    let (geometry, placement) = place(&plan, size_bytes)?;
    let cluster = u64::from(geometry.cluster_bytes());
    Ok(EspUse {
        cluster_bytes: geometry.cluster_bytes(),
        used_bytes: u64::from(placement.used_clusters) * cluster,
        free_bytes: u64::from(geometry.clusters - placement.used_clusters) * cluster,
    })
}

/// Builds the FAT32 file system of an ESP. The contents are shared, not copied; the result depends
/// on nothing but the arguments, and not on the order of the files.
///
/// # Errors
/// Any [`FatError`]; nothing is built if the files do not fit.
///
/// # Panics
/// Never: what has a place in the plan lies within the volume.
pub fn build_esp(
    files: &[(EspPath, Bytes)],
    options: &EspOptions,
) -> Result<SparseImage, FatError> {
    let label = volume_label(&options.label)?;
    let plan = FatPlan::new(files.iter().map(|(path, data)| (path, data.len() as u64)))?;
    let (geometry, placement) = place(&plan, options.size_bytes)?;

    let boot = boot_sectors(&geometry, &placement, options.volume_id, label);
    let fat = file_allocation_table(&placement);
    let mut extents = vec![
        (0, boot.clone()),
        (u64::from(BACKUP_SECTOR) * u64::from(SECTOR), boot),
        (geometry.fat_offset(0), fat.clone()),
        (geometry.fat_offset(1), fat),
    ];
    let time = FatTime::from_unix(options.source_date);
    for (directory, run) in placement.directories.iter().enumerate() {
        let data = directory_bytes(&plan, &placement, directory, label, time);
        extents.push((geometry.cluster_offset(run.first), data));
    }
    for (file, run) in placement.files.iter().enumerate().filter(|(_, run)| run.count > 0) {
        let data = files[plan.source(file)].1.clone();
        extents.push((geometry.cluster_offset(run.first), data));
    }
    Ok(SparseImage::new(options.size_bytes, extents).expect("runs are placed in order"))
}

fn place(plan: &FatPlan, size_bytes: u64) -> Result<(Geometry, Placement), FatError> {
    let geometry = Geometry::new(size_bytes)?;
    match plan.place(&geometry) {
        Some(placement) => Ok((geometry, placement)),
        None => Err(FatError::Full { size_bytes, needed_bytes: needed_bytes(plan, size_bytes)? }),
    }
}

/// Returns the least multiple of 1 MiB, above `size_bytes`, that holds the plan.
fn needed_bytes(plan: &FatPlan, size_bytes: u64) -> Result<u64, FatError> {
    let mut low = (size_bytes + 1).next_multiple_of(MIB).max(VOLUME_MIN);
    let mut high = low;
    while plan.place(&Geometry::new(high)?).is_none() {
        low = high + MIB;
        high = (high * 2).next_multiple_of(MIB);
    }
    while low < high {
        let middle = (low + (high - low) / 2) / MIB * MIB;
        if plan.place(&Geometry::new(middle)?).is_some() {
            high = middle;
        } else {
            low = middle + MIB;
        }
    }
    Ok(high)
}

fn volume_label(label: &str) -> Result<ShortName, FatError> {
    let allowed = |b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b' ');
    let mut padded = [b' '; 11];
    if label.trim().is_empty() || label.len() > padded.len() || !label.bytes().all(allowed) {
        return Err(FatError::Label(label.to_owned()));
    }
    padded[..label.len()].copy_from_slice(label.as_bytes());
    Ok(padded)
}

/// Encodes the boot sector and `FSInfo` behind it (Microsoft's FAT specification, sections 3 and 5).
fn boot_sectors(
    geometry: &Geometry,
    placement: &Placement,
    volume_id: u32,
    label: ShortName,
) -> Bytes {
    let mut sectors = vec![0; 2 * SECTOR_BYTES];
    let (boot, info) = sectors.split_at_mut(SECTOR_BYTES);
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x58, 0x90]); // jumps over the parameters
    put(3, b"MSWIN4.1"); // the name that old firmware expects
    put(11, &512_u16.to_le_bytes());
    put(13, &[u8::try_from(geometry.cluster_sectors).expect("at most 8")]);
    put(14, &u16::try_from(RESERVED_SECTORS).expect("32").to_le_bytes());
    put(16, &[2]); // FATs
    put(21, &[MEDIA]);
    put(24, &32_u16.to_le_bytes()); // sectors a track and heads: nobody counts so any more
    put(26, &64_u16.to_le_bytes());
    put(32, &geometry.sectors.to_le_bytes());
    put(36, &geometry.fat_sectors.to_le_bytes());
    put(44, &FIRST_CLUSTER.to_le_bytes()); // of the root directory
    put(48, &FS_INFO_SECTOR.to_le_bytes());
    put(50, &BACKUP_SECTOR.to_le_bytes());
    put(64, &[0x80]); // drive number of a fixed disk
    put(66, &[0x29]); // serial number, label and type follow
    put(67, &volume_id.to_le_bytes());
    put(71, &label);
    put(82, b"FAT32   ");
    put(90, &[0xcd, 0x18, 0xf4, 0xeb, 0xfd]); // asks the BIOS for the next device, else halts
    put(510, &SIGNATURE);

    let mut put = |at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RRaA");
    put(484, b"rrAa");
    put(488, &(geometry.clusters - placement.used_clusters).to_le_bytes());
    put(492, &(FIRST_CLUSTER + placement.used_clusters).to_le_bytes());
    put(510, &SIGNATURE);
    sectors.into()
}

/// Encodes the used part of the FAT; what follows is free, which is zero.
fn file_allocation_table(placement: &Placement) -> Bytes {
    let entries = (FIRST_CLUSTER + placement.used_clusters) as usize;
    let mut fat = Vec::with_capacity(entries * 4);
    fat.extend_from_slice(&(0x0fff_ff00 | u32::from(MEDIA)).to_le_bytes());
    fat.extend_from_slice(&END_OF_CHAIN.to_le_bytes());
    for Run { first, count } in placement.directories.iter().chain(&placement.files) {
        for next in 1..*count {
            fat.extend_from_slice(&(first + next).to_le_bytes());
        }
        if *count > 0 {
            fat.extend_from_slice(&END_OF_CHAIN.to_le_bytes());
        }
    }
    fat.into()
}

fn directory_bytes(
    plan: &FatPlan,
    placement: &Placement,
    directory: usize,
    label: ShortName,
    time: FatTime,
) -> Bytes {
    let mut bytes = Vec::with_capacity(8 * ENTRY_BYTES);
    if directory == 0 {
        bytes.extend_from_slice(&short_entry(&label, Attribute::VolumeLabel, time, 0, 0));
    } else {
        // Section 6.5: a parent that is the root is written as cluster 0.
        let parent = match plan.parent(directory) {
            0 => 0,
            parent => placement.directories[parent].first,
        };
        let own = placement.directories[directory].first;
        bytes.extend_from_slice(&short_entry(&DOT, Attribute::Directory, time, own, 0));
        bytes.extend_from_slice(&short_entry(&DOT_DOT, Attribute::Directory, time, parent, 0));
    }
    for (name, child) in plan.entries(directory) {
        let (attribute, first_cluster, size) = match child {
            Child::Directory(below) => {
                (Attribute::Directory, placement.directories[below].first, 0)
            }
            Child::File(file) => (Attribute::File, placement.files[file].first, plan.length(file)),
        };
        push_entries(&mut bytes, name, attribute, time, first_cluster, size);
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EspPath {
        text.parse().unwrap()
    }

    fn options(mib: u64) -> EspOptions {
        let label = "EFI-SYSTEM".to_owned();
        EspOptions { size_bytes: mib * MIB, volume_id: 1, label, source_date: 0 }
    }

    #[test]
    fn a_second_kernel_image_is_counted_to_the_cluster() {
        let geometry = Geometry::new(33 * MIB).unwrap();
        // The root, EFI and Linux take a cluster each.
        let room = u64::from(geometry.clusters - 3) * 512;
        let first = 20 * MIB;
        let pair = |second| [(path("EFI/Linux/a.efi"), first), (path("EFI/Linux/b.efi"), second)];
        assert_eq!(esp_fits(&pair(room - first), 33 * MIB).unwrap().free_bytes, 0);
        assert_eq!(esp_fits(&pair(room - first - 512), 33 * MIB).unwrap().free_bytes, 512);
        let error = esp_fits(&pair(room - first + 1), 33 * MIB).unwrap_err();
        assert_eq!(error, FatError::Full { size_bytes: 33 * MIB, needed_bytes: 34 * MIB });
    }

    #[test]
    fn the_size_that_would_do_is_the_least_one() {
        let files = [(path("a"), 300 * MIB), (path("b"), 301 * MIB)];
        let FatError::Full { needed_bytes, .. } = esp_fits(&files, 64 * MIB).unwrap_err() else {
            panic!("601 MiB do not fit 64");
        };
        assert!(esp_fits(&files, needed_bytes).is_ok());
        assert!(esp_fits(&files, needed_bytes - MIB).is_err());
        let too_large: Vec<_> = (0..20).map(|n| (path(&n.to_string()), 4095 * MIB)).collect();
        assert!(matches!(esp_fits(&too_large, 64 * MIB), Err(FatError::VolumeSize { .. })));
    }

    #[test]
    fn names_that_differ_by_case_are_one() {
        let clash = [(path("EFI/a"), 1), (path("efi/A"), 1)];
        assert_eq!(esp_fits(&clash, 64 * MIB), Err(FatError::Duplicate("efi/A".to_owned())));
        let file_and_directory = [(path("EFI"), 1), (path("efi/A"), 1)];
        assert!(matches!(esp_fits(&file_and_directory, 64 * MIB), Err(FatError::Duplicate(_))));
        assert!(esp_fits(&[(path("EFI/a"), 1), (path("efi/B"), 1)], 64 * MIB).is_ok());
    }

    #[test]
    fn four_gibibytes_are_too_long() {
        let error = esp_fits(&[(path("a"), 1 << 32)], 64 * MIB).unwrap_err();
        assert!(matches!(error, FatError::FileTooLong { .. }));
    }

    #[test]
    fn the_order_of_the_files_does_not_matter_and_data_is_shared() {
        let data = Bytes::from(vec![7; 5000]);
        let mut files = vec![
            (path("b"), data.clone()),
            (path("EFI/x"), Bytes::new()),
            (path("a"), data.clone()),
        ];
        let first = build_esp(&files, &options(64)).unwrap();
        files.reverse();
        assert_eq!(first, build_esp(&files, &options(64)).unwrap());
        let shared = first.extents().iter().filter(|(_, d)| d.as_ptr() == data.as_ptr());
        assert_eq!(shared.count(), 2);
    }

    #[test]
    fn the_bytes_of_a_small_volume_stay_the_same() {
        let files = [(path("EFI/BOOT/BOOTX64.EFI"), Bytes::from_static(b"loader"))];
        let image = build_esp(&files, &options(33)).unwrap();
        let mut hasher = flagstone_artifact::Sha256Hasher::new();
        for (offset, data) in image.extents() {
            hasher.update(&offset.to_le_bytes());
            hasher.update(data);
        }
        let digest = "81bad5d00d26b4b01ed5be7902aba412b340a73c70c8cd025e47c121eeb50036";
        assert_eq!(hasher.finish().to_string(), digest);
    }

    #[test]
    fn labels_that_dos_would_not_show_are_refused() {
        for bad in ["", "   ", "efi", "TWELVE CHARS", "A/B"] {
            let options = EspOptions { label: bad.to_owned(), ..options(64) };
            assert_eq!(build_esp(&[], &options), Err(FatError::Label(bad.to_owned())));
        }
    }
}
