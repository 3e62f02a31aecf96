//! Signed images, and tools that judge.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_disk::{
    Content, EspOptions, Layout, LayoutRequest, PartitionSizes, Role, build_esp, write_disk,
};
use flagstone_signature::{KeyKind, PrivateKey, Signatures, Statement};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Finds a tool; a missing one skips the check, or fails it if judges are required.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{name} is missing");
        println!("skipped: {name} is missing");
    }
    found
}

/// A folder with `out/a.raw`, signed by key 1, and `keys` that trusts key 1.
pub(crate) struct Release {
    dir: TempDir,
}

impl Release {
    pub(crate) fn new() -> Self {
        let release = Self { dir: TempDir::new().unwrap() };
        fs::create_dir(release.path("out")).unwrap();
        fs::create_dir(release.path("keys")).unwrap();
        write_image(&release.image());
        fs::write(release.path("out/SHA256SUMS"), release.sums("a.raw")).unwrap();
        release.sign_with(1, "sha256sums");
        key(1).public().write(&release.path("keys/a.pub")).unwrap();
        release
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path("out/a.raw")
    }

    pub(crate) fn image_bytes(&self) -> u64 {
        fs::metadata(self.image()).unwrap().len()
    }

    pub(crate) fn sums(&self, name: &str) -> String {
        format!("{}  {name}\n", Sha256Digest::of(&fs::read(self.image()).unwrap()))
    }

    pub(crate) fn sign_with(&self, number: u8, purpose: &str) {
        let text = fs::read(self.path("out/SHA256SUMS")).unwrap();
        let statement = Statement::about(purpose.parse().unwrap(), &text);
        let mut signatures = Signatures::new(purpose.parse().unwrap());
        let key = key(number);
        signatures.add(key.public().id(), key.sign(&statement)).unwrap();
        fs::write(self.path("out/SHA256SUMS.sig"), signatures.to_text()).unwrap();
    }

    pub(crate) fn append(&self, path: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(path)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Changes one byte in the middle of a partition.
    pub(crate) fn change_image(&self) {
        let file = OpenOptions::new().write(true).open(self.image()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 5 * MIB).unwrap();
    }
}

fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32], "test".parse().unwrap(), KeyKind::Development)
}

/// Writes an image with something in its ESP and slot A, and an OEM partition that FAT32 fits.
fn write_image(path: &Path) {
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
            esp_bytes: 33 * MIB,
            usr_bytes: 4 * MIB,
            verity_bytes: MIB,
            oem_bytes: 33 * MIB,
            root_bytes: MIB,
            head_room_percent: 10,
        },
        seed: b"seed",
    })
    .unwrap();
    let options = EspOptions {
        size_bytes: 33 * MIB,
        volume_id: layout.esp_volume_id(),
        label: "EFI-SYSTEM".to_owned(),
        source_date: 0,
    };
    let kernel = vec![3; 3 << 20].into();
    let esp = build_esp(&[("EFI/Linux/a.efi".parse().unwrap(), kernel)], &options).unwrap();
    let usr = vec![7; 2 << 20];
    let contents = BTreeMap::from([
        (Role::Esp, Content::Sparse(&esp)),
        (Role::UsrA, Content::stream(&usr[..], 2 * MIB)),
    ]);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).open(path).unwrap();
    write_disk(&layout, contents, &mut file).unwrap();
}
