use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::{Cache, FetchError};

/// How much is read or written at once.
pub(crate) const BUFFER: usize = 64 * 1024;

/// An unfinished download, locked against other processes and threads while it is open.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    hasher: Sha256Hasher,
    len: u64,
}

impl Partial {
    /// Opens or creates the partial file of a digest, waiting for whoever has it; `None` if they
    /// finished it in the meantime.
    pub(crate) fn open(
        cache: &Cache,
        sha256: &Sha256Digest,
        size: u64,
    ) -> Result<Option<Self>, FetchError> {
        let path = cache.partial(sha256)?;
        loop {
            let file = lock(&path)?;
            let held = file.metadata().map_err(failed("read", &path))?;
            let named = fs::metadata(&path).ok().map(|m| (m.dev(), m.ino()));
            let ours = named == Some((held.dev(), held.ino()));
            if cache.find(sha256, size).is_some() {
                if ours {
                    // Made by the opening just now; at worst it stays, empty.
                    let _ = fs::remove_file(&path);
                }
                return Ok(None);
            }
            // Else whoever held the lock renamed the file away, and it is gone since.
            if ours {
                let hasher = Sha256Hasher::new();
                let mut partial = Self { file, path, hasher, len: 0 };
                partial.take_stock(size)?;
                return Ok(Some(partial));
            }
        }
    }

    /// Digests what an earlier run left.
    fn take_stock(&mut self, size: u64) -> Result<(), FetchError> {
        let metadata = self.file.metadata().map_err(failed("read", &self.path))?;
        if metadata.len() > size {
            return self.restart();
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = self.file.read(&mut buffer).map_err(failed("read", &self.path))?;
            if count == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..count]);
            self.len += count as u64;
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(data).map_err(failed("write", &self.path))?;
        self.hasher.update(data);
        self.len += data.len() as u64;
        Ok(())
    }

    /// Forgets all bytes.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(failed("truncate", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed("truncate", &self.path))?;
        (self.hasher, self.len) = (Sha256Hasher::new(), 0);
        Ok(())
    }

    pub(crate) fn digest(&self) -> Sha256Digest {
        self.hasher.clone().finish()
    }

    /// Moves the file to its final name, and lets go of the lock.
    pub(crate) fn finish(self, cache: &Cache, sha256: &Sha256Digest) -> Result<(), FetchError> {
        cache.adopt(&self.path, sha256)
    }
}

fn lock(path: &Path) -> Result<File, FetchError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(failed("create", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Cache { action, path, source }
}
