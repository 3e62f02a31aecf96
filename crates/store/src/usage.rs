use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use crate::StoreError;
use crate::shelf::{GROWING, is_pack_name};

/// How much a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Complete packs.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

struct Found {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Returns how much the shelves in these folders hold. A folder that is not there holds nothing.
pub fn usage(dirs: &[&Path]) -> Usage {
    let found = found(dirs);
    Usage { packs: found.len() as u64, bytes: found.iter().map(|found| found.bytes).sum() }
}

/// Removes packs until those in all these folders together have at most `limit` bytes, beginning with
/// those that have not been used for the longest time, and whatever killed builds left. Returns what was
/// removed.
///
/// # Errors
/// [`StoreError`] for a pack that cannot be removed.
pub fn prune(dirs: &[&Path], limit: u64) -> Result<Usage, StoreError> {
    for dir in dirs {
        remove_leftovers(dir);
    }
    let mut found = found(dirs);
    found.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
    let mut left: u64 = found.iter().map(|found| found.bytes).sum();
    let mut removed = Usage::default();
    for Found { bytes, path, .. } in found {
        if left <= limit {
            break;
        }
        remove(&path)?;
        left -= bytes;
        removed.packs += 1;
        removed.bytes += bytes;
    }
    Ok(removed)
}

fn found(dirs: &[&Path]) -> Vec<Found> {
    let entries = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    entries
        .filter_map(Result::ok)
        .filter(|entry| is_pack_name(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let used = metadata.modified().ok()?;
            Some(Found { used, bytes: metadata.len(), path: entry.path() })
        })
        .collect()
}

/// Removes packs that were never completed and that no process is writing.
fn remove_leftovers(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        let growing = entry.file_name().to_string_lossy().starts_with(GROWING);
        let free = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if growing && File::open(entry.path()).is_ok_and(|file| free(&file)) {
            // What cannot be removed now is met again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes a file; that it is gone already is no error.
///
/// # Errors
/// [`StoreError`] if it cannot be removed.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::new("remove", path)(error))
        }
        _ => Ok(()),
    }
}
