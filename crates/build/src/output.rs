use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flagstone_artifact::ImageName;

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
}

/// The list of digests, in the format of `sha256sum`.
pub(crate) const SUMS: &str = "SHA256SUMS";

impl Names {
    /// Returns the names for one release of an image.
    pub fn new(name: &ImageName) -> Self {
        Self { base: name.to_string() }
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

    /// Returns the name of the manifest.
    pub fn manifest(&self) -> String {
        format!("{}.manifest.json", self.base)
    }

    /// Returns all names, the list of digests too, in the order they are published: what describes
    /// the others comes last.
    pub fn all(&self) -> [String; 6] {
        [self.usr(), self.verity(), self.uki(), self.raw(), self.manifest(), SUMS.to_owned()]
    }
}

/// The output folder while a build runs: files grow in a hidden folder inside it and get their
/// names together at the end.
#[derive(Debug)]
pub(crate) struct Output {
    dir: PathBuf,
    staging: tempfile::TempDir,
}

impl Output {
    /// Prepares the folder.
    pub(crate) fn open(dir: &Path, names: &Names, existing: Existing) -> Result<Self, BuildError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Write { path, source }
        };
        fs::create_dir_all(dir).map_err(error(dir))?;
        if existing == Existing::Refuse {
            let taken = names.all().map(|name| dir.join(name)).into_iter().find(|p| p.exists());
            if let Some(path) = taken {
                return Err(BuildError::Exists { path });
            }
        }
        let staging =
            tempfile::Builder::new().prefix(".flagstone-").tempdir_in(dir).map_err(error(dir))?;
        Ok(Self { dir: dir.to_owned(), staging })
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
    /// The list of digests of an earlier build goes first and the new one comes last, so that an
    /// interrupted build never leaves a list that speaks of other files.
    pub(crate) fn publish(self, names: &Names) -> Result<(), BuildError> {
        for name in names.all() {
            let path = self.path(&name);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|source| BuildError::Write { path, source })?;
        }
        let sums = self.dir.join(SUMS);
        if let Err(source) = fs::remove_file(&sums)
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(BuildError::Write { path: sums, source });
        }
        for name in names.all() {
            let path = self.dir.join(&name);
            fs::rename(self.path(&name), &path)
                .map_err(|source| BuildError::Write { path, source })?;
        }
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| BuildError::Write { path: self.dir.clone(), source })
    }
}
