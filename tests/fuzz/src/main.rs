//! Feeds libFuzzer's inputs to whatever reads data that others made. `FLAGSTONE_FUZZ` names the
//! target; `tests/fuzz/run` builds and runs them all.
#![no_main]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Sums};
use flagstone_boot::Uki;
use flagstone_butane::{is_butane, translate};
use flagstone_caches::{Caches, ToolVersions};
use flagstone_compare::{Comparison, HtmlReport, Release};
use flagstone_debian::{
    ArchiveId, Copyright, Deb, DebVersion, Dependency, Keyring, Origin, Relation, Stanzas,
    Universe, VerifiedRelease, VersionPattern, parse_date, parse_sources,
};
use flagstone_disk::{EspReader, grow_table};
use flagstone_ignition::{Shipped, Written, check, check_translated};
use flagstone_image::erofs::read::Image;
use flagstone_image::erofs::{ClusterSize, Compression};
use flagstone_index::{Elf, Hwdb, KernelModules};
use flagstone_payload::{
    Compressor, Manifest, Metadata as PayloadMetadata, Method, Patch, PatchLengths, Signable,
    rebuild,
};
use flagstone_recipe::{Lock, Reader, Recipe};
use flagstone_repository::{Offer, check_root};
use flagstone_rootfs::{
    ArchiveData, ContentSink, FinishInput, MergeInput, PackageArchive, PruneList, UnitsInput,
    finish, merge, split_archive,
};
use flagstone_scripts::{Knowledge, Paths, ScriptKind, Survey};
use flagstone_serve::{DhcpPacket, HttpBoot, ProxyAnswer, ProxySettings, TftpPacket};
use flagstone_signature::{PrivateKey, PublicKey, Signatures, TrustedKeys};
use flagstone_store::Pack;
use flagstone_tree::{Data, Inode, Metadata, Mtime, Tree};

/// Every target by its name.
const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("butane", butane),
    ("channel", channel),
    ("comparison", comparison),
    ("control", control),
    ("copyright", copyright),
    ("deb", deb),
    ("dependencies", dependencies),
    ("desktop", desktop),
    ("dhcp", dhcp),
    ("elf", elf),
    ("erofs", erofs),
    ("fat", fat),
    ("growth", growth),
    ("hwdb", hwdb),
    ("ignition", ignition),
    ("keys", keys),
    ("lock", lock),
    ("mime", mime),
    ("module", module),
    ("pack", pack),
    ("packages", packages),
    ("patch", patch),
    ("payload", payload),
    ("pe", pe),
    ("pmanifest", pmanifest),
    ("recipe", recipe),
    ("release", release),
    ("schemas", schemas),
    ("root", root),
    ("script", script),
    ("signatures", signatures),
    ("sums", sums),
    ("tar", tar),
    ("system", system),
    ("tftp", tftp),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| target()(data));

fn target() -> fn(&[u8]) {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("FLAGSTONE_FUZZ").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("FLAGSTONE_FUZZ={name:?} is no target")).1
    })
}

const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

/// A partition table that has to fit another disk, with whatever follows it.
fn growth(data: &[u8]) {
    let size = data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    for disk_bytes in [1 << 30, size] {
        if let Ok(grown) = grow_table(data, disk_bytes) {
            let again = grow_table(&grown.start, disk_bytes).expect("what is written is read");
            assert_eq!(again, grown);
        }
    }
}

/// A configuration in Butane: what becomes of it is JSON, and every finding has a place.
fn butane(data: &[u8]) {
    let _ = is_butane("-", data);
    let compact = translate("a.bu", data, None, false);
    let pretty = translate("a.bu", data, None, true);
    match (compact, pretty) {
        (Ok(compact), Ok(pretty)) => {
            for translation in [compact, pretty] {
                let text = translation.source.as_str();
                let place = |at| translation.places.of(at);
                let written = Written { path: "a.bu", text, place: &place };
                let report = check_translated(&translation.json, &written, None);
                for finding in &report.findings {
                    assert!(!finding.diagnostic.message.contains("no JSON"), "{finding:?}");
                    assert!(!finding.diagnostic.message.contains("wrong type"), "{finding:?}");
                }
            }
        }
        (Err(compact), Err(pretty)) => {
            assert_eq!(compact, pretty);
            assert!(!compact.errors.is_empty());
            for error in &compact.errors {
                assert!(!error.to_string().contains('\0'));
            }
        }
        other => panic!("one is refused: {other:?}"),
    }
}

