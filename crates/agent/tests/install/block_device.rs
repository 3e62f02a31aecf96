//! Loop devices and mounts, where the tests may have them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::tool;

/// A file as a block device; detached when it is dropped.
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
}

impl LoopDevice {
    /// Attaches a file; says why not, where that is not possible, as for all but root.
    pub(crate) fn attach(file: &Path) -> Option<Self> {
        let losetup = tool("losetup")?;
        let mut command = Command::new(losetup);
        let output = command.args(["--find", "--show", "--partscan"]).arg(file).output().unwrap();
        if !output.status.success() {
            println!("skipped: no loop device ({})", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Self { path: String::from_utf8(output.stdout).unwrap().trim().into() })
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

/// A mounted file system; unmounted when it is dropped.
pub(crate) struct Mount {
    point: PathBuf,
}

impl Mount {
    pub(crate) fn new(device: &Path, point: &Path) -> Option<Self> {
        let output = Command::new("mount").arg(device).arg(point).output().ok()?;
        if !output.status.success() {
            println!("skipped: no mount ({})", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Self { point: point.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.point).status();
    }
}

/// Opens a device for nobody else.
pub(crate) fn open_exclusive(path: &Path) -> File {
    const O_EXCL: i32 = 0o200;
    OpenOptions::new().read(true).write(true).custom_flags(O_EXCL).open(path).unwrap()
}
