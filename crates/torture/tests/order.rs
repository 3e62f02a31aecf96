//! Updates in the right order and in wrong ones, written as a machine would write them.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Write as _};

use bytes::Bytes;
use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_disk::{
    Content, EspOptions, EspPath, Layout, LayoutRequest, PartitionName, PartitionSizes, Role,
    build_esp, rename_partitions, slot_identifiers, verity_tree_bytes, write_disk,
};
use flagstone_torture::{
    Expected, TortureError, TortureOptions, TortureReport, Version, WriteLog, torture,
};

const MIB: u64 = 1 << 20;
const ESP_BYTES: u64 = 64 * MIB;

fn name(version: &str) -> ImageName {
    ImageName {
        id: "base".parse().unwrap(),
        version: version.parse().unwrap(),
        architecture: Architecture::X86_64,
    }
}

fn root_hash(version: &str) -> Sha256Digest {
    Sha256Digest::of(format!("usr {version}").as_bytes())
}

fn content(what: &str, version: &str, len: usize) -> Vec<u8> {
    format!("{what} {version};").bytes().cycle().take(len).collect()
}

fn usr(version: &str) -> Vec<u8> {
    content("usr", version, 300 * 4096)
}

fn verity(version: &str) -> Vec<u8> {
    content("verity", version, 4 * 4096)
}

/// A kernel image, as far as the loader looks.
fn uki(version: &str) -> Vec<u8> {
    let mut image = content("uki", version, 200_000);
    image[..2].copy_from_slice(b"MZ");
    image[0x3c..0x40].copy_from_slice(&128_u32.to_le_bytes());
    image[128..132].copy_from_slice(b"PE\0\0");
    image
}

/// Writes an EFI system partition with these kernel images.
fn esp(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut files: Vec<(EspPath, Bytes)> =
        vec![("EFI/BOOT/BOOTX64.EFI".parse().unwrap(), Bytes::from_static(b"loader"))];
    for (file, version) in entries {
        files.push((format!("EFI/Linux/{file}").parse().unwrap(), uki(version).into()));
    }
    let options = EspOptions {
        size_bytes: ESP_BYTES,
        volume_id: 1,
        label: "EFI-SYSTEM".to_owned(),
        source_date: 1_700_000_000,
    };
    let image = build_esp(&files, &options).unwrap();
    let mut bytes = vec![0; usize::try_from(ESP_BYTES).unwrap()];
    for (offset, data) in image.extents() {
        let at = usize::try_from(*offset).unwrap();
        bytes[at..at + data.len()].copy_from_slice(data);
    }
    bytes
}

/// A write, or a flush.
type Step = Option<(u64, Vec<u8>)>;

/// A disk with version 1 in slot A, and the steps of an update to version 2.
struct Fixture {
    dir: tempfile::TempDir,
    layout: Layout,
    before: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let layout = Layout::plan(&LayoutRequest {
            name: &name("1"),
            root_hash: root_hash("1"),
            usr_image_bytes: MIB,
            verity_image_bytes: verity_tree_bytes(MIB),
            sizes: PartitionSizes {
                esp_bytes: ESP_BYTES,
                usr_bytes: 2 * MIB,
                verity_bytes: MIB,
                oem_bytes: MIB,
                root_bytes: MIB,
                head_room_percent: 10,
            },
            seed: b"seed",
        });
        let layout = layout.unwrap();
        let esp = esp(&[("base_1.efi", "1")]);
        let contents: BTreeMap<Role, Content<'_>> = [
            (Role::Esp, Content::stream(esp.as_slice(), ESP_BYTES)),
            (Role::UsrA, Content::stream(Cursor::new(usr("1")), usr("1").len() as u64)),
            (Role::VerityA, Content::stream(Cursor::new(verity("1")), verity("1").len() as u64)),
        ]
        .into();
        let mut disk = Cursor::new(Vec::new());
        write_disk(&layout, contents, &mut disk).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("disk"), disk.get_ref()).unwrap();
        Self { dir, layout, before: disk.into_inner() }
    }

    fn at(&self, role: Role) -> u64 {
        self.layout.partition(role).offset_bytes
    }

    /// The slot's content, in pieces.
    fn slot(&self, into: [Role; 2]) -> Vec<Step> {
        let mut steps = Vec::new();
        for (role, data) in into.into_iter().zip([usr("2"), verity("2")]) {
            for (piece, index) in data.chunks(64 << 10).zip(0..) {
                steps.push(Some((self.at(role) + index * (64 << 10), piece.to_vec())));
            }
        }
        steps
    }

    /// Both copies of the partition table, sector by sector.
    fn table(&self) -> [Vec<Step>; 2] {
        let (usr, verity) = slot_identifiers(&root_hash("2"));
        let rename = |role: Role, label: &str, guid| PartitionName {
            number: role.number(),
            label: label.to_owned(),
            guid,
        };
        let names =
            [rename(Role::UsrB, "base_2", usr), rename(Role::VerityB, "base_2_verity", verity)];
        let table = rename_partitions(&mut Cursor::new(&self.before), &names).unwrap();
        let sectors = |at: u64, bytes: &[u8]| {
            let sectors = bytes.chunks(512).zip(0..);
            sectors.map(|(sector, n)| Some((at + n * 512, sector.to_vec()))).collect()
        };
        [sectors(table.end_offset, &table.end), sectors(0, &table.start)]
    }

    /// What makes the kernel image's name appear, and all the rest that it needs.
    fn kernel(&self) -> [Vec<Step>; 2] {
        let (old, new) =
            (esp(&[("base_1.efi", "1")]), esp(&[("base_1.efi", "1"), ("base_2+3.efi", "2")]));
        let changed = old.chunks(512).zip(new.chunks(512)).zip(0..).filter(|((a, b), _)| a != b);
        let steps = changed.map(|((_, new), n)| Some((self.at(Role::Esp) + n * 512, new.to_vec())));
        // The sector that has the name, in UTF-16.
        let is_name = |step: &Step| {
            let needle: Vec<u8> = "2+3".encode_utf16().flat_map(u16::to_le_bytes).collect();
            step.as_ref().is_some_and(|(_, data)| data.windows(6).any(|window| window == needle))
        };
        let (name, rest) = steps.partition(is_name);
        [rest, name]
    }

    /// Writes the log, and tortures.
    fn torture(&self, parts: &[Vec<Step>]) -> TortureReport {
        let path = self.dir.path().join("log");
        fs::write(&path, log(parts)).unwrap();
        let log = WriteLog::open(&path).unwrap();
        let expected = Expected { old: self.version("1"), new: self.version("2") };
        let base = File::open(self.dir.path().join("disk")).unwrap();
        let options = TortureOptions { samples: 40 };
        torture(&base, self.before.len() as u64, &log, &expected, options).unwrap()
    }

    fn version(&self, version: &str) -> Version {
        for (suffix, data) in
            [("usr.erofs", usr(version)), ("usr.verity", verity(version)), ("efi", uki(version))]
        {
            fs::write(self.dir.path().join(format!("{}.{suffix}", name(version))), data).unwrap();
        }
        Version::read(self.dir.path(), name(version), root_hash(version)).unwrap()
    }
}

