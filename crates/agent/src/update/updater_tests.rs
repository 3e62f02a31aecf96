use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use flagstone_artifact::{Architecture, ImageName, Manifest, Sha256Digest};
use flagstone_disk::{
    BootEntry, DiskTable, Layout, LayoutRequest, PartitionName, PartitionSizes, TableEntry,
    read_table, rename_partitions, verity_tree_bytes, write_disk,
};
use flagstone_image::verity::{HashTree, Parameters};
use flagstone_payload::{
    Compression, CreateOptions, PayloadError, ReleaseFolder, Signable, Target, create,
};
use flagstone_signature::{KeyKind, PrivateKey};

use super::*;
use crate::update::Refusal;
use crate::update::disk::write_table;

const MIB: u64 = 1 << 20;

/// Counts what is written, and fails from one count on, as a disk does whose power goes.
#[derive(Clone, Default)]
struct Power(Rc<Cell<Option<usize>>>);

impl Power {
    fn spend(&self) -> io::Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                self.0.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

/// A disk image in place of a disk.
struct ImageDisk {
    file: File,
    power: Power,
}

struct Range {
    file: File,
    entry: TableEntry,
    power: Power,
}

impl UpdateDisk for ImageDisk {
    fn table(&mut self) -> Result<DiskTable, UpdateError> {
        read_table(&mut self.file).map_err(|source| UpdateError::Table { source })
    }

    fn rename(&mut self, names: &[PartitionName]) -> Result<(), UpdateError> {
        self.power.spend().map_err(|source| UpdateError::WriteTable { source })?;
        let table = rename_partitions(&mut self.file, names).unwrap();
        write_table(&self.file, &table).map_err(|source| UpdateError::WriteTable { source })
    }

    fn open(&mut self, entry: &TableEntry) -> Result<Box<dyn Target>, UpdateError> {
        let file = self.file.try_clone().unwrap();
        Ok(Box::new(Range { file, entry: entry.clone(), power: self.power.clone() }))
    }

    fn read(&mut self, _: &TableEntry) -> Result<File, UpdateError> {
        unreachable!("only deltas read")
    }
}

impl Target for Range {
    fn capacity_bytes(&self) -> u64 {
        self.entry.size_bytes
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        assert!(offset + data.len() as u64 <= self.entry.size_bytes);
        self.power.spend()?;
        self.file.write_all_at(data, self.entry.offset_bytes + offset)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, self.entry.offset_bytes + offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.power.spend()
    }
}

fn name(version: &str) -> ImageName {
    ImageName {
        id: "base".parse().unwrap(),
        version: version.parse().unwrap(),
        architecture: Architecture::X86_64,
    }
}

fn usr(version: &str) -> Vec<u8> {
    version.bytes().cycle().take(300_000 / 4096 * 4096).collect()
}

fn tree(version: &str) -> HashTree {
    HashTree::of(&usr(version), Parameters::new([7; 32], [9; 16]).unwrap()).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32], "test".parse().unwrap(), KeyKind::Release)
}

fn keys() -> TrustedKeys {
    TrustedKeys::new(vec![key().public()], &BTreeSet::new(), 1).unwrap()
}

/// Makes the signed payload of a version.
fn payload(version: &str, floor: Option<&str>) -> Vec<u8> {
    payload_of(&name(version), floor)
}

fn payload_of(name: &ImageName, floor: Option<&str>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let version = name.version.to_string();
    let tree = tree(&version);
    let manifest = Manifest {
        manifest_version: 1,
        flagstone_version: "0".to_owned(),
        id: name.id.clone(),
        version: name.version.clone(),
        architecture: name.architecture,
        source_date: 1,
        lock_sha256: None,
        recipe_sha256: None,
        root_hash: tree.root_hash,
        hermetic: true,
        commands: Vec::new(),
        artifacts: BTreeMap::new(),
        packages: BTreeMap::new(),
    };
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", format!("kernel {version}").into_bytes()),
        ("manifest.json", serde_json::to_vec(&manifest).unwrap()),
        ("usr.erofs", usr(&version)),
        ("usr.verity", tree.bytes.clone()),
    ] {
        let name = format!("{name}.{suffix}");
        fs::write(dir.path().join(&name), &data).unwrap();
        writeln!(sums, "{}  {name}", Sha256Digest::of(&data)).unwrap();
    }
    fs::write(dir.path().join("SHA256SUMS"), sums).unwrap();
    let mut folder = ReleaseFolder::open(dir.path()).unwrap();
    folder.release.version_floor = floor.map(|floor| floor.parse().unwrap());
    let path = dir.path().join("payload");
    let out = File::create_new(&path).unwrap();
    let options = CreateOptions { compression: Compression::Zstd, slots: 1 };
    create(&folder, None, options, &tempfile::tempfile().unwrap(), &out).unwrap();
    let mut signable = Signable::read(File::open(&path).unwrap()).unwrap();
    let key = key();
    let signatures = (key.sign(signable.metadata()), key.sign(signable.payload()));
    signable.add(key.public().id(), signatures.0, signatures.1).unwrap();
    signable.write(&out).unwrap();
    fs::read(path).unwrap()
}

