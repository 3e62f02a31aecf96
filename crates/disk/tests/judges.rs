//! Independent tools look at what this crate writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_disk::{
    Content, DiskError, EspOptions, EspPath, ExtensionImage, HEAD_ROOM_PERCENT, Layout,
    LayoutRequest, PartitionSizes, Piece, Role, SparseImage, TABLE_START_BYTES, build_esp,
    grow_table, read_table, stream_disk, verity_tree_bytes, write_disk, write_extension,
};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
/// 2026-08-30 23:59:58 UTC.
const SOURCE_DATE: i64 = 1_788_134_398;

/// Finds a tool; a missing one skips the test, or fails it if judges are required.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_none_or(|value| value != "1"),
            "{name} is missing"
        );
        println!("skipped: {name} is missing");
    }
    found
}

/// Runs a tool and returns whether it was content, with all that it said.
fn run<A: AsRef<OsStr>>(tool: &Path, arguments: &[A]) -> (bool, String) {
    let output =
        Command::new(tool).args(arguments).env("LC_ALL", "C").env("TZ", "UTC").output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// Bytes that no tool could have made up.
fn pattern(len: usize) -> Bytes {
    let mut state = 1_u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

fn esp_files() -> Vec<(EspPath, Bytes)> {
    let mut files: Vec<(EspPath, Bytes)> = [
        ("EFI/BOOT/BOOTX64.EFI", pattern(140_891)),
        ("EFI/systemd/systemd-bootx64.efi", pattern(140_891)),
        ("EFI/Linux/base_1.2+3.efi", pattern(9_000_001)),
        ("EFI/Linux/base_1.1.efi", pattern(4096)),
        ("loader/loader.conf", Bytes::from_static(b"timeout 0\n")),
        ("loader/entries.srel", Bytes::from_static(b"type1\n")),
        ("loader/empty", Bytes::new()),
        ("UPPER.TXT", Bytes::from_static(b"8.3\n")),
        ("a name with spaces and + , ; = [ ] in it that goes on for a while.config", pattern(513)),
    ]
    .map(|(path, data)| (path.parse().unwrap(), data))
    .into();
    // Enough to need a second cluster for the directory.
    files.extend((0..150).map(|n| {
        let path = format!("many/entry number {n}.conf").parse().unwrap();
        (path, Bytes::from(format!("{n}\n")))
    }));
    files
}

fn esp(mib: u64) -> SparseImage {
    let options = EspOptions {
        size_bytes: mib * MIB,
        volume_id: 0xcafe_0123,
        label: "EFI-SYSTEM".to_owned(),
        source_date: SOURCE_DATE,
    };
    build_esp(&esp_files(), &options).unwrap()
}

fn write_sparse(path: &Path, image: &SparseImage) {
    let mut file = File::create(path).unwrap();
    file.set_len(image.len()).unwrap();
    for (offset, data) in image.extents() {
        file.seek(SeekFrom::Start(*offset)).unwrap();
        file.write_all(data).unwrap();
    }
}

fn layout(architecture: Architecture, usr_image_bytes: u64) -> Layout {
    let (id, version) = ("base".parse().unwrap(), "1.2".parse().unwrap());
    let usr_bytes = 200 * MIB;
    Layout::plan(&LayoutRequest {
        name: &ImageName { id, version, architecture },
        root_hash: Sha256Digest::of(b"root hash"),
        usr_image_bytes,
        verity_image_bytes: verity_tree_bytes(usr_image_bytes),
        sizes: PartitionSizes {
            esp_bytes: 64 * MIB,
            usr_bytes,
            verity_bytes: verity_tree_bytes(usr_bytes),
            oem_bytes: 8 * MIB,
            root_bytes: 64 * MIB,
            head_room_percent: HEAD_ROOM_PERCENT,
        },
        seed: b"seed",
    })
    .unwrap()
}

/// Writes a whole disk and returns its file, with the bytes that its usr slot should hold.
fn write_sample(dir: &TempDir, layout: &Layout) -> (PathBuf, Vec<u8>) {
    let mut usr = vec![0; 20 << 20];
    usr[..3 << 20].copy_from_slice(&pattern(3 << 20));
    usr[(19 << 20) + 5] = 1;
    let esp = esp(64);
    let contents = BTreeMap::from([
        (Role::Esp, Content::Sparse(&esp)),
        (Role::UsrA, Content::stream(&usr[..], usr.len() as u64)),
        (Role::VerityA, Content::stream(&b"verity"[..], 6)),
    ]);
    let path = dir.path().join("disk.raw");
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).open(&path).unwrap();
    write_disk(layout, contents, &mut file).unwrap();
    (path, usr)
}

#[test]
fn a_table_on_a_larger_disk_is_sound_to_sgdisk() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, _) = write_sample(&dir, &layout);
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let table = read_table(&mut file).unwrap();
    let mut start = vec![0; TABLE_START_BYTES];
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_exact(&mut start).unwrap();
    // On a disk of the same size nothing is to be changed.
    let same = grow_table(&start, layout.size_bytes()).unwrap();
    assert_eq!(same.start, start);
    let mut end = vec![0; same.end.len()];
    file.seek(SeekFrom::Start(same.end_offset)).unwrap();
    file.read_exact(&mut end).unwrap();
    assert_eq!(same.end, end);
    // A size that is no whole number of sectors loses the rest.
    let larger = layout.size_bytes() + 100 * MIB;
    let grown = grow_table(&start, larger + 511).unwrap();
    assert_eq!(grown, grow_table(&start, larger).unwrap());
    file.set_len(larger).unwrap();
    for (offset, data) in [(0, &grown.start), (grown.end_offset, &grown.end)] {
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(data).unwrap();
    }
    assert_eq!(read_table(&mut file).unwrap(), table);
    let Some(sgdisk) = tool("sgdisk") else { return };
    let (sound, text) = run(&sgdisk, &[OsStr::new("-v"), path.as_os_str()]);
    assert!(sound && text.contains("No problems found"), "{text}");
}

