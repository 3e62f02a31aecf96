use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use crate::translate::SOURCE_MAX;

/// The folder that embedded files come from; nothing outside of it is read.
#[derive(Clone, Debug)]
pub struct FilesDir {
    /// Without links, so that what is inside can be told by its beginning.
    root: PathBuf,
}

/// What lies in a folder, by its path from there.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) kind: EntryKind,
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum EntryKind {
    Directory,
    File { contents: Vec<u8>, executable: bool },
    Link { target: String },
}

/// Why a file is not embedded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("the path leads out of the folder of files")]
    Outside,
    #[error("there is no such file in the folder of files")]
    Missing,
    #[error("what lies there is no {0}")]
    NoSuch(&'static str),
    #[error("{0} is no file, directory or link")]
    Special(String),
    #[error("embedded files have more than 10 MiB")]
    TooLong,
    #[error("the folder has more than {0} entries")]
    TooMany(usize),
    #[error("{0} has a name that is not UTF-8")]
    Name(String),
    #[error("failed to read it: {0}")]
    Io(String),
    #[error("failed to read {path}: {error}")]
    Inside { path: String, error: String },
}

/// How many entries of a folder are embedded.
const ENTRIES_MAX: usize = SOURCE_MAX / 64;

impl FilesDir {
    /// Opens a folder.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root })
    }

    /// Returns the real place of a path, which has to be inside.
    fn resolve(&self, local: &str) -> Result<PathBuf, LocalError> {
        let steps = Path::new(local).components();
        if steps.clone().any(|step| !matches!(step, Component::Normal(_) | Component::CurDir)) {
            return Err(LocalError::Outside);
        }
        let real = fs::canonicalize(self.root.join(local)).map_err(|error| io_error(&error))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(LocalError::Outside) }
    }

    /// Reads a file, and takes its length from what may still be read.
    pub(crate) fn read(&self, local: &str, left: &mut usize) -> Result<Vec<u8>, LocalError> {
        let real = self.resolve(local)?;
        if !real.is_file() {
            return Err(LocalError::NoSuch("file"));
        }
        contents(File::open(&real).map_err(|error| io_error(&error))?, left)
    }

    /// Reads all that lies in a folder, sorted by name, folders before what is in them. Links are
    /// not followed.
    pub(crate) fn walk(&self, local: &str, left: &mut usize) -> Result<Vec<Entry>, LocalError> {
        let real = self.resolve(local)?;
        if !real.is_dir() {
            return Err(LocalError::NoSuch("directory"));
        }
        let mut entries = vec![Entry { path: String::new(), kind: EntryKind::Directory }];
        walk(&real, "", left, &mut entries)?;
        Ok(entries)
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    left: &mut usize,
    entries: &mut Vec<Entry>,
) -> Result<(), LocalError> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut listed = listed.map_err(|error| io_error(&error))?;
    listed.sort_by_key(fs::DirEntry::file_name);
    for entry in listed {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(LocalError::Name(name.to_string_lossy().into_owned()));
        };
        let path = format!("{prefix}/{name}");
        let inside = |error: io::Error| {
            let (path, error) = (path.trim_start_matches('/').to_owned(), error.to_string());
            LocalError::Inside { path, error }
        };
        let metadata = entry.metadata().map_err(inside)?;
        if entries.len() > ENTRIES_MAX {
            return Err(LocalError::TooMany(ENTRIES_MAX));
        }
        if metadata.is_dir() {
            entries.push(Entry { path: path.clone(), kind: EntryKind::Directory });
            walk(&entry.path(), &path, left, entries)?;
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o111 != 0;
            let file = File::open(entry.path()).map_err(inside)?;
            let contents = contents(file, left)?;
            entries.push(Entry { path, kind: EntryKind::File { contents, executable } });
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(inside)?;
            let Some(target) = target.to_str().map(str::to_owned) else {
                return Err(LocalError::Name(path));
            };
            entries.push(Entry { path, kind: EntryKind::Link { target } });
        } else {
            return Err(LocalError::Special(path));
        }
    }
    Ok(())
}

fn contents(file: File, left: &mut usize) -> Result<Vec<u8>, LocalError> {
    let mut data = Vec::new();
    file.take(*left as u64 + 1).read_to_end(&mut data).map_err(|error| io_error(&error))?;
    *left = left.checked_sub(data.len()).ok_or(LocalError::TooLong)?;
    Ok(data)
}

fn io_error(error: &io::Error) -> LocalError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => LocalError::Missing,
        _ => LocalError::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_is_read() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("files");
        fs::create_dir_all(inner.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), "x").unwrap();
        fs::write(inner.join("sub/a"), "abc").unwrap();
        symlink("../secret", inner.join("out")).unwrap();
        symlink("sub/a", inner.join("in")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        let dir = FilesDir::open(&inner).unwrap();
        let mut left = 100;
        for (local, expected) in [
            ("sub/a", Ok("abc")),
            ("./sub//a", Ok("abc")),
            ("in", Ok("abc")),
            ("../files/sub/a", Err("the path leads out of the folder of files")),
            ("/etc/passwd", Err("the path leads out of the folder of files")),
            ("out", Err("the path leads out of the folder of files")),
            ("up/secret", Err("the path leads out of the folder of files")),
            ("up/files/sub/a", Ok("abc")),
            ("none", Err("there is no such file in the folder of files")),
            ("sub", Err("what lies there is no file")),
            ("", Err("what lies there is no file")),
        ] {
            let found = dir.read(local, &mut left).map_err(|error| error.to_string());
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected.map(str::as_bytes), "{local}");
        }
        assert!(matches!(dir.read("sub/a", &mut 2), Err(LocalError::TooLong)));
        assert!(matches!(dir.walk("up", &mut left), Err(LocalError::Outside)));
        assert!(matches!(dir.walk("sub/a", &mut left), Err(LocalError::NoSuch("directory"))));
    }

    #[test]
    fn folders_are_walked_by_name_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        fs::write(folder.path().join("b/c/d"), "d").unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        symlink("/etc", folder.path().join("z")).unwrap();
        let dir = FilesDir::open(folder.path()).unwrap();
        let entries = dir.walk("", &mut 100).unwrap();
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["", "/a", "/b", "/b/c", "/b/c/d", "/z"]);
        assert!(
            matches!(&entries[5].kind, EntryKind::Link { target } if target == "/etc"),
            "{entries:?}"
        );
    }
}
