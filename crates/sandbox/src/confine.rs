//! What a confined process gives up.

use std::fs;
use std::io;
use std::os::fd::RawFd;

use nix::sched::CloneFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// The rights that root keeps inside: over the tree's files and its own processes, none over
/// mounts, the network or the kernel.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_CHROOT);

/// Closes what the calling program was given by its own caller: an open folder of the machine would
/// be a way out. Only for a process that has just started and opened nothing.
pub(crate) fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The folder's own descriptor is closed by now.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// Leaves the machine's namespaces; root inside is the user who calls.
///
/// The process itself stays among the machine's processes: its first child is the first of the new
/// namespace.
pub(crate) fn new_namespaces() -> io::Result<()> {
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    Ok(nix::sched::unshare(all)?)
}

/// Makes one user and one group of the machine root inside (`user_namespaces(7)`).
pub(crate) fn map_root(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}

/// Ends this process when the one that started it ends.
pub(crate) fn end_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Forbids further user namespaces, in which a process would have every right again.
pub(crate) fn forbid_namespaces() -> io::Result<()> {
    fs::write("/proc/sys/user/max_user_namespaces", "0\n")
}

/// Gives the rights away that nothing inside needs, for good.
pub(crate) fn drop_rights() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    for right in CapabilitySet::all().iter().filter(|right| !KEPT.contains(*right)) {
        // A kernel that does not know a capability says so.
        if rustix::thread::capability_is_in_bounding_set(right).unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(right)?;
        }
    }
    let inheritable = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: KEPT, permitted: KEPT, inheritable },
    )?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)?;
    // What runs inside must not look into this process, which holds the way back.
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
