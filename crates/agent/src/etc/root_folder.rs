use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::error::EtcError;

/// The root file system alone, without what is mounted on it: below the overlay /etc lies its upper layer. It
/// is mounted nowhere, and goes with this value.
#[derive(Debug)]
pub struct RootFolder {
    tree: OwnedFd,
}

impl RootFolder {
    /// Opens it; takes the right to mount (`CAP_SYS_ADMIN`).
    ///
    /// # Errors
    /// [`EtcError::Below`].
    pub fn open() -> Result<Self, EtcError> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, "/", flags);
        Ok(Self { tree: tree.map_err(|error| EtcError::Below { source: error.into() })? })
    }

    /// Returns a path by which it can be read while this value lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.tree.as_raw_fd()).into()
    }
}
