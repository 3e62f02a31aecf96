//! Power cuts: what a disk boots after every prefix of the writes of an update.
//!
//! A [`WriteLog`] holds what a machine wrote to its disk and when it asked for it to be durable; QEMU's driver
//! `blklogwrites` records it, in the format of Linux' dm-log-writes. A [`Replay`] has the disk as it was before and
//! as many of the writes as wanted. [`Loader`] is a model of what comes before the kernel: the firmware's
//! choice of a partition table, the loader's of a kernel image, the initrd's of a slot. [`torture`]
//! puts them together: it asks the model after every write, and, since a disk may reorder what it was not told to keep,
//! after random selections of the writes since the last flush.
//!
//! The crate knows partition tables, FAT and the naming of slots and entries. It must not know how an update is
//! made, and does not run machines: what it is told to expect are files.

mod error;
mod expected;
mod loader;
mod random;
mod replay;
mod torture;
mod write_log;

pub use error::TortureError;
pub use expected::{Expected, Version};
pub use loader::{Loader, Verdict};
pub use replay::Replay;
pub use torture::{CutPoint, TortureOptions, TortureReport, torture};
pub use write_log::{LogEntry, WriteLog};