#[test]
fn tables_that_do_not_fit_or_are_damaged_do_not_grow() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, _) = write_sample(&dir, &layout);
    let mut start = vec![0; 1 << 20];
    File::open(&path).unwrap().read_exact(&mut start).unwrap();
    for size in [0, 511, 34 * 512, 67 * 512, MIB, layout.size_bytes() - MIB] {
        assert!(grow_table(&start, size).is_err(), "{size}");
    }
    assert!(grow_table(&start, u64::MAX).is_ok());
    assert!(grow_table(&start[..TABLE_START_BYTES - 1], layout.size_bytes()).is_err());
    for at in (512..604).chain(1024..2048) {
        let mut damaged = start.clone();
        damaged[at] ^= 1;
        assert!(grow_table(&damaged, layout.size_bytes()).is_err(), "{at}");
    }
}

#[test]
fn a_written_disk_reads_back_and_is_sparse() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, usr) = write_sample(&dir, &layout);
    let mut file = File::open(&path).unwrap();
    let table = read_table(&mut file).unwrap();
    assert_eq!(table.disk_guid, layout.disk_guid());
    assert_eq!(table.entries.len(), layout.partitions().len());
    for (entry, partition) in table.entries.iter().zip(layout.partitions()) {
        assert_eq!(entry.number, partition.role.number());
        assert_eq!(entry.label, partition.label);
        assert_eq!(entry.type_guid, partition.kind.guid());
        assert_eq!(entry.guid, partition.guid);
        assert_eq!(entry.attributes, partition.attributes);
        assert_eq!(entry.offset_bytes, partition.offset_bytes);
        assert_eq!(entry.size_bytes, partition.size_bytes);
    }
    let mut slot = vec![1; usr.len()];
    file.seek(SeekFrom::Start(layout.partition(Role::UsrA).offset_bytes)).unwrap();
    file.read_exact(&mut slot).unwrap();
    assert!(slot == usr, "the usr slot differs");

    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), layout.size_bytes());
    let used = metadata.blocks() * 512;
    assert!(used < 16 * MIB, "the disk takes {used} bytes");
}