/// A configuration for Ignition, with and without an image.
fn ignition(data: &[u8]) {
    let shipped = Shipped::default();
    for shipped in [None, Some(&shipped)] {
        let report = check("a.ign", data, shipped);
        assert!(report.errors + report.warnings >= report.findings.len());
        for finding in &report.findings {
            assert!(!finding.diagnostic.to_string().contains('\0'));
        }
    }
}

fn keys(data: &[u8]) {
    if let Ok(key) = PublicKey::parse(data) {
        assert_eq!(key.to_text().as_bytes(), data);
    }
    if let Ok(key) = PrivateKey::parse(data) {
        assert_eq!(key.to_text().as_bytes(), data);
    }
    let _ = TrustedKeys::parse_revoked(data);
}

fn signatures(data: &[u8]) {
    if let Ok(signatures) = Signatures::parse(data) {
        assert_eq!(signatures.to_text().as_bytes(), data);
    }
}

/// A channel file: what is written is read as what it was.
fn channel(data: &[u8]) {
    if let Ok(offer) = Offer::parse("a", data) {
        assert_eq!(Offer::parse("a", &offer.to_bytes()).expect("it is read again"), offer);
    }
}

/// Root metadata of a repository.
fn root(data: &[u8]) {
    let _ = check_root(data);
}

fn sums(data: &[u8]) {
    if let Ok(sums) = Sha256Sums::parse(data) {
        for (name, digest) in sums.iter() {
            assert!(!name.contains('/') && sums.get(name) == Some(digest));
        }
    }
}

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// A tree with one file.
fn tree(path: &str, data: &[u8]) -> Tree {
    let mut tree = Tree::new(META);
    tree.put(path, META, Inode::file(META, data.to_vec())).expect("the path is sound");
    tree
}

/// Any file that is to be compared: what it is, its content says.
fn comparison(data: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder can be made"));
    let path = folder.path().join("input");
    let mut image = data.to_vec();
    if let Some(compat) = image.get_mut(1024 + 8) {
        *compat &= !1;
    }
    std::fs::write(&path, image).expect("a file can be written");
    let both = Release::open(&path).and_then(|old| Ok((old, Release::open(&path)?)));
    if let Ok((old, new)) = both
        && let Ok(comparison) = Comparison::between(&old, &new)
    {
        assert!(comparison.identical);
        HtmlReport { comparison: &comparison }.to_string();
    }
}

fn control(data: &[u8]) {
    for stanza in Stanzas::new(text(data)).with_comments().flatten() {
        assert!(!stanza.fields().is_empty());
    }
    let _ = parse_sources(text(data), true);
    let _ = parse_sources(text(data), false);
    let _ = parse_date(text(data));
}

fn copyright(data: &[u8]) {
    let _ = Copyright::parse(text(data));
}

fn deb(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    if let Ok(deb) = Deb::parse(&data) {
        let _ = deb.control().stanza();
        let _ = deb.data_tar();
    }
}

fn dependencies(data: &[u8]) {
    let text = text(data);
    for dependency in Dependency::parse_list(text).unwrap_or_default() {
        let shown = dependency.to_string();
        assert_eq!(shown.parse::<Dependency>().expect("what is written is read"), dependency);
    }
    let _ = Relation::parse_list(text);
    if let Ok(pattern) = text.parse::<VersionPattern>() {
        assert_eq!(pattern.to_string(), text);
    }
    let versions: Vec<DebVersion> =
        text.split(' ').filter_map(|v| v.parse().ok()).take(3).collect();
    for a in &versions {
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            for c in &versions {
                assert!(!(a <= b && b <= c) || a <= c, "{a} {b} {c}");
            }
        }
    }
}