/// A machine with version 1.0 in slot A and nothing in slot B.
struct Machine {
    dir: tempfile::TempDir,
    running: Running,
    state: State,
    power: Power,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree("1.0");
        let layout = Layout::plan(&LayoutRequest {
            name: &name("1.0"),
            root_hash: tree.root_hash,
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
        });
        let mut disk = File::create_new(dir.path().join("disk")).unwrap();
        write_disk(&layout.unwrap(), BTreeMap::new(), &mut disk).unwrap();
        fs::create_dir_all(dir.path().join("EFI/Linux")).unwrap();
        fs::write(dir.path().join("EFI/Linux/base_1.0.efi"), "kernel 1.0").unwrap();
        let running =
            Running { image: name("1.0"), root_hash: tree.root_hash, disk: "vda".to_owned() };
        Self { dir, running, state: State::default(), power: Power::default() }
    }

    fn disk(&self) -> ImageDisk {
        let path = self.dir.path().join("disk");
        let file = File::options().read(true).write(true).open(path).unwrap();
        ImageDisk { file, power: self.power.clone() }
    }

    fn install(&mut self, payload: &[u8]) -> Result<Installed, UpdateError> {
        self.install_from(Cursor::new(payload))
    }

    fn folder(&self) -> StateFolder {
        StateFolder::new(self.dir.path().join("agent"))
    }

    fn install_from(&mut self, source: impl PayloadSource) -> Result<Installed, UpdateError> {
        let mut disk = self.disk();
        let mut updater = Updater {
            running: &self.running,
            disk: &mut disk,
            esp: self.dir.path(),
            keys: &keys(),
            folder: &self.folder(),
        };
        let options = UpdateOptions {
            tries: 3,
            permissions: Permissions::default(),
            network: false,
            boot: "this".to_owned(),
        };
        updater.install(source, &mut self.state, options, &mut |_| {})
    }

    fn entries(&self) -> Vec<String> {
        let entries = Entries::of(self.dir.path(), &self.running.image.id);
        entries.list().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Does what loader and initrd do: the newest entry with tries left, and the slot that has the
    /// root hash in its kernel. Returns the version that boots, with every byte right.
    fn boots(&self) -> String {
        let entries = Entries::of(self.dir.path(), &self.running.image.id).list().unwrap();
        let best = entries.iter().filter(|name| !name.has_failed()).max_by(|a, b| {
            let version = BootEntry::version;
            version(a).unwrap().compare(&version(b).unwrap())
        });
        let best = best.expect("the loader has an entry");
        let kernel = fs::read(self.dir.path().join("EFI/Linux").join(best.to_string())).unwrap();
        let version = best.stem["base_".len()..].to_owned();
        assert_eq!(kernel, format!("kernel {version}").into_bytes());
        let table = self.disk().table().unwrap();
        let tree = tree(&version);
        let slots = Slots::find(&table, Architecture::X86_64, &tree.root_hash);
        let slot = slots.expect("the kernel finds its slot").booted;
        // What is there already has no content in these tests.
        if version != "1.0" {
            for (entry, expected) in [(slot.usr, usr(&version)), (slot.verity, tree.bytes)] {
                let mut actual = vec![0; expected.len()];
                self.disk().file.read_exact_at(&mut actual, entry.offset_bytes).unwrap();
                assert!(actual == expected, "{} is not what was released", entry.label);
            }
        }
        version
    }

    /// Starts the version that the loader takes, and finds it good.
    fn restart(&mut self) -> String {
        let version = self.boots();
        self.running.image = name(&version);
        self.running.root_hash = tree(&version).root_hash;
        let entries = Entries::of(self.dir.path(), &self.running.image.id);
        let entry = entries.find(&self.running.stem()).unwrap().unwrap();
        let folder = self.dir.path().join("EFI/Linux");
        let good = folder.join(format!("{}.efi", entry.stem));
        fs::rename(folder.join(entry.to_string()), good).unwrap();
        version
    }
}