#[test]
fn a_streamed_disk_is_the_written_one() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, usr) = write_sample(&dir, &layout);
    let written = fs::read(path).unwrap();
    let esp = esp(64);
    let stream = |usr_bytes: u64, take: &mut dyn FnMut(Piece<'_>)| {
        let contents = BTreeMap::from([
            (Role::Esp, Content::Sparse(&esp)),
            (Role::UsrA, Content::stream(&usr[..], usr_bytes)),
            (Role::VerityA, Content::stream(&b"verity"[..], 6)),
        ]);
        stream_disk(&layout, contents, take)
    };
    let mut at = 0;
    stream(usr.len() as u64, &mut |piece| match piece {
        Piece::Data(data) => {
            assert!(written[at..at + data.len()] == *data, "data at {at}");
            at += data.len();
        }
        Piece::Zeros(count) => {
            let count = usize::try_from(count).unwrap();
            assert!(written[at..at + count].iter().all(|&byte| byte == 0), "zeros at {at}");
            at += count;
        }
    })
    .unwrap();
    assert_eq!(at, written.len());
    for wrong in [usr.len() as u64 - 1, usr.len() as u64 + 1, 0] {
        let error = stream(wrong, &mut |_| {}).unwrap_err();
        assert!(matches!(error, DiskError::ContentLength { .. }), "{error}");
    }
    let error = stream(300 * MIB, &mut |_| {}).unwrap_err();
    assert!(matches!(error, DiskError::ContentTooLong { .. }), "{error}");
}

#[test]
fn the_backup_table_serves_when_the_primary_one_is_damaged() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::Arm64, 20 * MIB);
    let (path, _) = write_sample(&dir, &layout);
    let mut disk = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let whole = read_table(&mut disk).unwrap();
    disk.seek(SeekFrom::Start(512 + 60)).unwrap();
    disk.write_all(b"damage").unwrap();
    assert_eq!(read_table(&mut disk).unwrap(), whole);
    disk.seek(SeekFrom::Start(layout.size_bytes() - 512 + 60)).unwrap();
    disk.write_all(b"damage").unwrap();
    assert!(matches!(read_table(&mut disk), Err(DiskError::NoTable(_))));
}

#[test]
fn tables_that_ask_for_too_much_and_short_disks_are_refused() {
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, _) = write_sample(&dir, &layout);
    let mut start = vec![0; 40 * 512];
    File::open(&path).unwrap().read_exact(&mut start).unwrap();
    for len in [0, 1, 511, 512, 600, 1023, 1024, 2048, 34 * 512 - 1] {
        assert!(read_table(&mut std::io::Cursor::new(&start[..len])).is_err(), "{len} bytes");
    }
    for (at, value) in [(512 + 80, u32::MAX), (512 + 84, 256), (512 + 80, 0)] {
        let mut changed = start.clone();
        changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let error = read_table(&mut std::io::Cursor::new(changed)).unwrap_err();
        assert!(matches!(error, DiskError::StrangeTable(_)), "{error}");
    }
}

#[test]
fn content_longer_than_its_partition_is_refused_before_anything_is_written() {
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let contents = BTreeMap::from([(Role::Oem, Content::stream(std::io::empty(), 9 * MIB))]);
    let mut disk = std::io::Cursor::new(Vec::new());
    let error = write_disk(&layout, contents, &mut disk).unwrap_err();
    assert_eq!(error.to_string(), "9 MiB do not fit the oem partition of 8 MiB");
    assert!(disk.into_inner().is_empty());
}

