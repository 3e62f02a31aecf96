use std::collections::BTreeMap;
use std::io::{self, Cursor};

use flagstone_artifact::{Architecture, ImageName};
use flagstone_disk::{
    Content, Layout, LayoutRequest, PartitionSizes, Role, SparseImage, read_table, write_disk,
};

use super::*;
use crate::{IgnitionConfig, Silent};

const MIB: u64 = 1 << 20;
/// Where the headers of both tables are known by.
const MAGIC: &[u8] = b"EFI PART";

/// A disk in memory that can fail.
struct MemoryDisk {
    data: Vec<u8>,
    calls: usize,
    /// Where each write began, how long it was, and whether it had anything but zeros; `None` is a
    /// sync.
    log: Vec<Option<(u64, usize, bool)>>,
    /// The call that fails, and whether all after it do, too.
    fails: Option<(usize, bool)>,
    /// Whether a write that fails has written half of its data.
    torn: bool,
}

impl MemoryDisk {
    /// A disk with an old table at both ends.
    fn new(bytes: u64) -> Self {
        let mut data = vec![0xaa; usize::try_from(bytes).unwrap()];
        data[512..520].copy_from_slice(MAGIC);
        let end = data.len();
        data[end - 512..end - 504].copy_from_slice(MAGIC);
        Self { data, calls: 0, log: Vec::new(), fails: None, torn: false }
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.fails {
            Some((at, false)) if self.calls == at => Err(io::Error::from_raw_os_error(5)),
            Some((at, true)) if self.calls >= at => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }

    fn put(&mut self, offset: u64, len: usize, byte: impl Fn(usize) -> u8) {
        let offset = usize::try_from(offset).unwrap();
        for (at, target) in self.data[offset..offset + len].iter_mut().enumerate() {
            *target = byte(at);
        }
    }

    /// What firmware and Linux go by: a protective MBR, and then one of the headers.
    fn is_bootable(&self) -> bool {
        self.data[510..512] == [0x55, 0xaa] || self.has_primary()
    }

    fn has_primary(&self) -> bool {
        self.data[512..].starts_with(MAGIC)
    }

    fn has_backup(&self) -> bool {
        self.data[self.data.len() - 512..].starts_with(MAGIC)
    }
}

impl Device for MemoryDisk {
    fn size_bytes(&self) -> u64 {
        self.data.len() as u64
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let result = self.call();
        self.log.push(Some((offset, data.len(), !is_zero(data))));
        let len = match result {
            Ok(()) => data.len(),
            Err(_) if self.torn => data.len() / 2,
            Err(_) => 0,
        };
        self.put(offset, len, |at| data[at]);
        result
    }