/// Makes the caches of a tree that has a tool and, under each path, the bytes.
fn caches(tool: &str, paths: &[&str], data: &[u8]) {
    let mut tree = tree(tool, b"");
    for path in paths {
        tree.put(path, META, Inode::file(META, data.to_vec())).expect("the path is sound");
    }
    if let Ok(caches) = Caches::make(&tree, &ToolVersions::default()) {
        let _ = caches.write(&mut tree, Mtime::from_seconds(0));
    }
}

/// A desktop entry, and names of icons: one a line.
fn desktop(data: &[u8]) {
    caches("usr/bin/update-desktop-database", &["usr/share/applications/a.desktop"], data);
    let names = text(data).lines().map(|name| format!("usr/share/icons/a/16x16/{name}.png"));
    let mut theme = tree("usr/bin/gtk-update-icon-cache", b"");
    for path in names.chain(["usr/share/icons/a/index.theme".to_owned()]) {
        let _ = theme.put(path, META, Inode::file(META, ""));
    }
    let _ = Caches::make(&theme, &ToolVersions::default());
}

fn elf(data: &[u8]) {
    if let Ok(elf) = Elf::parse(data) {
        let _ = elf.sections();
        let _ = elf.interpreter();
        let _ = elf.dynamic();
    }
}

/// The checksum is left out, which the fuzzer would never get right.
fn erofs(data: &[u8]) {
    let mut image = data.to_vec();
    if let Some(compat) = image.get_mut(1024 + 8) {
        *compat &= !1;
    }
    let _ = Image::open(image.as_slice()).and_then(|image| image.tree(1 << 20));
}

fn fat(data: &[u8]) {
    let read = |buffer: &mut [u8], offset: u64| -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = data.get(start..start.saturating_add(buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    let Ok(esp) = EspReader::open(&read) else { return };
    let mut folders = vec![Vec::new()];
    while let Some(names) = folders.pop() {
        let path: Vec<&str> = names.iter().map(String::as_str).collect();
        for entry in esp.folder(&path).unwrap_or_default() {
            if entry.is_folder && names.len() < 3 && folders.len() < 20 {
                folders.push([names.as_slice(), &[entry.name]].concat());
            } else {
                let _ = esp.content(&entry, 1 << 20);
            }
        }
    }
}

fn hwdb(data: &[u8]) {
    if let Ok(Some(hwdb)) = Hwdb::read(&tree("usr/lib/udev/hwdb.d/a.hwdb", data)) {
        let _ = hwdb.to_bytes(257);
    }
}

fn lock(data: &[u8]) {
    if let Ok(lock) = Lock::parse("a.lock", data) {
        let text = lock.render();
        assert_eq!(Lock::parse("b.lock", text.as_bytes()).expect("what is written is read"), lock);
    }
}

fn mime(data: &[u8]) {
    caches("usr/bin/update-mime-database", &["usr/share/mime/packages/a.xml"], data);
}

fn module(data: &[u8]) {
    for name in ["a.ko", "a.ko.xz", "a.ko.zst"] {
        let tree = tree(&format!("usr/lib/modules/1/kernel/{name}"), data);
        if let Ok(modules) = KernelModules::read(&tree, "1") {
            let _ = modules.write_indices(&mut tree.clone(), Mtime::from_seconds(0));
        }
    }
}

fn packages(data: &[u8]) {
    let mut universe = Universe::new("amd64");
    let origin = Origin { archive: ArchiveId::Main, suite: "trixie".into(), automatic: true };
    let _ = universe.add(text(data), &origin);
}

fn pe(data: &[u8]) {
    if let Ok(uki) = Uki::parse(data) {
        let _ = (uki.architecture(), uki.section(".linux"), uki.section(".cmdline"));
    }
}

/// A payload as it lies on a disk: everything but whether the signatures fit.
fn payload(data: &[u8]) {
    if let Ok(metadata) = PayloadMetadata::read(&mut &*data) {
        let _ = metadata.unverified_manifest();
    }
    if let Ok(signable) = Signable::read(data) {
        assert!(signable.key_ids().len() <= signable.slots());
    }
}

/// The data of an operation that patches, between two lengths before it and what it is made of after it,
/// as if enough keys had signed it.
fn patch(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<12>() else { return };
    let word = |n: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| head[4 * n + i]));
    // What the fuzzer has time for is less than what an operation may be.
    let [old, new, split] = [word(0) % (1 << 18), word(1) % (1 << 18), word(2)];
    let Some(lengths) = PatchLengths::new(old.into(), new.into()) else { return };
    let (data, old) = rest.split_at(rest.len().min(split as usize));
    let cluster = ClusterSize::new(8192).unwrap();
    let methods = [
        Compressor::Clusters { compression: Compression::Zstd { level: 1 }, cluster },
        Compressor::Clusters { compression: Compression::Lz4, cluster },
        Compressor::Frame { level: 1 },
    ];
    let methods = methods.map(Method::of);
    if let Ok(patch) = Patch::decode(data, lengths, &methods) {
        assert!(patch.differences.len() + patch.fresh.len() == lengths.new);
    }
    for blocks in 1..4 {
        if let Ok(made) = rebuild(data, old, lengths, &methods, blocks * 4096) {
            assert_eq!(made.len(), blocks * 4096);
        }
    }
}

