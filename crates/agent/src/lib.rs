//! What runs on the machine: the installer, what updates it ([`update`]), what compares its /etc with the
//! defaults ([`etc`]), and what resets it ([`reset`]).
//!
//! [`Location`] says where an image is; [`VerifiedImage::find`] gets the list of digests beside it
//! and checks its signatures before a byte of it is read; [`Machine::check`] refuses disks that are
//! in use; [`LocalDisk`] opens one for nobody else; [`write_image`] puts the image on it such that it
//! has a partition table at the very end or never. [`Installation`] is all of that in order.
//!
//! The crate must not know how an image is made: it links no builder code. It reads what the caller
//! hands it, prints nothing, and tells a [`Progress`] what happens.
//!
//! # Order of writes
//! First both ends of the disk are cleared and that is made durable. The image follows, but for its
//! first mebibyte, which stays in memory, and its backup table, which is made anew for the disk's own
//! size. Only when the digest of the whole image is right are the table's copies written, the
//! protective MBR and the primary header last: without those neither firmware nor kernel looks
//! for a backup. Whatever happens before, power cuts included, leaves a disk that nothing boots and
//! nothing mounts.

mod device;
mod download;
mod durable;
mod error;
pub mod etc;
mod installation;
mod local_disk;
mod location;
mod machine;
mod oem;
mod progress;
pub mod reset;
pub mod update;
mod verified_image;
mod write_image;

pub use device::Device;
pub use download::{Download, ImageSource, Patience};
pub use error::InstallError;
pub use installation::{InstallReport, Installation};
pub use local_disk::LocalDisk;
pub use location::Location;
pub use machine::{DiskFacts, Machine};
pub use oem::{IGNITION_MAX, IgnitionConfig, OemFiles, PlatformId};
pub use progress::{Progress, Silent, Step};
pub use verified_image::{Signer, Trust, VerifiedImage};
pub use write_image::{WrittenImage, write_image};
