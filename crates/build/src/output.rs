use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flagstone_artifact::{ImageName, Sha256Sums};
use rustix::fs::{FlockOperation, flock};

use crate::BuildError;

/// What to do about artefacts of an earlier build in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Stop before anything is done.
    Refuse,
    /// Replace them when the build has succeeded.
    Replace,
}

/// The names of the files that a build writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    base: String,
    netboot: bool,
}

/// The list of digests.
pub(crate) const SUMS: &str = Sha256Sums::FILE_NAME;

impl Names {
    /// Returns the names for one release of an image, with or without what boots from the network.
    pub fn new(name: &ImageName, netboot: bool) -> Self {
        Self { base: name.to_string(), netboot }
    }

    /// Returns the name of the disk image.
    pub fn raw(&self) -> String {
        format!("{}.raw", self.base)
    }

    /// Returns the name of the usr image.
    pub fn usr(&self) -> String {
        format!("{}.usr.erofs", self.base)
    }

    /// Returns the name of the usr image's hash tree.
    pub fn verity(&self) -> String {
        format!("{}.usr.verity", self.base)
    }

    /// Returns the name of the unified kernel image.
    pub fn uki(&self) -> String {
        format!("{}.efi", self.base)
    }

    /// Returns the name of the kernel that boots from the network.
    pub fn pxe_kernel(&self) -> String {
        format!("{}.pxe-vmlinuz", self.base)
    }

    /// Returns the name of the initrd that carries /usr.
    pub fn pxe_initrd(&self) -> String {
        format!("{}.pxe-initrd", self.base)
    }

    /// Returns the name of the unified kernel image with that initrd, for firmware that boots by HTTP.
    pub fn pxe_uki(&self) -> String {
        format!("{}.pxe.efi", self.base)
    }

    /// Returns the name of the script for iPXE.
    pub fn pxe_script(&self) -> String {
        format!("{}.pxe.ipxe", self.base)
    }

    /// Returns the name of the list of software in SPDX.
    pub fn spdx(&self) -> String {
        format!("{}.spdx.json", self.base)
    }

    /// Returns the name of the list of software in `CycloneDX`.
    pub fn cyclonedx(&self) -> String {
        format!("{}.cdx.json", self.base)
    }

    /// Returns the name of the manifest.
    pub fn manifest(&self) -> String {
        format!("{}.manifest.json", self.base)
    }

    /// Returns all names, the list of digests too, in the order they are published: what describes
    /// the others comes last.
    pub fn all(&self) -> Vec<String> {
        let mut names = self.parts();
        names.extend([self.raw(), self.manifest(), SUMS.to_owned()]);
        names
    }

    /// Returns the names that the manifest has a digest of, the disk's not among them.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut names = vec![self.usr(), self.verity(), self.uki(), self.spdx(), self.cyclonedx()];
        if self.netboot {
            names.extend([self.pxe_kernel(), self.pxe_initrd(), self.pxe_uki(), self.pxe_script()]);
        }
        names
    }
}

/// The output folder while a build runs: files grow in a hidden folder inside it and get their
/// names together at the end.
#[derive(Debug)]
pub(crate) struct Output {
    dir: PathBuf,
    staging: tempfile::TempDir,
    /// Held on the hidden folder, so that others can tell a running build from one that was killed.
    _lock: File,
}

/// How the names of hidden folders begin.
const STAGING_PREFIX: &str = ".flagstone-";

