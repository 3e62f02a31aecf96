//! Runs a command inside a file tree, away from the machine, and says what it changed.
//!
//! A [`Staged`] tree lies on the disk, in a folder that nobody else may enter. [`Staged::run`] starts
//! the calling program anew with [`ENTRY`] as its first argument, and that process goes through
//! [`enter`]: into namespaces of its own (user, mounts, processes, network, IPC, names), with the
//! folder as its root. Root inside is the user who builds, so this needs no right. Afterwards the
//! folder is read back, without following any link, and compared with the tree.
//!
//! What the command has: the tree, an empty /tmp and /run, a read-only /proc of its own processes,
//! the devices that hold nothing, and a fixed environment. What it has not: the network, any other
//! file or process of the machine, more namespaces, the right to mount, a terminal. What it starts
//! in the background ends with it. Time and memory are not limited.
//!
//! The disk holds one owner's files only, so owners are the tree's concern: what the command leaves
//! under its path keeps its owner, what is new belongs to root. Extended attributes stay as they
//! were, but a file whose content changed loses its capabilities, as the kernel would have it.
//!
//! The crate must not know recipes or what a command is for. Nothing here runs unless it is called,
//! and this is the only place of the build that starts another program.

mod changes;
mod confine;
mod error;
mod inside;
mod mounts;
mod read_back;
mod removal;
mod report;
mod staged;
mod write_out;

pub use changes::Changes;
pub use error::{LastWords, SandboxError};
pub use inside::{ENTRY, enter};
pub use removal::remove_tree;
pub use staged::{Command, Staged};

/// Where the command gets a file system of its own: what is there in the tree stays as it is.
const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "run", "tmp"];