#[test]
fn updates_go_from_slot_to_slot() {
    let mut machine = Machine::new();
    for (version, slot, before) in [("1.1", 5, "1.0"), ("1.2", 3, "1.1"), ("1.10", 5, "1.2")] {
        let installed = machine.install(&payload(version, None)).unwrap();
        assert_eq!(installed.version.as_str(), version);
        assert_eq!(machine.boots(), version);
        let mut expected = [format!("base_{before}.efi"), format!("base_{version}+3.efi")];
        expected.sort();
        assert_eq!(machine.entries(), expected);
        let table = machine.disk().table().unwrap();
        let label = |number| {
            let entry = table.entries.iter().find(|entry| entry.number == number);
            entry.unwrap().label.clone()
        };
        assert_eq!(label(slot), format!("base_{version}"));
        assert_eq!(label(slot + 1), format!("base_{version}_verity"));
        assert_eq!(machine.restart(), version);
        let hash = tree(version).root_hash;
        let entry = None;
        let settled = machine.state.settle(&hash, entry, "next");
        assert!(matches!(settled, crate::update::Settled::Updated { .. }), "{settled:?}");
    }
}

#[test]
fn whatever_write_fails_the_old_or_the_new_version_boots() {
    let good = payload("1.2", None);
    let mut outcomes = BTreeMap::new();
    for writes in 0.. {
        let mut machine = Machine::new();
        machine.install(&payload("1.1", None)).unwrap();
        assert_eq!(machine.restart(), "1.1");
        machine.state = State::default();
        machine.power.0.set(Some(writes));
        let result = machine.install(&good);
        let boots = machine.boots();
        assert_eq!(boots, if result.is_ok() { "1.2" } else { "1.1" }, "after {writes} writes");
        *outcomes.entry(boots).or_insert(0) += 1;
        if result.is_ok() {
            break;
        }
        // What was cut off goes on, or is begun anew.
        machine.power.0.set(None);
        let continued = machine.install(&good).unwrap().continued_at.is_some();
        *outcomes.entry(format!("continued: {continued}")).or_insert(0) += 1;
        assert_eq!(machine.boots(), "1.2");
    }
    assert!(outcomes["1.1"] > 5 && outcomes["continued: true"] > 0, "{outcomes:?}");
}

/// A payload whose connection breaks at its kernel image, after all of /usr.
struct Breaks(Cursor<Vec<u8>>);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The signatures, and a few bytes of the kernel image.
        let end = self.0.get_ref().len() as u64 - 81 - 5;
        let left = usize::try_from(end.saturating_sub(self.0.position())).unwrap();
        match buffer.len().min(left) {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            count => self.0.read(&mut buffer[..count]),
        }
    }
}

impl PayloadSource for Breaks {
    fn continue_at(&mut self, offset: u64) -> io::Result<()> {
        self.0.continue_at(offset)
    }
}

