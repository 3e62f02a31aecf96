//! From package archives to a finished root file system tree, without maintainer scripts.
//!
//! Three steps, each a pure function over an in-memory [`flagstone_tree::Tree`]:
//! 1. [`merge`] lays the data archives of packages over each other and refuses what cannot be one
//!    system: conflicts, paths that leave the tree, devices, tricks with hard links.
//! 2. [`finish`] does what the packages' scripts would have done on an ordinary machine: users,
//!    owners, PAM stacks, /etc files, the CA bundle, alternatives, enabled units. Each finisher is a
//!    module with its reason in its doc.
//! 3. [`split`] turns the finished tree into the /usr of an immutable system: /etc becomes defaults
//!    below /usr, the kernel is taken out, everything else outside /usr is dropped and listed.
//!
//! [`extension`] takes two systems that are split and returns what the one has that the other has not.
//!
//! The crate knows the conventions of the systems it finishes: where `systemd`, PAM, OpenSSL and the
//! C library look. It must not know package formats, repositories, recipes or disks: archives come
//! as uncompressed tars with a name, and what a user may choose comes in [`FinishInput`]. Nothing
//! of the target is ever run, and there is no clock: the build's date is an argument.

mod accounts;
mod alternatives;
mod archive;
mod ca_certificates;
mod certificate;
mod declared_files;
mod edit;
mod error;
mod etc_files;
mod extension;
mod finish;
mod glob;
mod ids;
#[cfg(test)]
mod judge;
mod merge;
mod module_settings;
mod note;
mod nsswitch;
mod own_files;
mod owners;
mod ownership;
mod pam;
mod pax;
mod preset;
mod script_accounts;
mod script_knowledge;
mod set_id;
mod split;
mod sub_ids;
mod sysusers;
mod unit_file;
mod units;
mod users;

pub use alternatives::Choice;
pub use archive::{ArchiveData, ContentSink, PackageArchive, SplitError, SplitList, split_archive};
pub use error::{ArchiveError, RootfsError};
pub use etc_files::EtcInput;
pub use extension::{Extension, ExtensionInput, extension};
pub use finish::{FinishInput, FinishReport, finish};
pub use glob::{Glob, PruneList};
pub use merge::{MergeInput, Merged, Replaces, merge};
pub use module_settings::ModulesInput;
pub use note::Note;
pub use own_files::{OwnFile, OwnKind};
pub use owners::{Capabilities, OwnerSpec, set_owners};
pub use script_knowledge::script_knowledge;
pub use split::{ETC_DEFAULTS, IGNITION_PROGRAM, Kernel, Split, UsrTree, split};
pub use units::UnitsInput;
pub use users::{GroupSpec, Home, UserSpec, UsersInput};
