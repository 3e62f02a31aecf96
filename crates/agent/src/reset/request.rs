use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FsWord, statfs};

use super::error::ResetError;
use super::kept_path::KeptPath;
use crate::durable::replace;

/// Where the request lies on ROOT; `initrd-reset` looks there.
const PATH: &str = "var/lib/flagstone/reset";

/// The first word of a request: what it is, and of which version.
const FIRST: &str = "flagstone-reset-1";

/// The most bytes of a request.
const REQUEST_MAX: usize = 1 << 16;

/// The type of a file system in memory (Linux, `TMPFS_MAGIC`).
const TMPFS: FsWord = 0x0102_1994;

/// A request for a reset at the next boot.
///
/// In its file every word ends with a NUL, which no path holds: what it is, then the paths that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetRequest {
    kept: Vec<KeptPath>,
}

impl ResetRequest {
    /// Makes a request that keeps these paths; does not write it.
    ///
    /// # Errors
    /// [`ResetError::TooLong`].
    pub fn new(mut kept: Vec<KeptPath>) -> Result<Self, ResetError> {
        kept.sort();
        kept.dedup();
        let request = Self { kept };
        let actual = request.bytes().len();
        if actual > REQUEST_MAX {
            return Err(ResetError::TooLong { actual, limit: REQUEST_MAX });
        }
        Ok(request)
    }

    /// Returns the paths that are kept, in order.
    pub fn kept(&self) -> &[KeptPath] {
        &self.kept
    }

    /// Returns the content of its file.
    pub fn bytes(&self) -> Vec<u8> {
        let words = std::iter::once(FIRST).chain(self.kept.iter().map(KeptPath::as_str));
        words.flat_map(|word| word.bytes().chain([0])).collect()
    }

    /// Checks that a root folder keeps what is written to it.
    ///
    /// # Errors
    /// [`ResetError::Memory`], [`ResetError::Request`].
    pub fn check_root(root: &Path) -> Result<(), ResetError> {
        let kind = statfs(root).map_err(|error| failed(root)(error.into()))?.f_type;
        if kind == TMPFS { Err(ResetError::Memory) } else { Ok(()) }
    }

    /// Leaves the request below a root folder; it is durable, or not there, when this returns.
    ///
    /// # Errors
    /// [`ResetError::Request`].
    pub fn leave(&self, root: &Path) -> Result<(), ResetError> {
        let path = root.join(PATH);
        replace(&path, |file| file.write_all(&self.bytes())).map_err(failed(&path))
    }

    /// Takes a request back, durably; tells whether there was one.
    ///
    /// # Errors
    /// [`ResetError::Request`].
    pub fn take_back(root: &Path) -> Result<bool, ResetError> {
        let path = root.join(PATH);
        let remove = || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(()) => File::open(parent(&path))?.sync_all().map(|()| true),
        };
        remove().map_err(failed(&path))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ResetError {
    let path: PathBuf = path.to_owned();
    move |source| ResetError::Request { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_left_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let kept = ["/srv", "/etc/ssh", "/srv"].map(|path| path.parse().unwrap());
        let request = ResetRequest::new(kept.to_vec()).unwrap();
        request.leave(dir.path()).unwrap();
        let written = fs::read(dir.path().join(PATH)).unwrap();
        assert_eq!(written, b"flagstone-reset-1\0/etc/ssh\0/srv\0");
        assert_eq!(fs::read_dir(dir.path().join("var/lib/flagstone")).unwrap().count(), 1);
        assert!(ResetRequest::take_back(dir.path()).unwrap());
        assert!(!ResetRequest::take_back(dir.path()).unwrap());
    }

    #[test]
    fn a_request_has_a_limit() {
        let kept = (0..20).map(|i| format!("/{i}{}", "x".repeat(4000)).parse().unwrap());
        let error = ResetRequest::new(kept.collect()).unwrap_err();
        assert!(matches!(error, ResetError::TooLong { limit: REQUEST_MAX, .. }), "{error}");
    }
}
