//! The only place where the stages meet: lock, fetch, unpack, finish, image, disk.
//!
//! ```text
//! Recipe ─ make_lock ─► Lock ─ fetch_packages ─► cache ─ build ─► Artifacts in the output folder
//! ```
//!
//! [`build_extension`] makes the system of two recipes, and keeps what the one has that the other has not.
//!
//! [`make_lock`] asks the archives once; [`build`] reads only the recipe, the lock and the cache, so
//! that the same lock gives the same bytes wherever and whenever it runs. Each step of a build takes
//! the type that the step before gives, which is why none can come too early.
//!
//! The crate knows every stage and the order they come in. It must not know terminals or arguments:
//! it prints nothing, and a [`Progress`] hears what happens. It reads no clock and no environment, and
//! starts no program, unless a recipe has commands and [`BuildRequest::commands`] allows them.

mod assemble;
mod boot_files;
mod build;
mod commands;
mod disk_image;
mod error;
mod extension;
mod extensions;
mod extent_store;
mod indices;
mod local_debs;
mod lock;
mod lookup;
mod manifest;
mod netboot;
mod output;
mod packages;
mod progress;
mod release;
mod scripts;
mod settings;
mod software;
mod system;
mod sysupdate;
mod tree_files;
mod unpacked;
mod updates;
mod usr_image;
mod word;
mod work_cache;

pub use build::{BuildRequest, Built, DiskSum, build};
pub use commands::check_commands;
pub use error::BuildError;
pub use extension::{ExtensionManifest, ExtensionRequest, LockedRecipe, build_extension};
pub use lock::{LockRequest, Moves, make_lock};
pub use lookup::{Absence, Wanted, why_not};
pub use output::{Existing, Names};
pub use packages::{fetch_packages, missing_packages};
pub use progress::{Progress, Stage};
pub use scripts::{Acceptance, ScriptEntry, ScriptsReport, survey_scripts};
pub use work_cache::{Sort, WorkCache};
