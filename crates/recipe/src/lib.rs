//! The two files a user commits: the recipe and its lock.
//!
//! A [`Recipe`] says what an image shall be, in TOML. It may extend another one, by relative path or
//! by the name of a recipe that is shipped inside the program ([`shipped`]):
//!
//! - a scalar replaces the scalar it extends;
//! - a list changes by `add` and `remove`; adding what is there already changes nothing, removing
//!   what is not there is an error;
//! - tables merge key by key. Tables whose keys are the user's own words (`files`, `users`,
//!   `units`, `sysctl`, …) lose an entry by `remove = true` in it.
//!
//! [`Recipe::load`] follows the chain, merges it and checks it: whoever holds a `Recipe` holds plain
//! data that keeps its rules. What is wrong comes back as [`Diagnostics`], each with file, line,
//! column, excerpt and, where one is known, a hint. A mistake is reported with others of its kind
//! at once: first all syntax errors, then all wrong keys and values, then what the merged recipe
//! lacks or contradicts.
//!
//! A [`Lock`] is what a recipe's wishes were resolved to: exact packages with digests, and the date
//! that serves as the build's only clock. It is a file made by a program for people to review, so
//! its text is stable: the same lock gives the same bytes, and one changed package changes one
//! block. [`LockDiff`] tells two locks apart.
//!
//! The crate must not know how anything is fetched, resolved or built. It reads no clock and no
//! environment; files come through a [`Reader`]. The keys of both files are declared once, as
//! tables of the decoder, from which the JSON schemas in `recipes/` are generated too.

mod capabilities;
mod decode;
mod diagnostic;
mod fingerprint;
mod glob;
mod keyed;
mod layer;
mod list;
mod load;
mod lock;
mod lock_diff;
mod lock_file;
mod mode;
mod or_remove;
mod origin;
mod path;
mod recipe;
mod report;
mod resolve;
mod run;
mod selection;
mod size;
mod source;
mod table;
mod timestamp;
mod tmpfiles_line;
mod update;
mod usr;
mod word;

#[cfg(test)]
mod schema;
#[cfg(test)]
mod snapshots;

pub use capabilities::FileCapabilities;
pub use diagnostic::Diagnostics;
pub use flagstone_artifact::{Diagnostic, Excerpt, Position};
pub use glob::PathPattern;
pub use load::{DiskReader, Reader, base_of};
pub use lock::{Archive, Lock, LockedPackage, LockedSuite, StaleLock};
pub use lock_diff::{LockDiff, VersionChange};
pub use mode::Mode;
pub use origin::{lock_path, shipped};
pub use path::{AbsolutePath, ImagePath, LinkTarget, PoolPath};
pub use recipe::{
    AcceptedScript, Alternative, Compression, Directory, DiskSizes, Distribution, File, Group,
    Kernel, Link, Modules, Owner, Recipe, RootEncryption, Source, Suite, Unit, User,
};
pub use run::{Run, RunName};
pub use selection::{LocalDeb, Pin, Repository, Selection};
pub use size::ByteSize;
pub use timestamp::Timestamp;
pub use tmpfiles_line::TmpfilesLine;
pub use update::{TrustedKey, Update};
pub use usr::UsrFormat;
pub use word::{
    AccountName, Channel, CmdlineArg, Component, DebArchitecture, Gecos, ModuleName, ModuleOptions,
    PackageName, PackageVersion, RepositoryName, ScriptName, SuiteName, SysctlKey, UnitName,
    UpdateUrl, VersionPattern, Why,
};
