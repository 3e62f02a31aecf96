//! Checks Ignition configurations the way the image's Ignition judges them, before a machine does.
//!
//! Images have Debian's Ignition 2.14.0, which knows the versions 3.0.0 to 3.3.0 of the
//! specification and 3.4.0-experimental. [`check`] says of a configuration what that program
//! would refuse ([`Verdict::Refused`]), what it would take and then fail at on a machine with a
//! Flagstone image ([`Verdict::Fails`]), and what works and may not be meant
//! ([`Verdict::Doubtful`]): keys that are ignored, modes in octal, units without `[Install]`. Each
//! finding has its line and column. What an image has or lacks can be compared, too ([`Shipped`]).
//!
//! Documents are read as strictly as Ignition reads them and no further: it ignores unknown keys,
//! takes keys in other letters and `null` for nothing, and so do the checks, with a warning. Of JSON
//! that was translated from another language, [`check_translated`] speaks in the places and words of
//! what was [`Written`].
//!
//! The crate must not know where a configuration comes from, and loads nothing that one refers to.
//! It trusts no byte: depth, number of values and size are bounded.

mod check;
mod context;
mod data_url;
mod disks;
mod fields;
mod ignition;
mod json;
mod json_reader;
mod keys;
mod nodes;
mod passwd;
mod place;
mod report;
mod resource;
mod schema;
mod shipped;
mod unit_file;
mod units;
mod url;
mod version;
mod written;

pub use check::{CONFIG_MAX, check, check_translated};
pub use report::{Finding, Report, Verdict};
pub use shipped::{LOOKED_INTO, Shipped};
pub use written::Written;
