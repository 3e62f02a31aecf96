use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flagstone_artifact::Sha256Digest;

use crate::{Damage, Pack, PackWriter, StoreError};

/// How the names of packs begin that are not complete.
pub(crate) const GROWING: &str = ".new-";

/// A folder of packs of one sort.
#[derive(Clone, Debug)]
pub struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// Opens a folder, and makes it if need be, for its owner alone.
    ///
    /// # Errors
    /// [`StoreError`] if there is none and it cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = dir.into();
        if !dir.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(StoreError::new("create the folder", &dir))?;
        }
        Ok(Self { dir })
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &Sha256Digest) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Returns the pack of this name and marks it as used now. One that is damaged is removed, and as good as
    /// none. The values are not checked.
    pub fn find(&self, name: &Sha256Digest) -> Option<Pack> {
        let pack = self.open_pack(&self.path(name))?;
        self.touch(&pack);
        Some(pack)
    }

    /// Opens a file of this shelf as [`Self::find`] does, but does not mark it.
    pub fn open_pack(&self, path: &Path) -> Option<Pack> {
        match Pack::open(path) {
            Ok(pack) => Some(pack),
            Err(Damage::Read(_)) => None,
            Err(_) => {
                self.discard(path);
                None
            }
        }
    }

    /// Removes a file that turned out to be damaged.
    pub fn discard(&self, path: &Path) {
        // What cannot be removed is found damaged again.
        let _ = fs::remove_file(path);
    }

    /// Marks a pack as used now, so that it is not the next to go.
    pub fn touch(&self, pack: &Pack) {
        // A folder that is not ours to write keeps the old time.
        let _ = pack.file().set_modified(SystemTime::now());
    }

    /// Returns the files of all packs, those used last first.
    pub fn list(&self) -> Vec<PathBuf> {
        let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| is_pack_name(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort_by(|a, b| b.cmp(a));
        files.into_iter().map(|(_, path)| path).collect()
    }

    /// Begins a pack.
    ///
    /// # Errors
    /// [`StoreError`] if there can be no file in the folder.
    pub fn create(&self) -> Result<PackWriter, StoreError> {
        let file = tempfile::Builder::new().prefix(GROWING).tempfile_in(&self.dir);
        let file = file.map_err(StoreError::new("create a file in", &self.dir))?;
        lock(&file).map_err(StoreError::new("lock", file.path()))?;
        Ok(PackWriter::new(file))
    }

    /// Completes a pack and gives it its name, in place of one that has it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn keep(&self, pack: PackWriter, name: &Sha256Digest) -> Result<Pack, StoreError> {
        pack.finish(&self.path(name), name)
    }
}

/// Holds a file that grows, so that others can tell it from one that a killed build left.
fn lock(file: impl rustix::fd::AsFd) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// Tells whether a name is that of a complete pack.
pub(crate) fn is_pack_name(name: &str) -> bool {
    name.parse::<Sha256Digest>().is_ok()
}