    fn zero(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.call()?;
        self.put(offset, usize::try_from(len).unwrap(), |_| 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.log.push(None);
        self.call()
    }
}

/// An image in memory that can end early, or go on.
struct MemoryImage<'a> {
    data: &'a [u8],
    said: u64,
}

impl ImageSource for MemoryImage<'_> {
    fn len_bytes(&self) -> u64 {
        self.said
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, InstallError> {
        let count = buffer.len().min(self.data.len());
        buffer[..count].copy_from_slice(&self.data[..count]);
        self.data = &self.data[count..];
        Ok(count)
    }
}

/// Makes an image with something in slot A.
fn image(oem_bytes: u64) -> Vec<u8> {
    let name = ImageName {
        id: "base".parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: Architecture::X86_64,
    };
    let layout = Layout::plan(&LayoutRequest {
        name: &name,
        root_hash: Sha256Digest::of(b"root hash"),
        usr_image_bytes: 2 * MIB,
        verity_image_bytes: 4096,
        sizes: PartitionSizes {
            esp_bytes: MIB,
            usr_bytes: 4 * MIB,
            verity_bytes: MIB,
            oem_bytes,
            root_bytes: MIB,
            head_room_percent: 10,
        },
        seed: b"seed",
    })
    .unwrap();
    let usr = vec![7; 2 << 20];
    let esp = SparseImage::new(MIB, vec![(5, vec![1; 9].into())]).unwrap();
    let contents = BTreeMap::from([
        (Role::Esp, Content::Sparse(&esp)),
        (Role::UsrA, Content::stream(&usr[..], 2 * MIB)),
    ]);
    let mut disk = Cursor::new(Vec::new());
    write_disk(&layout, contents, &mut disk).unwrap();
    disk.into_inner()
}

fn install(disk: &mut MemoryDisk, image: &[u8]) -> Result<WrittenImage, InstallError> {
    install_said(disk, image, image.len() as u64, Sha256Digest::of(image))
}

fn install_said(
    disk: &mut MemoryDisk,
    data: &[u8],
    said: u64,
    expected: Sha256Digest,
) -> Result<WrittenImage, InstallError> {
    let mut source = MemoryImage { data, said };
    write_image(disk, &mut source, Some(expected), &OemFiles::default(), &Silent)
}

#[test]
fn a_disk_of_the_same_size_gets_the_bytes_of_the_image() {
    let image = image(MIB);
    let mut disk = MemoryDisk::new(image.len() as u64);
    let written = install(&mut disk, &image).unwrap();
    assert_eq!(written.image_bytes, image.len() as u64);
    assert!(disk.data == image);
}

#[test]
fn on_a_larger_disk_the_backup_table_is_at_its_end() {
    let image = image(MIB);
    let table = read_table(&mut Cursor::new(&image)).unwrap();
    let mut disk = MemoryDisk::new(image.len() as u64 + 3 * MIB + 512);
    install(&mut disk, &image).unwrap();
    assert!(disk.has_primary() && disk.has_backup());
    assert_eq!(read_table(&mut Cursor::new(&disk.data)).unwrap(), table);
    let body = 1 << 20..image.len() - 33 * 512;
    assert!(disk.data[body.clone()] == image[body]);
    // Where the image's own backup was, there is none.
    assert!(disk.data[image.len() - 33 * 512..image.len()].iter().all(|byte| *byte == 0));
    // The backup alone is a table, too.
    disk.data[512..1024].fill(0);
    assert_eq!(read_table(&mut Cursor::new(&disk.data)).unwrap(), table);
}

#[test]
fn what_makes_a_disk_bootable_is_one_write_after_all_else_is_durable() {
    let image = image(MIB);
    let mut disk = MemoryDisk::new(image.len() as u64 + MIB);
    install(&mut disk, &image).unwrap();
    // Clearing is durable before anything of the image is written.
    let first = disk.log.iter().position(|entry| matches!(entry, Some((_, _, true)))).unwrap();
    let sync = disk.log.iter().position(Option::is_none).unwrap();
    assert!(sync < first, "{:?}", disk.log);
    let [before @ .., None, Some((0, LAST_BYTES, true)), None] = &disk.log[..] else {
        panic!("{:?}", disk.log);
    };
    let at_start = |entry: &&Option<(u64, usize, bool)>| matches!(entry, Some((offset, _, true)) if *offset < LAST_BYTES as u64);
    assert!(!before.iter().any(|entry| at_start(&entry)));
}

#[test]
fn a_disk_that_fails_at_any_call_has_no_partition_table() {
    let image = image(MIB);
    let size = image.len() as u64 + MIB;
    let mut disk = MemoryDisk::new(size);
    install(&mut disk, &image).unwrap();
    let all = disk.calls;
    assert!(all > 10, "{all}");
    for (at, torn) in (1..=all).flat_map(|at| [(at, false), (at, true)]) {
        let mut disk = MemoryDisk::new(size);
        (disk.fails, disk.torn) = (Some((at, false)), torn);
        let error = install(&mut disk, &image).unwrap_err();
        assert!(matches!(error, InstallError::Stopped { cleared: true, .. }), "{at}: {error}");
        assert!(!disk.is_bootable() && !disk.has_backup(), "{at}");
        assert!(disk.data[..1 << 20].iter().all(|byte| *byte == 0), "{at}");
    }
}

#[test]
fn a_disk_that_fails_for_good_is_never_half_installed() {
    let image = image(MIB);
    let size = image.len() as u64 + MIB;
    let mut disk = MemoryDisk::new(size);
    install(&mut disk, &image).unwrap();
    let all = disk.calls;
    for at in 1..=all {
        let mut disk = MemoryDisk::new(size);
        disk.fails = Some((at, true));
        let error = install(&mut disk, &image).unwrap_err();
        assert!(matches!(error, InstallError::Stopped { cleared: false, .. }), "{at}: {error}");
        match at {
            // Nothing was written: the disk is what it was.
            1 => assert!(disk.has_primary() && disk.has_backup()),
            2 => assert!(!disk.is_bootable() && disk.has_backup()),
            // Only that the last write is durable could not be said. Then all is there.
            at if at == all => assert!(disk.has_primary() && disk.has_backup()),
            at => assert!(!disk.is_bootable(), "{at}"),
        }
        // A backup without an MBR before it is a table to nobody; it comes last but one.
        assert!(at <= 2 || at >= all - 2 || !disk.has_backup(), "{at} of {all}");
    }
}

#[test]
fn a_cut_changed_or_longer_image_leaves_no_partition_table() {
    let image = image(MIB);
    let digest = Sha256Digest::of(&image);
    let len = image.len() as u64;
    let mut changed = image.clone();
    changed[5 << 20] ^= 1;
    let mut in_table = image.clone();
    in_table[600] ^= 1;
    let longer = [&image[..], &[0; 512]].concat();
    let cut = &image[..image.len() - 512];
    for (data, said, expected) in [
        (&changed[..], len, digest),
        (&in_table, len, digest),
        // Right by its digest, but no table: nothing that boots.
        (&in_table, len, Sha256Digest::of(&in_table)),
        (cut, len, digest),
        (cut, len - 512, digest),
        (&longer, len, digest),
        (&longer, len + 512, digest),
    ] {
        let mut disk = MemoryDisk::new(len + MIB);
        let error = install_said(&mut disk, data, said, expected).unwrap_err();
        assert!(matches!(error, InstallError::Stopped { cleared: true, .. }), "{error}");
        assert!(!disk.is_bootable() && !disk.has_backup());
    }
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_written() {
    let image = image(MIB);
    let len = image.len() as u64;
    for (size, said) in [(len - 512, len), (len, len + 512), (len, 0), (len, len - 1), (len, 512)] {
        let mut disk = MemoryDisk::new(size);
        let error = install_said(&mut disk, &image, said, Sha256Digest::of(&image)).unwrap_err();
        let refused =
            matches!(error, InstallError::TooSmall { .. } | InstallError::ImageSize { .. });
        assert!(refused && disk.calls == 0, "{error}");
    }
}

#[test]
fn files_for_a_partition_that_is_too_small_leave_no_partition_table() {
    let image = image(MIB);
    let mut disk = MemoryDisk::new(image.len() as u64);
    let data = br#"{"ignition":{"version":"3.4.0"}}"#.to_vec();
    let oem = OemFiles { ignition: Some(IgnitionConfig::new(data, None).unwrap()), platform: None };
    let mut source = MemoryImage { data: &image, said: image.len() as u64 };
    let error = write_image(&mut disk, &mut source, None, &oem, &Silent).unwrap_err();
    let InstallError::Stopped { source, .. } = error else { panic!("{error}") };
    assert!(matches!(*source, InstallError::OemContent { .. }), "{source}");
    assert!(!disk.is_bootable() && !disk.has_backup());
}
