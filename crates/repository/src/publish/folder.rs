use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flagstone_artifact::{DigestWriter, Sha256Digest};
use flagstone_fetch::{Body, Transport, TransportError, Url};
use tempfile::{Builder, NamedTempFile};

use super::PublishError;
use super::store::Store;
use crate::TargetName;

/// A repository's folder, which is locked while this lives.
///
/// Files get their names when they are complete and on the disk. All but `timestamp.json` never change:
/// what a reader was told of before stays.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Folder {
    /// Opens and locks a folder, which is made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        let failed =
            |action| move |source| PublishError::File { action, path: path.to_owned(), source };
        for below in ["metadata", "targets"] {
            fs::create_dir_all(path.join(below)).map_err(failed("make"))?;
        }
        let lock = File::open(path).map_err(failed("open"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PublishError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed("lock")(source)),
        }
    }

    fn target(&self, name: &TargetName, sha256: Sha256Digest) -> PathBuf {
        self.path.join("targets").join(name.path(sha256))
    }

    fn put(
        &self,
        path: &Path,
        content: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
    ) -> Result<(), PublishError> {
        let folder = path.parent().unwrap_or(&self.path);
        let put = || {
            fs::create_dir_all(folder)?;
            let mut file = Builder::new().prefix(".flagstone-").tempfile_in(folder)?;
            content(&mut file)?;
            // A temporary file is private; what is published is for everybody.
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()
        };
        put().map_err(|source| PublishError::File {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

impl Store for Folder {
    fn place(&self) -> &Path {
        &self.path
    }

    /// The lock is enough.
    fn check(&self, _: &[u8]) -> Result<(), PublishError> {
        Ok(())
    }

    fn read_metadata(&self, name: &str) -> Result<Option<Vec<u8>>, PublishError> {
        let path = self.path.join("metadata").join(name);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(|source| PublishError::File {
                action: "read",
                path,
                source,
            }),
        }
    }

    fn put_metadata(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
        self.put(&self.path.join("metadata").join(name), |file| file.write_all(bytes))
    }

    fn put_target(&self, name: &TargetName, bytes: &[u8]) -> Result<(), PublishError> {
        let path = self.target(name, Sha256Digest::of(bytes));
        self.put(&path, |file| file.write_all(bytes))
    }

    fn copy_target(
        &self,
        name: &TargetName,
        from: &Path,
        size_bytes: u64,
        sha256: Sha256Digest,
    ) -> Result<(), PublishError> {
        let path = self.target(name, sha256);
        if fs::metadata(&path).is_ok_and(|there| there.len() == size_bytes) {
            return Ok(());
        }
        self.put(&path, |file| {
            let mut digest = DigestWriter::new(file);
            // One byte more would be seen.
            io::copy(&mut File::open(from)?.take(size_bytes + 1), &mut digest)?;
            let (_, written, actual) = digest.finish();
            if (written, actual) == (size_bytes, sha256) {
                return Ok(());
            }
            Err(io::Error::other(format!("{} changed while it was read", from.display())))
        })
    }
}

/// The folder as a machine would see it: `file:///` stands for it, whatever it is called.
impl Transport for Folder {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        let path = url.to_path().ok_or(TransportError::UnsupportedScheme)?;
        let below = path.strip_prefix("/").map_err(|_| TransportError::NotFound)?;
        let mut file = File::open(self.path.join(below)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TransportError::NotFound,
            _ => TransportError::Read(error),
        })?;
        let total = file.metadata().map_err(TransportError::Read)?.len();
        file.seek(io::SeekFrom::Start(offset)).map_err(TransportError::Read)?;
        Ok(Body { offset, total: Some(total), reader: Box::new(file) })
    }
}
