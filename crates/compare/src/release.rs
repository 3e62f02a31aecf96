use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Architecture, ArtifactRecord, ImageName, Manifest, Sha256Digest};
use flagstone_boot::Uki;
use flagstone_image::erofs::read::ReadAt as _;
use flagstone_recipe::Lock;
use serde::Serialize;

use crate::CompareError;
use crate::accounts::Accounts;
use crate::disk::{self, PartitionSize};
use crate::kernel::Kernel;
use crate::manifest::read_manifest;
use crate::packages::{self, Packages};
use crate::usr::{EROFS_MAGIC, Usr};
use crate::window::Window;

/// How much of a file tells what it is.
const HEAD: usize = 4096;

/// The longest kernel image and the longest lock.
pub(crate) const UKI_MAX: u64 = 512 << 20;
const LOCK_MAX: u64 = 16 << 20;

/// What a release is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// A disk image with a partition table.
    Disk,
    /// An image of /usr.
    UsrImage,
    /// A unified kernel image.
    KernelImage,
    /// A manifest, with the artefacts beside it.
    Manifest,
    /// A lock.
    Lock,
}

impl InputKind {
    /// Returns its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk image",
            Self::UsrImage => "usr image",
            Self::KernelImage => "kernel image",
            Self::Manifest => "manifest",
            Self::Lock => "lock",
        }
    }
}

/// What a release says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The file, as it was named.
    pub path: String,
    /// What it is.
    pub kind: InputKind,
    /// The image's id.
    pub id: Option<String>,
    /// The image's version.
    pub version: Option<String>,
    /// The image's architecture.
    pub architecture: Option<Architecture>,
    /// The date of everything in it, in seconds since 1970-01-01 UTC.
    pub source_date: Option<i64>,
    /// The Flagstone that built it.
    pub flagstone_version: Option<String>,
    /// The dm-verity root hash of its /usr.
    pub root_hash: Option<Sha256Digest>,
}

/// One of the two releases that are compared, opened.
#[derive(Debug)]
pub struct Release {
    pub(crate) side: Side,
    pub(crate) packages: Option<Packages>,
    pub(crate) lock: Option<Lock>,
    pub(crate) usr: Option<Usr>,
    pub(crate) kernel: Kernel,
    pub(crate) accounts: Option<Accounts>,
    /// By the part of the name that follows id, version and architecture.
    pub(crate) artifacts: Option<BTreeMap<String, ArtifactRecord>>,
    pub(crate) partitions: Option<Vec<PartitionSize>>,
    pub(crate) notes: Vec<String>,
}

impl Release {
    /// Opens whatever a path names, by what is in it.
    ///
    /// # Errors
    /// [`CompareError`] if it is nothing that can be compared, or damaged.
    pub fn open(path: &Path) -> Result<Self, CompareError> {
        let metadata = fs::metadata(path).map_err(CompareError::read(path))?;
        let file = if metadata.is_dir() { manifest_in(path)? } else { path.to_owned() };
        let window = Window::open(&file)?;
        let head = window.head(HEAD).map_err(CompareError::read(&file))?;
        let mut release = match recognise(&head).map_err(|found| {
            let path = file.clone();
            CompareError::Unknown { path, found }
        })? {
            InputKind::Disk => Self::disk(&file, &window)?,
            InputKind::UsrImage => {
                let mut release = Self::empty(&file, InputKind::UsrImage);
                release.usr = Some(Usr::open(window, &file)?);
                release
            }
            InputKind::KernelImage => {
                let mut release = Self::empty(&file, InputKind::KernelImage);
                release.read_uki(&file, &read_all(&window, &file, UKI_MAX)?)?;
                release
            }
            InputKind::Manifest => Self::manifest(&file)?,
            InputKind::Lock => Self::lock(&file, &read_all(&window, &file, LOCK_MAX)?)?,
        };
        release.read_usr()?;
        Ok(release)
    }

    /// Returns every path in some folders of /usr, and whether it is a folder; `None` for what has no
    /// /usr. Paths are relative to /usr, links are not followed, and folders that are not there have
    /// nothing in them.
    ///
    /// # Errors
    /// [`CompareError`] if the image is damaged there.
    pub fn usr_paths(
        &self,
        folders: &[&str],
    ) -> Result<Option<BTreeMap<String, bool>>, CompareError> {
        let Some(usr) = &self.usr else { return Ok(None) };
        let mut paths = BTreeMap::new();
        for folder in folders {
            usr.list(folder, &mut paths)?;
        }
        Ok(Some(paths))
    }

    fn empty(path: &Path, kind: InputKind) -> Self {
        Self {
            side: Side {
                path: path.display().to_string(),
                kind,
                id: None,
                version: None,
                architecture: None,
                source_date: None,
                flagstone_version: None,
                root_hash: None,
            },
            packages: None,
            lock: None,
            usr: None,
            kernel: Kernel::default(),
            accounts: None,
            artifacts: None,
            partitions: None,
            notes: Vec::new(),
        }
    }