impl Output {
    /// Prepares the folder.
    pub(crate) fn open(
        dir: &Path,
        names: &[String],
        existing: Existing,
    ) -> Result<Self, BuildError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Write { path, source }
        };
        fs::create_dir_all(dir).map_err(error(dir))?;
        if existing == Existing::Refuse {
            let taken = names.iter().map(|name| dir.join(name)).find(|path| path.exists());
            if let Some(path) = taken {
                return Err(BuildError::Exists { path });
            }
        }
        remove_leftovers(dir).map_err(error(dir))?;
        let staging =
            tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(dir).map_err(error(dir))?;
        let lock = lock_folder(staging.path()).map_err(error(staging.path()))?;
        Ok(Self { dir: dir.to_owned(), staging, _lock: lock })
    }

    /// Returns where a file lies while it is written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.staging.path().join(name)
    }

    /// Creates a file to be written and read back.
    pub(crate) fn create(&self, name: &str) -> Result<File, BuildError> {
        let path = self.path(name);
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| BuildError::Write { path, source })
    }

    /// Writes a whole file.
    pub(crate) fn write(&self, name: &str, data: &[u8]) -> Result<(), BuildError> {
        let path = self.path(name);
        fs::write(&path, data).map_err(|source| BuildError::Write { path, source })
    }

    /// Gives the files their names.
    ///
    /// The list of digests of an earlier build goes first, with its signatures, and the new one comes
    /// last, so that an interrupted build never leaves a list that speaks of other files, nor any build
    /// signatures of another one.
    ///
    /// Nothing waits for the disk: it would take longer than all else when little has changed, and what
    /// a power cut takes can be built again. Whoever signs a release waits.
    pub(crate) fn publish(self, names: &[String]) -> Result<(), BuildError> {
        let replaced = [Sha256Sums::SIGNATURES_NAME, SUMS];
        for name in replaced.into_iter().filter(|_| names.iter().any(|name| name == SUMS)) {
            let path = self.dir.join(name);
            if let Err(source) = fs::remove_file(&path)
                && source.kind() != io::ErrorKind::NotFound
            {
                return Err(BuildError::Write { path, source });
            }
        }
        for name in names {
            let path = self.dir.join(name);
            fs::rename(self.path(name), &path)
                .map_err(|source| BuildError::Write { path, source })?;
        }
        Ok(())
    }
}

/// Removes the hidden folders of builds that were killed, with what their commands may have left.
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX);
        if hidden && entry.file_type()?.is_dir() && lock_folder(&entry.path()).is_ok() {
            flagstone_sandbox::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Locks a folder until the returned file is closed; fails if another process has it.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flagstone_artifact::Architecture;

    fn names() -> Names {
        Names::new(
            &ImageName {
                id: "base".parse().unwrap(),
                version: "1".parse().unwrap(),
                architecture: Architecture::X86_64,
            },
            true,
        )
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_a_killed_build_left_is_removed_and_a_running_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join(".flagstone-old");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("base_1_x86-64.raw"), "half").unwrap();
        let running = Output::open(dir.path(), &names().all(), Existing::Refuse).unwrap();
        assert!(!leftover.exists());
        let second = Output::open(dir.path(), &names().all(), Existing::Refuse).unwrap();
        assert!(running.path("").exists());
        drop((running, second));
        assert_eq!(entries(dir.path()), 0);
    }

    #[test]
    fn nothing_has_its_name_before_all_have() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::open(dir.path(), &names().all(), Existing::Refuse).unwrap();
        for name in names().all().iter().skip(1) {
            output.write(name, b"x").unwrap();
        }
        assert!(matches!(output.publish(&names().all()), Err(BuildError::Write { .. })));
        assert_eq!(entries(dir.path()), 0);
    }

    #[test]
    fn earlier_artefacts_are_replaced_only_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SUMS), "old").unwrap();
        fs::write(dir.path().join("SHA256SUMS.sig"), "over the old").unwrap();
        let refused = Output::open(dir.path(), &names().all(), Existing::Refuse);
        assert!(matches!(refused, Err(BuildError::Exists { .. })));
        let output = Output::open(dir.path(), &names().all(), Existing::Replace).unwrap();
        for name in names().all() {
            output.write(&name, b"new").unwrap();
        }
        output.publish(&names().all()).unwrap();
        assert_eq!(fs::read(dir.path().join(SUMS)).unwrap(), b"new");
        assert_eq!(entries(dir.path()), 12);
    }
}