#[test]
fn sgdisk_finds_no_problem_and_the_same_partitions() {
    let Some(sgdisk) = tool("sgdisk") else { return };
    let dir = TempDir::new().unwrap();
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let (path, _) = write_sample(&dir, &layout);
    let path = path.to_str().unwrap();
    let (success, text) = run(&sgdisk, &["-v", path]);
    assert!(success && text.contains("No problems found"), "{text}");
    assert!(!text.to_lowercase().contains("warning"), "{text}");
    let (_, text) = run(&sgdisk, &["-p", path]);
    assert!(text.contains(&layout.disk_guid().to_string().to_uppercase()), "{text}");
    for partition in layout.partitions() {
        let (_, text) = run(&sgdisk, &["-i", &partition.role.number().to_string(), path]);
        let flags = format!("{:016X}", partition.attributes);
        let start = format!("First sector: {} ", partition.offset_bytes / 512);
        for part in [
            &partition.guid.to_string().to_uppercase(),
            &partition.kind.guid().to_string().to_uppercase(),
            &format!("'{}'", partition.label),
            &flags,
            &start,
        ] {
            assert!(text.contains(part.as_str()), "{part} is not in\n{text}");
        }
    }
}

#[test]
fn sfdisk_finds_no_problem() {
    let Some(sfdisk) = tool("sfdisk") else { return };
    let dir = TempDir::new().unwrap();
    let (path, _) = write_sample(&dir, &layout(Architecture::Arm64, 20 * MIB));
    let (success, text) = run(&sfdisk, &[OsStr::new("--verify"), path.as_os_str()]);
    assert!(success && text.contains("No errors detected"), "{text}");
    let (success, text) = run(&sfdisk, &[OsStr::new("-J"), path.as_os_str()]);
    assert!(success && text.contains("GUID:60") && text.contains("GUID:59"), "{text}");
}

#[test]
fn systemd_knows_the_partition_types_and_the_halves_of_the_root_hash() {
    let Some(repart) = tool("systemd-repart") else { return };
    let dir = TempDir::new().unwrap();
    for (architecture, name) in [(Architecture::X86_64, "x86-64"), (Architecture::Arm64, "arm64")] {
        let definitions = dir.path().join(name);
        fs::create_dir(&definitions).unwrap();
        let types = [
            ("10", "esp".to_owned()),
            ("30", format!("usr-{name}")),
            ("40", format!("usr-{name}-verity")),
            ("50", format!("usr-{name}")),
            ("60", format!("usr-{name}-verity")),
            ("70", "linux-generic".to_owned()),
            ("90", format!("root-{name}")),
        ];
        for (order, kind) in types {
            let text = format!("[Partition]\nType={kind}\nSizeMinBytes=1M\n");
            fs::write(definitions.join(format!("{order}.conf")), text).unwrap();
        }
        let layout = layout(architecture, 20 * MIB);
        let disk_dir = TempDir::new().unwrap();
        let (path, _) = write_sample(&disk_dir, &layout);
        let definitions = format!("--definitions={}", definitions.display());
        let arguments = ["--dry-run=yes", "--empty=refuse", "--json=short", &definitions];
        let path = path.to_str().unwrap();
        let (success, text) = run(&repart, &[&arguments[..], &[path]].concat());
        assert!(success, "{text}");
        // Every definition meets an existing partition, so none is created.
        assert!(!text.contains("\"activity\":\"create\""), "{text}");
        for partition in layout.partitions() {
            assert!(text.contains(&format!("\"uuid\":\"{}\"", partition.guid)), "{text}");
        }
    }
}

#[test]
fn fsck_vfat_finds_nothing_to_say_about_the_esp() {
    let Some(fsck) = tool("fsck.vfat") else { return };
    let dir = TempDir::new().unwrap();
    for mib in [33, 64, 128, 260, 512, 4096] {
        let path = dir.path().join(format!("{mib}.esp"));
        write_sparse(&path, &esp(mib));
        let (success, text) = run(&fsck, &[OsStr::new("-n"), path.as_os_str()]);
        // Its name and version, and the summary.
        assert!(success && text.lines().count() == 2, "{mib} MiB: {text}");
        assert!(text.contains("166 files"), "{mib} MiB: {text}");
    }
}

