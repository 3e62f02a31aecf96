//! The file systems that a command sees.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::StatVfsMountFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// Devices that hold nothing of the machine.
const DEVICES: [&str; 5] = ["full", "null", "random", "urandom", "zero"];

/// What programs expect beside them.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Where the tree is mounted before it becomes the root: any folder does, as nobody else sees it.
const PLACE: &str = "/tmp";

/// A step of [`enter_root`], and why it failed.
pub(crate) type StepError = (String, io::Error);

/// Makes the working directory the root, with file systems of its own and nothing of the machine's.
///
/// Only for the first process of new namespaces. The tree is named by the working directory alone:
/// the folders above it may belong to others, whom root inside cannot overrule.
pub(crate) fn enter_root() -> Result<(), StepError> {
    step("take the mounts apart", || {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        Ok(rustix::mount::mount_change("/", private)?)
    })?;
    step("mount the tree", || Ok(rustix::mount::mount_bind(".", PLACE)?))?;
    step("mount /dev", devices)?;
    step("mount /proc", || {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", "proc", flags | MountFlags::RDONLY, "")
    })?;
    step("mount /run and /tmp", || {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", "run", flags, "mode=0755")?;
        mount("tmpfs", "tmp", flags, "mode=1777")
    })?;
    step("make the tree the root", || {
        rustix::process::chdir(PLACE)?;
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    })
}

fn step(name: &str, action: impl FnOnce() -> io::Result<()>) -> Result<(), StepError> {
    action().map_err(|error| (name.to_owned(), error))
}

/// Mounts a new file system at a top directory of the tree.
fn mount(kind: &str, name: &str, flags: MountFlags, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    let place = Path::new(PLACE).join(name);
    Ok(rustix::mount::mount(kind, place, kind, flags, options.as_c_str())?)
}

/// Makes a /dev with the machine's harmless devices.
///
/// Each is mounted read-only: it can be read and written, but its owner and permissions, which are
/// the machine's, cannot be changed, not even by the machine's root.
fn devices() -> io::Result<()> {
    mount("tmpfs", "dev", MountFlags::NOSUID | MountFlags::NOEXEC, "mode=0755")?;
    let dev = Path::new(PLACE).join("dev");
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        fs::write(&to, "")?;
        rustix::mount::mount_bind(&from, &to)?;
        let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
        // Flags that the machine has set cannot be taken back here, so they are said again.
        if rustix::fs::statvfs(&to)?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            flags |= MountFlags::NOEXEC;
        }
        rustix::mount::mount_remount(&to, flags, "")?;
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name))?;
    }
    fs::create_dir(dev.join("shm"))?;
    fs::set_permissions(dev.join("shm"), fs::Permissions::from_mode(0o1777))
}