#[test]
fn an_update_goes_on_where_it_was_cut_off() {
    let good = payload("1.1", None);
    let cut_off = || {
        let mut machine = Machine::new();
        machine.install_from(Breaks(Cursor::new(good.clone()))).unwrap_err();
        assert_eq!(machine.boots(), "1.0");
        assert!(machine.folder().checkpoint().is_some());
        machine
    };
    let usr_slot = |machine: &Machine| {
        let table = machine.disk().table().unwrap();
        let slots = Slots::find(&table, Architecture::X86_64, &tree("1.0").root_hash).unwrap();
        slots.other.usr.offset_bytes
    };

    // The connection breaks once more, and then does not.
    let mut machine = cut_off();
    machine.install_from(Breaks(Cursor::new(good.clone()))).unwrap_err();
    let at = machine.install(&good).unwrap().continued_at.unwrap();
    assert!(at > 200 && at < good.len() as u64, "{at}");
    assert_eq!(machine.boots(), "1.1");
    assert_eq!(machine.folder().checkpoint(), None);

    // What was written meanwhile became something else: it is found, and all is written anew.
    let mut machine = cut_off();
    machine.disk().file.write_all_at(b"?", usr_slot(&machine) + 5000).unwrap();
    assert_eq!(machine.install(&good).unwrap().continued_at, None);
    assert_eq!(machine.boots(), "1.1");

    // So is it if the file of the kernel image is gone, or the memory of it damaged, or somebody else's.
    let mut machine = cut_off();
    fs::remove_file(machine.dir.path().join("EFI/Linux/flagstone.new")).unwrap();
    machine.install(&good).unwrap();
    assert_eq!(machine.boots(), "1.1");
    let mut machine = cut_off();
    fs::write(machine.dir.path().join("agent/checkpoint.json"), "{").unwrap();
    assert_eq!(machine.install(&good).unwrap().continued_at, None);
    let mut machine = cut_off();
    let path = machine.dir.path().join("agent/checkpoint.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["hasher"][3] = (255 - value["hasher"][3].as_u64().unwrap()).into();
    fs::write(&path, value.to_string()).unwrap();
    assert_eq!(machine.install(&good).unwrap().continued_at, None);
    assert_eq!(machine.boots(), "1.1");

    // Another payload begins at its beginning.
    let mut machine = cut_off();
    assert_eq!(machine.install(&payload("1.2", None)).unwrap().continued_at, None);
    assert_eq!(machine.boots(), "1.2");
}

#[test]
fn what_is_damaged_or_cut_off_changes_nothing() {
    let good = payload("1.1", None);
    for at in [0, 30, 200, good.len() / 2, good.len() - 100, good.len() - 1] {
        let mut machine = Machine::new();
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(machine.install(&bad).is_err(), "byte {at}");
        assert!(machine.install(&good[..at]).is_err(), "cut at {at}");
        assert_eq!(machine.boots(), "1.0");
        assert_eq!(machine.entries(), ["base_1.0.efi"]);
        assert_eq!(machine.state, State::default());
    }
    let mut machine = Machine::new();
    let longer = [good.as_slice(), b"x"].concat();
    let error = machine.install(&longer).unwrap_err();
    assert!(
        matches!(error, UpdateError::Payload { source: PayloadError::Trailing { .. } }),
        "{error}"
    );
}

#[test]
fn what_is_not_for_this_machine_is_refused_before_anything_is_written() {
    let mut machine = Machine::new();
    machine.power.0.set(Some(0));
    let other = ImageName { id: "other".parse().unwrap(), ..name("1.1") };
    let arm = ImageName { architecture: Architecture::Arm64, ..name("1.1") };
    for image in [other, arm] {
        let error = machine.install(&payload_of(&image, None)).unwrap_err();
        assert!(matches!(error, UpdateError::OtherImage { .. }), "{error}");
    }
    for (version, refusal) in [
        ("1.0", Refusal::Current),
        ("0.9", Refusal::Older { running: "1.0".parse().unwrap() }),
        ("01.0", Refusal::SameVersion),
    ] {
        match machine.install(&payload(version, None)).unwrap_err() {
            UpdateError::Refused { refusal: actual, .. } => assert_eq!(actual, refusal),
            error => panic!("{error}"),
        }
    }
    let stranger = PrivateKey::from_seed(&[2; 32], "x".parse().unwrap(), KeyKind::Release);
    let keys = TrustedKeys::new(vec![stranger.public()], &BTreeSet::new(), 1).unwrap();
    let mut disk = machine.disk();
    let mut updater = Updater {
        running: &machine.running,
        disk: &mut disk,
        esp: machine.dir.path(),
        keys: &keys,
        folder: &StateFolder::new(machine.dir.path().join("agent")),
    };
    let options = UpdateOptions {
        tries: 3,
        permissions: Permissions::default(),
        network: false,
        boot: "this".to_owned(),
    };
    let good = payload("1.1", None);
    let result = updater.install(Cursor::new(good), &mut State::default(), options, &mut |_| {});
    let error = result.unwrap_err();
    assert!(
        matches!(error, UpdateError::Payload { source: PayloadError::Signature { .. } }),
        "{error}"
    );
}

#[test]
fn the_only_good_release_is_not_overwritten() {
    let mut machine = Machine::new();
    machine.install(&payload("1.1", Some("1.0"))).unwrap();
    assert_eq!(machine.state.pending.as_ref().unwrap().floor, Some("1.0".parse().unwrap()));
    machine.running.image = name("1.1");
    machine.running.root_hash = tree("1.1").root_hash;
    let error = machine.install(&payload("1.2", None)).unwrap_err();
    assert!(matches!(error, UpdateError::OnTrial { .. }), "{error}");
    fs::remove_file(machine.dir.path().join("EFI/Linux/base_1.1+3.efi")).unwrap();
    let error = machine.install(&payload("1.2", None)).unwrap_err();
    assert!(matches!(error, UpdateError::NothingToFallBackTo { .. }), "{error}");
    assert_eq!(machine.entries(), ["base_1.0.efi"]);
}
