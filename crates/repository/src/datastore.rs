use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use crate::{RepositoryError, Role};

/// The folder in which a machine keeps the newest metadata that it has seen.
///
/// Nothing in it is trusted more than what comes from the repository: all of it is verified anew. Files
/// get their names when they are complete and on the disk, so that losing power leaves the old one or
/// the new one.
#[derive(Debug)]
pub(crate) struct Datastore {
    folder: PathBuf,
}

impl Datastore {
    /// Opens the folder, and makes it if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, RepositoryError> {
        let store = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder).map_err(|source| failed("make", folder, source))?;
        Ok(store)
    }

    /// Returns the bytes of a file, if it is there.
    pub(crate) fn get(&self, name: &str, role: Role) -> Result<Option<Vec<u8>>, RepositoryError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| failed("open", &path, source))?,
        };
        let mut bytes = Vec::new();
        let read = file.take(role.limit() + 1).read_to_end(&mut bytes);
        read.map_err(|source| failed("read", &path, source))?;
        if bytes.len() as u64 > role.limit() {
            let source = RepositoryError::TooLong { file: name.to_owned(), limit: role.limit() };
            return Err(self.damaged(name, source));
        }
        Ok(Some(bytes))
    }

    /// Keeps a file, in place of the one that was there.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        let (path, temporary) = (self.path(name), self.path(&format!(".{name}.new")));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| failed("write", &path, source))
    }

    /// Says that a file which is there cannot be understood.
    pub(crate) fn damaged(&self, name: &str, source: RepositoryError) -> RepositoryError {
        RepositoryError::Damaged { path: self.path(name), source: Box::new(source) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> RepositoryError {
    RepositoryError::Datastore { action, path: path.to_owned(), source }
}
