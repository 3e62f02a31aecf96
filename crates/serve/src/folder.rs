use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::ServeError;
use crate::condition::Validators;
use crate::served_path::ServedPath;

/// How often a path is resolved again when something was renamed meanwhile.
const ATTEMPTS: usize = 8;

/// The folders that are served, searched in their order.
#[derive(Clone, Debug)]
pub(crate) struct Folders(Arc<[PathBuf]>);

/// A served file, open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: Arc<File>,
    pub(crate) len: u64,
    pub(crate) validators: Validators,
    pub(crate) stamp: Stamp,
    /// Which of the folders it is in.
    pub(crate) folder: usize,
}

/// One state of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

/// Why a path gives no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// No folder has it, or what has the name is no regular file, or it lies outside.
    #[error("no such file")]
    Missing,
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
}

impl Folders {
    /// Checks that every folder is one.
    pub(crate) fn new(folders: &[PathBuf]) -> Result<Self, ServeError> {
        for path in folders {
            open_folder(path).map_err(|source| ServeError::Folder {
                path: path.clone(),
                source: source.into(),
            })?;
        }
        Ok(Self(folders.into()))
    }

    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// Opens a file in the first folder that has it.
    pub(crate) fn open(&self, path: &ServedPath) -> Result<OpenFile, OpenError> {
        for index in 0..self.0.len() {
            match self.open_in(index, path) {
                Err(OpenError::Missing) => {}
                other => return other,
            }
        }
        Err(OpenError::Missing)
    }

    /// Opens a file in one of the folders.
    ///
    /// The folder is opened by its name each time, so one that is a link, or is replaced by a new
    /// one, is served as it is now.
    pub(crate) fn open_in(&self, index: usize, path: &ServedPath) -> Result<OpenFile, OpenError> {
        let opened = self.0.get(index).ok_or(Errno::NOENT);
        let opened =
            opened.and_then(|folder| open_folder(folder)).and_then(|folder| beneath(&folder, path));
        let file = match opened {
            Ok(file) => File::from(file),
            // Neither is there for a client: a link that leads out, a socket, a loop of links.
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NXIO
                | Errno::NAMETOOLONG,
            ) => {
                return Err(OpenError::Missing);
            }
            Err(error) => return Err(OpenError::Unreadable(error.into())),
        };
        let metadata = file.metadata().map_err(OpenError::Unreadable)?;
        if !metadata.is_file() {
            return Err(OpenError::Missing);
        }
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(OpenFile {
            len: metadata.len(),
            validators: Validators::new(metadata.len(), metadata.ino(), modified),
            stamp: Stamp {
                device: metadata.dev(),
                inode: metadata.ino(),
                len: metadata.len(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            file: Arc::new(file),
            folder: index,
        })
    }
}

impl OpenFile {
    /// Reads the whole file; `None` if it is longer than `most` bytes, or no UTF-8.
    pub(crate) fn text(&self, most: u64) -> Option<String> {
        let mut text = String::new();
        let mut file = self.file.as_ref();
        let read = file.by_ref().take(most).read_to_string(&mut text);
        (self.len <= most && read.is_ok()).then_some(text)
    }
}

fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// Opens a file so that no link and no `..` in the path leads out of the folder.
fn beneath(folder: &OwnedFd, path: &ServedPath) -> rustix::io::Result<OwnedFd> {
    // A FIFO is not waited for, a terminal does not become ours.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(folder, path.as_str(), flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            // Old container runtimes forbid system calls that they do not know.
            Err(Errno::NOSYS | Errno::PERM) => return step_by_step(folder, path, flags),
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens a file where the kernel cannot keep the path beneath the folder: component by component,
/// through no link at all.
fn step_by_step(folder: &OwnedFd, path: &ServedPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut at = folder.try_clone().map_err(|_| Errno::MFILE)?;
    let (folders, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    for component in folders.split('/').filter(|part| !part.is_empty()) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, component, flags, Mode::empty())?;
    }
    rustix::fs::openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_beneath_the_folder_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (served, other) = (dir.path().join("served"), dir.path().join("other"));
        fs::create_dir_all(served.join("sub")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(served.join("sub/file"), "file").unwrap();
        fs::write(other.join("second"), "second").unwrap();
        symlink("sub/file", served.join("inside")).unwrap();
        symlink("../secret", served.join("outside")).unwrap();
        symlink(dir.path().join("secret"), served.join("absolute")).unwrap();
        symlink("..", served.join("up")).unwrap();
        symlink("/proc/self/root", served.join("magic")).unwrap();
        symlink("loop", served.join("loop")).unwrap();
        rustix::fs::mkfifoat(CWD, served.join("fifo"), Mode::RUSR).unwrap();
        let folders = Folders::new(&[served.clone(), other]).unwrap();
        let read = |path: &str| {
            let opened = folders.open(&path.parse().unwrap())?;
            let mut text = String::new();
            opened.file.as_ref().read_to_string(&mut text).map_err(OpenError::Unreadable)?;
            Ok::<_, OpenError>(text)
        };
        for (path, content) in [("sub/file", "file"), ("inside", "file"), ("second", "second")] {
            assert_eq!(read(path).unwrap(), content);
        }
        for path in [
            "outside",
            "absolute",
            "up/secret",
            "magic/etc/passwd",
            "loop",
            "fifo",
            "sub",
            "none",
            "sub/file/x",
        ] {
            assert!(matches!(read(path), Err(OpenError::Missing)), "{path}");
        }
        let folder = open_folder(&served).unwrap();
        for (path, sound) in [("sub/file", true), ("inside", false), ("up/secret", false)] {
            let opened = step_by_step(&folder, &path.parse().unwrap(), OFlags::RDONLY);
            assert_eq!(opened.is_ok(), sound, "{path}");
        }
    }
}
