//! The subcommands.

pub(crate) mod build;
pub(crate) mod lock;
pub(crate) mod locking;
pub(crate) mod run;
pub(crate) mod scripts;
