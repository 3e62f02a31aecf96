use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flagstone_artifact::{ImageName, Manifest as BuildManifest, Sha256Digest, Sha256Sums};
use flagstone_image::verity::Superblock;

use crate::{PARTITION_MAX, PartitionName, PayloadError, Release};

const MANIFEST_SUFFIX: &str = ".manifest.json";
/// The longest manifest of a build, in bytes.
const MANIFEST_MAX: u64 = 64 << 20;
/// Bytes of a hash tree's superblock.
const SUPERBLOCK_BYTES: u64 = 512;

/// The files of one build that a payload is made of.
#[derive(Debug)]
pub struct ReleaseFolder {
    /// What is released, as far as the build says.
    pub release: Release,
    usr: Artifact,
    uki: Artifact,
}

/// A file and the digest that it must have.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) digest: Sha256Digest,
}

impl ReleaseFolder {
    /// Opens the folder of one build. The manifest's digest is checked here, those of the images
    /// when they are read.
    ///
    /// # Errors
    /// [`PayloadError::Folder`], [`PayloadError::File`], [`PayloadError::Understand`],
    /// [`PayloadError::Artifact`], [`PayloadError::Length`].
    pub fn open(dir: &Path) -> Result<Self, PayloadError> {
        let amiss = |rule| PayloadError::Folder { path: dir.to_owned(), rule };
        let sums_path = dir.join(Sha256Sums::FILE_NAME);
        if !sums_path.exists() {
            return Err(amiss("there is no SHA256SUMS"));
        }
        let sums = read_bounded(&sums_path, Sha256Sums::text_max())?;
        let sums = Sha256Sums::parse(&sums).map_err(|e| understand(&sums_path, e))?;
        let mut manifests = sums.iter().filter(|(name, _)| name.ends_with(MANIFEST_SUFFIX));
        let (Some((name, digest)), None) = (manifests.next(), manifests.next()) else {
            return Err(amiss("SHA256SUMS lists one manifest"));
        };
        let manifest = read_manifest(&dir.join(name), digest)?;
        let image = ImageName {
            id: manifest.id,
            version: manifest.version,
            architecture: manifest.architecture,
        };
        let open = |suffix: &str, rule| {
            let name = format!("{image}.{suffix}");
            Artifact::open(dir.join(&name), sums.get(&name).ok_or(amiss(rule))?)
        };
        let usr = open("usr.erofs", "SHA256SUMS lists the usr image")?;
        let uki = open("efi", "SHA256SUMS lists the unified kernel image")?;
        let verity = dir.join(format!("{image}.usr.verity"));
        let verity = read_superblock(&verity)?;
        let uki_file_name = format!("{}.efi", image.usr_label());
        let release = Release {
            image,
            source_date: manifest.source_date,
            root_hash: manifest.root_hash,
            verity: verity.parameters,
            version_floor: None,
            uki_file_name,
            old_root_hash: None,
        };
        Ok(Self { release, usr, uki })
    }
}

impl ReleaseFolder {
    pub(crate) fn artifact(&self, name: PartitionName) -> &Artifact {
        match name {
            PartitionName::Usr => &self.usr,
            PartitionName::Uki => &self.uki,
        }
    }
}

impl Artifact {
    fn open(path: PathBuf, digest: Sha256Digest) -> Result<Self, PayloadError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) =
            opened.map_err(|source| PayloadError::File { path: path.clone(), source })?;
        if !(1..=PARTITION_MAX).contains(&size) {
            return Err(PayloadError::Length { path, limit: PARTITION_MAX, actual: size });
        }
        Ok(Self { path, file, size, digest })
    }

    /// Reads a part of it, with zeros after its end; `None` if it cannot be read. The caller has bounded
    /// the length.
    pub(crate) fn read_whole(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let stored = self.size.saturating_sub(range.start);
        let stored = usize::try_from(stored).unwrap_or(usize::MAX).min(length);
        let mut data = vec![0; length];
        self.file.read_exact_at(&mut data[..stored], range.start).ok()?;
        Some(data)
    }

    /// Refuses a file that is not the one that was listed.
    pub(crate) fn check(&self, actual: Sha256Digest) -> Result<(), PayloadError> {
        if self.digest == actual {
            return Ok(());
        }
        Err(PayloadError::Artifact { path: self.path.clone(), expected: self.digest, actual })
    }
}

fn read_manifest(path: &Path, expected: Sha256Digest) -> Result<BuildManifest, PayloadError> {
    let text = read_bounded(path, MANIFEST_MAX)?;
    let actual = Sha256Digest::of(&text);
    if actual != expected {
        return Err(PayloadError::Artifact { path: path.to_owned(), expected, actual });
    }
    serde_json::from_slice(&text).map_err(|e| understand(path, e))
}

/// Reads salt and id of the hash tree. Nothing is believed of them: the tree that they give has
/// to have the root hash.
fn read_superblock(path: &Path) -> Result<Superblock, PayloadError> {
    let failed = |source| PayloadError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.take(SUPERBLOCK_BYTES).read_to_end(&mut start).map_err(failed)?;
    Superblock::parse(&start).map_err(|e| understand(path, e))
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, PayloadError> {
    let failed = |source| PayloadError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text).map_err(failed)?;
    let actual = text.len() as u64;
    if actual > limit {
        return Err(PayloadError::Length { path: path.to_owned(), limit, actual });
    }
    Ok(text)
}

fn understand(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> PayloadError {
    PayloadError::Understand { path: path.to_owned(), source: Box::new(source) }
}
