use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::FetchError;
use crate::partial::Partial;

/// A folder of files named by their digest.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the cache in `dir`, and makes the folder if need be.
    ///
    /// A folder that cannot be written is no error as long as everything needed is in it.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if the folder does not exist and cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, FetchError> {
        let dir = dir.into();
        if !dir.is_dir() {
            create_dir(&dir)?;
        }
        Ok(Self { dir })
    }

    /// Names the cache in `dir`, whether there is one or not, to look at it.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Returns digest and length of every complete file, in the order of the digests.
    pub fn list(&self) -> Vec<(Sha256Digest, u64)> {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
        let mut files: Vec<(Sha256Digest, u64)> = entries(&self.dir.join("sha256"))
            .flat_map(|folder| entries(&folder.path()))
            .filter_map(|entry| {
                let digest = entry.file_name().to_str()?.parse().ok()?;
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((digest, metadata.len()))
            })
            .collect();
        files.sort_unstable();
        files
    }

    /// Removes the file with this digest; that there is none is no error.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if it cannot be removed.
    pub fn remove(&self, sha256: &Sha256Digest) -> Result<(), FetchError> {
        let path = self.path(sha256);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FetchError::Cache { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Returns where the file with this digest is, or will be.
    pub fn path(&self, sha256: &Sha256Digest) -> PathBuf {
        let hex = sha256.to_string();
        self.dir.join("sha256").join(&hex[..2]).join(hex)
    }

    /// Returns the file with this digest if the cache holds one of that size.
    ///
    /// This is the fast path: it looks at the length only. Whoever uses the content reads it
    /// through [`Self::read`], which checks the digest.
    pub fn find(&self, sha256: &Sha256Digest, size: u64) -> Option<PathBuf> {
        let path = self.path(sha256);
        let metadata = fs::metadata(&path).ok()?;
        (metadata.is_file() && metadata.len() == size).then_some(path)
    }

    /// Reads the file with this digest; `None` if the cache does not hold it.
    ///
    /// Size and digest are checked. A file that fails is removed, so that the next fetch brings a
    /// good one.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if the file cannot be read, or is wrong and cannot be removed.
    pub fn read(&self, sha256: &Sha256Digest, size: u64) -> Result<Option<Bytes>, FetchError> {
        let path = self.path(sha256);
        let error = |action| {
            let path = path.clone();
            move |source| FetchError::Cache { action, path, source }
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error("open")(source)),
        };
        if let Some(data) = read_checked(file, sha256, size).map_err(error("read"))? {
            return Ok(Some(data));
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(error("remove the damaged file")(source))
            }
            _ => Ok(None),
        }
    }

    /// Puts a file into the cache that the caller has already, and returns its digest.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if it cannot be written.
    pub fn insert(&self, data: &[u8]) -> Result<Sha256Digest, FetchError> {
        let (sha256, size) = (Sha256Digest::of(data), data.len() as u64);
        if self.find(&sha256, size).is_none()
            && let Some(mut partial) = Partial::open(self, &sha256, size)?
        {
            partial.restart()?;
            partial.append(data)?;
            partial.finish(self, &sha256)?;
        }
        Ok(sha256)
    }

    /// Returns where an unfinished file grows, in a folder that exists.
    pub(crate) fn partial(&self, sha256: &Sha256Digest) -> Result<PathBuf, FetchError> {
        let dir = self.dir.join("partial");
        create_dir(&dir)?;
        Ok(dir.join(sha256.to_string()))
    }

    /// Gives a finished file its name.
    pub(crate) fn adopt(&self, partial: &Path, sha256: &Sha256Digest) -> Result<(), FetchError> {
        let path = self.path(sha256);
        create_dir(path.parent().unwrap_or(&self.dir))?;
        fs::rename(partial, &path).map_err(|source| FetchError::Cache {
            action: "rename a finished download to",
            path,
            source,
        })
    }
}

fn create_dir(dir: &Path) -> Result<(), FetchError> {
    fs::create_dir_all(dir).map_err(|source| FetchError::Cache {
        action: "make the folder",
        path: dir.to_owned(),
        source,
    })
}

/// How much is read between two updates of the digest: what fits a second-level cache.
const PIECE: usize = 256 * 1024;

/// Reads a file of known size; `None` if size or digest differ.
fn read_checked(file: File, sha256: &Sha256Digest, size: u64) -> io::Result<Option<Bytes>> {
    let Ok(length) = usize::try_from(size) else { return Ok(None) };
    // The size comes from a lock: allocate only what is there.
    if file.metadata()?.len() != size {
        return Ok(None);
    }
    let mut data = Vec::with_capacity(length);
    let mut hasher = Sha256Hasher::new();
    let mut file = file.take(size);
    loop {
        let start = data.len();
        if (&mut file).take(PIECE as u64).read_to_end(&mut data)? == 0 {
            break;
        }
        hasher.update(&data[start..]);
    }
    Ok((data.len() == length && hasher.finish() == *sha256).then(|| data.into()))
}
