//! Comparing two releases: what an update changes, and whether a rebuild is the same.
//!
//! [`Release::open`] opens whatever it is given - a disk image, a usr image, a kernel image, a
//! manifest or a lock - and knows it by its content. [`Comparison::between`] compares what both
//! sides tell, and names what only one of them does. The result is plain data that serialises to
//! JSON; [`TextReport`] and [`HtmlReport`] show it to people.
//!
//! [`Proof`] compares a rebuild with what a manifest names, byte by byte, and says where in an
//! artefact they differ - the partition, the file, the section, the field - and what may be the cause.
//!
//! Images are read where they lie, without being unpacked or mounted: two walks go side by side
//! through the directories, and contents are digested as streams, in parallel. What is held in
//! memory are the names of files that both images have, and what differs.
//!
//! The crate must not know how an image is built, nor of terminals. It trusts nothing that it
//! reads: damage is an error with a place, never a panic.

mod accounts;
mod comparison;
mod disk;
mod error;
mod files;
mod html;
mod kernel;
mod locate;
mod manifest;
mod outline;
mod packages;
mod proof;
mod release;
mod spread;
mod text;
mod units;
mod usr;
mod window;

pub use accounts::{Account, AccountChange, AccountsDiff, EntriesDiff};
pub use comparison::{
    Comparison, DIFF_VERSION, LockPart, NotCompared, Pair, Sized, Sizes, SuiteChange, UsrImageDiff,
};
pub use disk::PartitionSize;
pub use error::CompareError;
pub use files::{Amount, Aspect, FileChange, FileEntry, FileState, FilesDiff};
pub use html::HtmlReport;
pub use kernel::{CommandLineDiff, KernelDiff, OptionChange};
pub use locate::Place;
pub use manifest::read_manifest;
pub use packages::{NamedPackage, Package, PackageChange, PackagesDiff};
pub use proof::{ArtifactProof, ArtifactState, PROOF_VERSION, Proof, find_manifest, other_inputs};
pub use release::{InputKind, Release, Side};
pub use spread::Spread;
pub use text::TextReport;
pub use units::{Scope, Unit, UnitsDiff};