/// Writes steps in the format of dm-log-writes.
fn log(parts: &[Vec<Step>]) -> Vec<u8> {
    let steps: Vec<&Step> = parts.iter().flatten().collect();
    let sector = |words: [u64; 4]| {
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.resize(512, 0);
        bytes
    };
    let mut bytes = sector([0x006a_7366_7773_6872, 1, steps.len() as u64, 512]);
    for step in steps {
        match step {
            None => bytes.extend(sector([0, 0, 1, 0])),
            Some((offset, data)) => {
                bytes.extend(sector([offset / 512, data.len() as u64 / 512, 0, 0]));
                bytes.write_all(data).unwrap();
            }
        }
    }
    bytes
}

fn flush() -> Vec<Step> {
    vec![None]
}

#[test]
fn an_update_in_the_right_order_boots_the_old_or_the_new_version() {
    let fixture = Fixture::new();
    let slot = fixture.slot([Role::UsrB, Role::VerityB]);
    let ([backup, primary], [kernel, name]) = (fixture.table(), fixture.kernel());
    assert!(!name.is_empty() && name.len() <= 2 && kernel.len() > 300);
    let parts = [slot, flush(), backup, flush(), primary, flush(), kernel, flush(), name, flush()];
    let report = fixture.torture(&parts);
    assert_eq!((report.bad, &report.bad_points), (0, &Vec::new()));
    assert!(report.old > 300 && report.new > 0 && report.reorderings >= 160, "{report:?}");
    assert_eq!(report.prefixes, 1 + report.writes + report.flushes);
    assert!(report.switch.is_some_and(|switch| switch > report.writes - 3), "{report:?}");
    assert!(report.worst.1 >= 200_000, "{report:?}");
}

#[test]
fn what_is_done_too_early_is_found() {
    let fixture = Fixture::new();
    let slot = || fixture.slot([Role::UsrB, Role::VerityB]);
    let ([backup, primary], [kernel, name]) = (fixture.table(), fixture.kernel());
    let table = [backup, flush(), primary].concat();
    // The kernel image's name before its content; before the slot; before the table.
    for (parts, reason) in [
        ([slot(), table.clone(), name.clone(), kernel.clone()], "base_2+3.efi"),
        ([table.clone(), kernel.clone(), name.clone(), slot()], "is not complete"),
        ([slot(), kernel.clone(), name.clone(), table.clone()], "no partition has the root hash"),
    ] {
        let report = fixture.torture(&parts);
        assert!(report.bad > 0, "{report:?}");
        let found = format!("{:?}", report.bad_points[0]);
        assert!(found.contains(reason), "{found}");
    }
    // In order, but nothing is made durable in between.
    let parts = [slot(), table, kernel, name];
    let report = fixture.torture(&parts);
    assert!(report.bad > 0 && report.bad_points.iter().all(|point| point.lost > 0), "{report:?}");
}

#[test]
fn a_write_to_the_slot_that_runs_is_never_good() {
    let fixture = Fixture::new();
    let report = fixture.torture(&[fixture.slot([Role::UsrA, Role::VerityA])]);
    assert_eq!(report.bad, report.writes);
    assert!(format!("{:?}", report.bad_points[0]).contains("old version was written to"));
}

#[test]
fn a_log_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let good = log(&[vec![Some((0, vec![1; 1024])), None]]);
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        WriteLog::open(&path)
    };
    assert_eq!(open(&good).unwrap().entries().len(), 2);
    for at in 0..good.len() {
        assert!(matches!(open(&good[..at]), Err(TortureError::Log { .. })), "cut at {at}");
    }
    for at in [0, 8, 24] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(matches!(open(&bad), Err(TortureError::Log { .. })), "byte {at}");
    }
}
