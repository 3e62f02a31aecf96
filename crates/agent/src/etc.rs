//! How the machine's /etc differs from what the image brings.
//!
//! /etc is an overlay (Linux, Documentation/filesystems/overlayfs.rst): the defaults in
//! `/usr/share/flagstone/etc` below, and what the machine made its own above, in the folder `etc` of ROOT. What
//! is above hides the default of the same name from then on, in every later version too.

mod difference;
mod error;
mod layers;
mod overlay;
mod report;
mod root_folder;

pub use difference::{Aspect, EtcChange, EtcDiff, EtcEntry, EtcKind};
pub use error::EtcError;
pub use layers::compare;
pub use overlay::Attributes;
pub use root_folder::RootFolder;
