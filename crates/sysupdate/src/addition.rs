use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flagstone_artifact::{DigestReader, ImageName, Sha256Digest, Sha256Sums};
use flagstone_payload::ReleaseFolder;
use tempfile::Builder;

use crate::{Part, SysupdateError, takes_version};

/// The file beside the list in which systemd-sysupdate looks for the list's signature: OpenPGP's, detached
/// and binary.
pub const SIGNATURE: &str = "SHA256SUMS.gpg";

/// A release whose files lie in a folder, which does not list them yet. The folder is locked meanwhile.
#[derive(Debug)]
pub struct Addition {
    folder: PathBuf,
    image: ImageName,
    files: Vec<String>,
    list: Vec<u8>,
    /// Whether the folder has this list already.
    listed: bool,
    /// Holds the lock.
    _lock: File,
}

impl Addition {
    /// Copies the files of a build into a folder, which is made if it is not there. They are checked against
    /// the build's list of digests; what the folder lists is left alone.
    ///
    /// # Errors
    /// Any [`SysupdateError`]; machines then see what they saw before.
    pub fn prepare(release: &Path, folder: &Path) -> Result<Self, SysupdateError> {
        let opened = ReleaseFolder::open(release).map_err(|source| SysupdateError::Release {
            path: release.to_owned(),
            source: Box::new(source),
        })?;
        let (image, root_hash) = (opened.release.image, opened.release.root_hash);
        if !takes_version(&image.version) {
            return Err(SysupdateError::Version { version: image.version });
        }
        let built = read_list(&release.join(Sha256Sums::FILE_NAME))?.unwrap_or_default();
        let lock = lock(folder)?;
        let list_path = folder.join(Sha256Sums::FILE_NAME);
        let old = read_list(&list_path)?;
        let mut list = old.clone().unwrap_or_default();
        let mut copies = Vec::new();
        for part in Part::ALL {
            let source = format!("{image}{}", part.suffix());
            let digest = built.get(&source).ok_or_else(|| SysupdateError::Missing {
                path: release.to_owned(),
                name: source.clone(),
            })?;
            let name = part.file_name(&image, &root_hash);
            if list.insert(&name, digest).is_some_and(|listed| listed != digest) {
                return Err(SysupdateError::Differs { name });
            }
            copies.push((release.join(source), name, digest));
        }
        let text = list.to_string().into_bytes();
        // A list that nobody could read any more is noticed before it is one.
        let list = Sha256Sums::parse(&text)
            .map_err(|source| SysupdateError::List { path: list_path, source })?;
        for (from, name, digest) in &copies {
            copy(from, folder, name, *digest)?;
        }
        let files = copies.into_iter().map(|(_, name, _)| name).collect();
        let listed = old.is_some_and(|old| old == list);
        Ok(Self { folder: folder.to_owned(), image, files, list: text, listed, _lock: lock })
    }

    /// Returns the release.
    pub fn image(&self) -> &ImageName {
        &self.image
    }

    /// Returns the names of its files in the folder, in the order of [`Part::ALL`].
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Returns the list that the folder gets: what has to be signed.
    pub fn list(&self) -> &[u8] {
        &self.list
    }

    /// Tells whether there is a signature that the folder keeps without a new one: that of the same list.
    pub fn is_signed(&self) -> bool {
        self.listed && self.folder.join(SIGNATURE).exists()
    }

    /// Gives the folder its list, and the list's signature. Without one, that of the list before goes: no
    /// machine could make anything of it.
    ///
    /// Between the two renames a machine finds a signature that does not fit, refuses the list, and asks again
    /// at its next time.
    ///
    /// # Errors
    /// [`SysupdateError::File`].
    pub fn finish(self, signature: Option<&[u8]>) -> Result<(), SysupdateError> {
        let stale = self.folder.join(SIGNATURE);
        if !self.listed {
            put(&self.folder, Sha256Sums::FILE_NAME, |file| file.write_all(&self.list))?;
        }
        match signature {
            Some(signature) => put(&self.folder, SIGNATURE, |file| file.write_all(signature)),
            None if self.listed => Ok(()),
            None => match fs::remove_file(&stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(file("remove", &stale)(error))
                }
                _ => Ok(()),
            },
        }
    }
}

/// Makes and locks a folder.
fn lock(folder: &Path) -> Result<File, SysupdateError> {
    fs::create_dir_all(folder).map_err(file("make", folder))?;
    let lock = File::open(folder).map_err(file("open", folder))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SysupdateError::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(file("lock", folder)(source)),
    }
}

/// Reads a list of digests, if it is there.
fn read_list(path: &Path) -> Result<Option<Sha256Sums>, SysupdateError> {
    let opened = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(file("open", path))?,
    };
    let mut text = Vec::new();
    // One byte more is refused.
    opened.take(Sha256Sums::text_max() + 1).read_to_end(&mut text).map_err(file("read", path))?;
    let sums = Sha256Sums::parse(&text);
    sums.map(Some).map_err(|source| SysupdateError::List { path: path.to_owned(), source })
}

/// Copies a file, if it is the one that was listed; one that is there already is read.
fn copy(
    from: &Path,
    folder: &Path,
    name: &str,
    expected: Sha256Digest,
) -> Result<(), SysupdateError> {
    let there = folder.join(name);
    if there.is_file() && digest(&there, &mut io::sink()).is_ok_and(|actual| actual == expected) {
        return Ok(());
    }
    let mut actual = None;
    let copied = put(folder, name, |target| {
        let found = digest(from, target)?;
        actual = Some(found).filter(|found| *found != expected);
        // Nothing gets a name that has other bytes.
        if actual.is_some() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    });
    match actual {
        Some(actual) => Err(SysupdateError::Digest { path: from.to_owned(), expected, actual }),
        None => copied,
    }
}

/// Copies a file and returns the digest of what was copied.
fn digest(from: &Path, to: &mut dyn io::Write) -> io::Result<Sha256Digest> {
    let mut reader = DigestReader::new(File::open(from)?);
    io::copy(&mut reader, to)?;
    Ok(reader.finish().1)
}

/// Writes a file, which gets its name when it is complete and on the disk.
fn put(
    folder: &Path,
    name: &str,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), SysupdateError> {
    let path = folder.join(name);
    let put = || {
        let mut new = Builder::new().prefix(".flagstone-").tempfile_in(folder)?;
        content(new.as_file_mut())?;
        // A temporary file is private; what is published is for everybody.
        new.as_file().set_permissions(Permissions::from_mode(0o644))?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(file("write", &path))
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SysupdateError {
    let path = path.to_owned();
    move |source| SysupdateError::File { action, path, source }
}

#[cfg(test)]
#[path = "addition_tests.rs"]
mod tests;