/// The manifest of a payload, as if enough keys had signed it.
fn pmanifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        let again = Manifest::parse(&manifest.to_bytes()).expect("what is written is read");
        assert_eq!(again, manifest);
    }
}

struct Same(Vec<u8>);

impl Reader for Same {
    fn read(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

fn recipe(data: &[u8]) {
    let _ = Recipe::load("a.toml", &Same(data.to_vec())).map_err(|errors| errors.to_string());
}

fn release(data: &[u8]) {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    let keyring = KEYRING.get_or_init(Keyring::debian);
    let _ = VerifiedRelease::open(data, keyring, 1_800_000_000);
    let _ = Keyring::parse(data);
}

/// The input is a preinst, a postinst, a list of triggers and debconf's questions at once.
fn script(data: &[u8]) {
    let paths = Paths::from_iter(["usr/bin/a", "etc/a", "var/lib/a"]);
    let mut survey = Survey::new(&paths);
    survey.questions("a", data, Some(data));
    let text = [b"#!/bin/sh\n", data].concat();
    survey.script("a", ScriptKind::Preinst, &text);
    survey.script("a", ScriptKind::Postinst, &text);
    survey.triggers("a", data);
    let report = survey.finish(&Knowledge::default());
    for findings in report.scripts.values() {
        for finding in &findings.commands {
            assert!(!finding.command.contains('\n'), "{}", finding.command);
        }
    }
}

/// Schemas, overrides of them behind a NUL, and a value of every basic type.
fn schemas(data: &[u8]) {
    let tool = "usr/lib/a/glib-2.0/glib-compile-schemas";
    let directory = "usr/share/glib-2.0/schemas";
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let (source, overrides) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut tree = tree(tool, b"");
    let value = text(overrides).replace('&', "&amp;").replace('<', "&lt;");
    let keys = ["i", "t", "d", "s", "as", "v", "a{sv}", "m(sab)", "ay"].iter().enumerate();
    let keys = keys.map(|(index, kind)| {
        format!("<schema id=\"{index}\"><key name=\"k\" type=\"{kind}\"><default>{value}</default></key></schema>")
    });
    for (number, key) in keys.enumerate() {
        let list = format!("<schemalist>{key}</schemalist>");
        let path = format!("{directory}/{number}.gschema.xml");
        tree.put(path, META, Inode::file(META, list)).expect("the path is sound");
    }
    for (name, data) in [("z.gschema.xml", source), ("a.gschema.override", overrides)] {
        let path = format!("{directory}/{name}");
        tree.put(path, META, Inode::file(META, data.to_vec())).expect("the path is sound");
    }
    let _ = Caches::make(&tree, &ToolVersions::default());
}

/// Keeps what an archive is split into.
#[derive(Default)]
struct Kept {
    at_hand: Vec<u8>,
    all: Vec<Data>,
}

impl ContentSink for Kept {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.at_hand.extend_from_slice(data);
        Ok(())
    }

    fn end(&mut self, digest: Sha256Digest) -> io::Result<()> {
        assert_eq!(digest, Sha256Digest::of(&self.at_hand));
        self.all.push(Bytes::from(std::mem::take(&mut self.at_hand)).into());
        Ok(())
    }
}

fn tar(data: &[u8]) {
    // Two packages, so that they meet.
    let halves = data.split_at(data.len() / 1024 * 512);
    let merged = |split: fn(&[u8]) -> Option<ArchiveData>| {
        let archive = |name: &str, data: &[u8]| {
            let name = name.to_owned();
            Some(PackageArchive { name, data: split(data)?, conffiles: Vec::new() })
        };
        let archives = vec![archive("a", halves.0)?, archive("b", halves.1)?];
        let input = MergeInput { archives, prune: PruneList::standard(), ..MergeInput::default() };
        Some(merge(&input).ok()?.tree.digest().expect("all is in memory"))
    };
    let whole = merged(|data| Some(Bytes::copy_from_slice(data).into()));
    let split = merged(|data| {
        let mut kept = Kept::default();
        let headers = split_archive(data, &mut kept).ok()?.headers.into();
        Some(ArchiveData::Split { headers, contents: kept.all })
    });
    assert_eq!(whole, split, "a split archive is what the whole one is");
}

fn dhcp(data: &[u8]) {
    let Ok(packet) = DhcpPacket::parse(data) else { return };
    let again = DhcpPacket::parse(&packet.to_bytes());
    // What lay in other fields comes back as options, and the mark that it did stays.
    if !packet.options.contains_key(&52) {
        assert!(again.is_ok_and(|again| again.options == packet.options));
    }
    let settings = ProxySettings {
        address: Ipv4Addr::LOCALHOST,
        base: "http://127.0.0.1".to_owned(),
        bios: Some("a".to_owned()),
        efi_x86_64: Some("b".to_owned()),
        efi_arm64: None,
        http_boot: HttpBoot::Uki,
    };
    for is_boot_port in [false, true] {
        let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
        if let Some(answer) = ProxyAnswer::to(&packet, from, is_boot_port, &settings, Some("c")) {
            let read = DhcpPacket::parse(&answer.packet.to_bytes());
            assert_eq!(read.as_ref(), Ok(&answer.packet));
        }
    }
}

fn tftp(data: &[u8]) {
    if let Ok(packet) = TftpPacket::parse(data) {
        assert_eq!(TftpPacket::parse(&packet.to_bytes()).as_ref(), Ok(&packet));
    }
}

fn pack(data: &[u8]) {
    // A pack is opened under its own name alone, which comes 48 bytes before the end.
    let name = data.len().checked_sub(48).and_then(|at| data[at..].first_chunk());
    let name = Sha256Digest::from_bytes(*name.unwrap_or(&[0; 32]));
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join(name.to_string());
    std::fs::write(&path, data).expect("there is room");
    if let Ok(pack) = Pack::open(&path) {
        let sound = pack.records().iter().all(|record| pack.read(record).is_ok());
        assert_eq!(pack.check_all().is_ok(), sound);
    }
}

/// The files that the finishers read, each fed the same bytes.
fn system(data: &[u8]) {
    let mut tree = tree("usr/lib/sysusers.d/a.conf", data);
    for path in [
        "usr/lib/systemd/system/a.service",
        "usr/lib/systemd/system-preset/90-a.preset",
        "usr/share/base-passwd/passwd.master",
        "usr/share/base-passwd/group.master",
        "usr/share/pam-configs/a",
        "usr/share/ca-certificates/mozilla/a.crt",
        "etc/login.defs",
    ] {
        tree.put(path, META, Inode::file(META, data.to_vec())).expect("the path is sound");
    }
    let units = UnitsInput { enable: vec!["a.service".to_owned()], ..UnitsInput::default() };
    let _ = finish(&mut tree, &FinishInput { units, ..FinishInput::default() });
}