    fn disk(path: &Path, window: &Window) -> Result<Self, CompareError> {
        let mut release = Self::empty(path, InputKind::Disk);
        let disk = disk::open(path, window)?;
        release.side.root_hash = disk.root_hash;
        release.partitions = Some(disk.partitions);
        release.notes = disk.notes;
        release.usr = Some(Usr::open(disk.usr, path)?);
        match disk.uki {
            Some(uki) => release.read_uki(path, &uki)?,
            None => release.note("there is no kernel image on the EFI system partition"),
        }
        Ok(release)
    }

    fn lock(path: &Path, text: &[u8]) -> Result<Self, CompareError> {
        let mut release = Self::empty(path, InputKind::Lock);
        let lock = Lock::parse(&path.display().to_string(), text)
            .map_err(|errors| CompareError::Lock(Box::new(errors)))?;
        release.side.architecture = Some(lock.architecture);
        release.side.source_date = Some(lock.date.unix_seconds());
        release.packages = Some(packages::of_lock(&lock));
        release.lock = Some(lock);
        Ok(release)
    }

    fn manifest(path: &Path) -> Result<Self, CompareError> {
        let mut release = Self::empty(path, InputKind::Manifest);
        let manifest = read_manifest(path)?;
        let base = base_name(&manifest);
        let folder = path.parent().unwrap_or(Path::new(""));
        release.packages = Some(packages::of_manifest(&manifest));
        let beside = |suffix: &str| folder.join(format!("{base}{suffix}"));
        let usr = beside(".usr.erofs");
        if release.is_beside(&usr, &manifest) {
            release.usr = Some(Usr::open(Window::open(&usr)?, &usr)?);
        }
        let uki = beside(".efi");
        if release.is_beside(&uki, &manifest) {
            let image = read_all(&Window::open(&uki)?, &uki, UKI_MAX)?;
            release.read_uki(&uki, &image)?;
        }
        // What the manifest says goes before what its artefacts say.
        let Manifest { id, version, architecture, .. } = &manifest;
        release.side.id = Some(id.to_string());
        release.side.version = Some(version.to_string());
        release.side.architecture = Some(*architecture);
        release.side.source_date = Some(manifest.source_date);
        release.side.flagstone_version = Some(manifest.flagstone_version);
        release.side.root_hash = Some(manifest.root_hash);
        let suffix = |name: String| name.strip_prefix(&base).map(str::to_owned).unwrap_or(name);
        let artifacts = manifest.artifacts.into_iter();
        release.artifacts = Some(artifacts.map(|(name, record)| (suffix(name), record)).collect());
        Ok(release)
    }

    /// Tells whether an artefact of a manifest is there, and notes what is odd about it.
    fn is_beside(&mut self, path: &Path, manifest: &Manifest) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(metadata) = fs::metadata(path) else {
            self.note(&format!(
                "{name} is not beside the manifest, so what is in it is not compared"
            ));
            return false;
        };
        let (found, expected) = (metadata.len(), manifest.artifacts.get(&name).map(|r| r.size));
        if let Some(expected) = expected.filter(|&expected| expected != found) {
            self.note(&format!(
                "{name} has {found} bytes, and its manifest says {expected}: it was changed after the build"
            ));
        }
        true
    }

    fn note(&mut self, text: &str) {
        self.notes.push(format!("{}: {text}", self.side.path));
    }

    fn read_uki(&mut self, path: &Path, image: &[u8]) -> Result<(), CompareError> {
        let uki = Uki::parse(image)
            .map_err(|source| CompareError::Uki { path: path.to_owned(), source })?;
        let section = |name: &str| {
            let text = uki.section(name).map(String::from_utf8_lossy)?;
            Some(text.trim_end_matches(['\0', '\n']).to_owned())
        };
        self.kernel.version = section(".uname");
        self.kernel.command_line = section(".cmdline");
        if let Some(line) = &self.kernel.command_line {
            let mut words = line.split_ascii_whitespace();
            let hash = words.find_map(|word| word.strip_prefix("usrhash="));
            let hash = hash.and_then(|hash| hash.parse().ok());
            self.side.root_hash = self.side.root_hash.or(hash);
        }
        self.side.architecture = self.side.architecture.or(uki.architecture());
        if let Some(text) = section(".osrel") {
            self.read_os_release(&text);
        }
        Ok(())
    }

    fn read_usr(&mut self) -> Result<(), CompareError> {
        let Some(usr) = self.usr.take() else { return Ok(()) };
        if let Some(text) = usr.text("lib/os-release", 1 << 16)? {
            self.read_os_release(&text);
        }
        if self.packages.is_none() {
            self.packages = packages::of_usr(&usr)?;
        }
        self.kernel.read_usr(&usr)?;
        self.accounts = Accounts::of_usr(&usr)?;
        if self.side.source_date.is_none() {
            self.side.source_date = Some(usr.image.build_time().seconds);
        }
        self.usr = Some(usr);
        Ok(())
    }

    /// Takes names from os-release(5), where nothing better is known.
    fn read_os_release(&mut self, text: &str) {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let Side { id, version, architecture, .. } = &mut self.side;
        *id = id.take().or_else(|| value("IMAGE_ID"));
        *version = version.take().or_else(|| value("IMAGE_VERSION"));
        *architecture = architecture.or_else(|| value("ARCHITECTURE")?.parse().ok());
    }
}

