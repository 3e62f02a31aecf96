//! The subcommands.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod diff;
pub(crate) mod ignition;
pub(crate) mod inside;
pub(crate) mod keys;
pub(crate) mod lock;
pub(crate) mod locking;
pub(crate) mod payload;
pub(crate) mod run;
pub(crate) mod scripts;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod verify_rebuild;
pub(crate) mod why;
pub(crate) mod why_not;