#[test]
fn mtools_read_every_file_and_date_back() {
    let (Some(mcopy), Some(mdir)) = (tool("mcopy"), tool("mdir")) else { return };
    let dir = TempDir::new().unwrap();
    let image = dir.path().join("esp");
    write_sparse(&image, &esp(64));
    let image = image.to_str().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let (success, text) = run(&mcopy, &["-s", "-Q", "-i", image, "::*", out.to_str().unwrap()]);
    assert!(success, "{text}");
    for (path, data) in esp_files() {
        assert!(fs::read(out.join(path.as_str())).unwrap() == data, "{path} differs");
    }
    let (_, text) = run(&mdir, &["-/", "-a", "-i", image, "::"]);
    assert!(text.contains("Volume in drive : is EFI-SYSTEM"), "{text}");
    assert!(text.contains("Volume Serial Number is CAFE-0123"), "{text}");
    // 159 files; 6 directories, each named in its parent, as "." and as "..".
    assert_eq!(text.matches("2026-08-30  23:59").count(), 159 + 6 * 3, "{text}");
}

#[test]
fn the_kernel_mounts_the_esp() {
    let (Some(mount), Some(umount)) = (tool("mount"), tool("umount")) else { return };
    let dir = TempDir::new().unwrap();
    let (image, point) = (dir.path().join("esp"), dir.path().join("mnt"));
    write_sparse(&image, &esp(64));
    fs::create_dir(&point).unwrap();
    let options = [OsStr::new("-o"), OsStr::new("loop,ro"), OsStr::new("-t"), OsStr::new("vfat")];
    let (mounted, text) =
        run(&mount, &[&options[..], &[image.as_os_str(), point.as_os_str()]].concat());
    if !mounted {
        println!("skipped: a loop mount is not possible here: {text}");
        return;
    }
    let differing: Vec<_> = esp_files()
        .into_iter()
        .filter(|(path, data)| fs::read(point.join(path.as_str())).ok().as_deref() != Some(data))
        .map(|(path, _)| path)
        .collect();
    let (unmounted, text) = run(&umount, &[&point]);
    assert!(unmounted, "{text}");
    assert!(differing.is_empty(), "{differing:?} differ");
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let layout = layout(Architecture::X86_64, 20 * MIB);
    let [first, second] = [(); 2].map(|()| {
        let dir = TempDir::new().unwrap();
        let (path, _) = write_sample(&dir, &layout);
        let mut start = vec![0; 66 << 20];
        File::open(path).unwrap().read_exact(&mut start).unwrap();
        Sha256Digest::of(&start)
    });
    assert_eq!(first, second);
}

#[test]
fn an_extension_is_sound_to_sgdisk_and_its_partitions_are_what_systemd_looks_for() {
    let (Some(sgdisk), Some(lister)) = (tool("sgdisk"), tool("sfdisk")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extension.raw");
    let image = ExtensionImage {
        architecture: Architecture::X86_64,
        label: "docker_1",
        root_hash: Sha256Digest::of(b"data"),
        data_bytes: 10_000,
        tree: &[1; 4096],
        signature: Some("{}"),
        seed: b"seed",
    };
    let mut disk = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    write_extension(&image, &[7; 10_000][..], &mut disk).unwrap();
    let (sound, text) = run(&sgdisk, &[OsStr::new("-v"), path.as_os_str()]);
    assert!(sound && text.contains("No problems found"), "{text}");
    let (_, text) = run(&lister, &[OsStr::new("-d"), path.as_os_str()]);
    let text = text.to_lowercase();
    // Root, its hash tree and its signature, of x86-64 (UAPI.2); read-only.
    for word in [
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
        "41092b05-9fc8-4523-994f-2def0408b176",
        "guid:60",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