/// Returns how the names of a manifest's artefacts begin.
pub(crate) fn base_name(manifest: &Manifest) -> String {
    let Manifest { id, version, architecture, .. } = manifest;
    let (id, version) = (id.clone(), version.clone());
    ImageName { id, version, architecture: *architecture }.to_string()
}

/// Returns the only manifest in a folder.
pub(crate) fn manifest_in(folder: &Path) -> Result<PathBuf, CompareError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(CompareError::read(folder))? {
        let path = entry.map_err(CompareError::read(folder))?.path();
        if path.to_string_lossy().ends_with(".manifest.json") {
            found.push(path);
        }
    }
    found.sort();
    let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(_) => Err(CompareError::Unfit {
            path: folder.to_owned(),
            place: "the folder".to_owned(),
            expected: "one file *.manifest.json".to_owned(),
            found: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            hint: "name a file in it",
        }),
    }
}

/// Reads a file of which the length is known to be bounded.
pub(crate) fn read_all(window: &Window, path: &Path, most: u64) -> Result<Vec<u8>, CompareError> {
    if window.size() > most {
        return Err(CompareError::Unfit {
            path: path.to_owned(),
            place: "the file".to_owned(),
            expected: format!("at most {most} bytes"),
            found: format!("{} bytes", window.size()),
            hint: "name a file that `flagstone` wrote",
        });
    }
    let mut bytes = vec![0; usize::try_from(window.size()).unwrap_or_default()];
    window.read_exact_at(&mut bytes, 0).map_err(CompareError::read(path))?;
    Ok(bytes)
}

/// Tells by its beginning what a file is, or else what it is not.
fn recognise(head: &[u8]) -> Result<InputKind, String> {
    let has = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    // A protective MBR has one partition of type 0xee (UEFI 2.10, 5.2.3).
    let protected = has(510, &[0x55, 0xaa]) && has(450, &[0xee]);
    if has(512, b"EFI PART") || protected {
        return Ok(InputKind::Disk);
    }
    if has(1024, &EROFS_MAGIC) {
        return Ok(InputKind::UsrImage);
    }
    if has(0, b"MZ") {
        return Ok(InputKind::KernelImage);
    }
    let known: [(&[u8], &str); 6] = [
        (&[0x1f, 0x8b], "compressed with gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "compressed with xz"),
        (b"QFI\xfb", "a qcow2 image"),
        (b"hsqs", "a squashfs image"),
        (b"\x7fELF", "an ELF program"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| has(0, magic)) {
        return Err((*name).to_owned());
    }
    if head.is_empty() {
        return Err("empty".to_owned());
    }
    if let Some(text) = text(head) {
        return if text.trim_start().starts_with('{') {
            Ok(InputKind::Manifest)
        } else if text.lines().any(|line| line.starts_with("format =")) {
            Ok(InputKind::Lock)
        } else {
            Err("a text".to_owned())
        };
    }
    if head.iter().all(|&byte| byte == 0) {
        return Err("a file that begins with zeros".to_owned());
    }
    let start: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Err(format!("a file that begins with {}", start.join(" ")))
}

/// Returns the beginning of a text, of which the last character may be cut.
fn text(head: &[u8]) -> Option<&str> {
    if head.contains(&0) {
        return None;
    }
    match str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&head[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginning() {
        let mut erofs = vec![0; 4096];
        erofs[1024..1028].copy_from_slice(&EROFS_MAGIC);
        let mut disk = vec![0; 4096];
        disk[512..520].copy_from_slice(b"EFI PART");
        for (head, expected) in [
            (erofs, Ok(InputKind::UsrImage)),
            (disk, Ok(InputKind::Disk)),
            (b"MZ\0\0".to_vec(), Ok(InputKind::KernelImage)),
            (b" {\"a\": 1}".to_vec(), Ok(InputKind::Manifest)),
            (b"# x\nformat = 1\n".to_vec(), Ok(InputKind::Lock)),
            (b"hello\n".to_vec(), Err("a text")),
            (Vec::new(), Err("empty")),
            (vec![0; 600], Err("a file that begins with zeros")),
            (vec![0x28, 0xb5, 0x2f, 0xfd, 0], Err("compressed with zstd")),
            (vec![1, 2, 0xff], Err("a file that begins with 01 02 ff")),
        ] {
            assert_eq!(recognise(&head), expected.map_err(str::to_owned));
        }
    }
}
