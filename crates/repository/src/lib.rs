//! The update repository: published to a folder, read and verified by machines.
//!
//! A repository is that of The Update Framework (TUF, specification 1.0) with consistent snapshots and
//! without delegations: signed metadata say which files there are, how new they are and until when that
//! holds. The files are update payloads, and one channel file for each channel and image, which says
//! what a machine is to run (docs/repository.md).
//!
//! A machine has [`Repository`]: it starts from root metadata that it trusts, keeps what it has seen, and
//! refuses whatever is older, expired, or signed by too few keys. What it gives is an [`Offer`], and a
//! [`TargetLocation`] for a reader that can continue where it stopped. Publishing is behind the feature
//! `publish`: [`Publisher`] computes what is new in memory, writes targets before metadata, and
//! `timestamp.json` last, so that a reader sees the old state or the new one. It writes to a folder, or to an object
//! store ([`Bucket`]).
//!
//! The crate knows roles, keys, versions and times. It must not know of slots, partitions or how a payload
//! is made. The clock is an argument ([`Repository::open_at`]); the one function that reads it says so, and an object
//! store's requests are signed with the time they are sent at.
//!
//! # Why not `tough`
//! `tough` 0.24 keeps what it has seen in files that it writes in place, and takes those that cannot be
//! read for none, so that a power cut can end the protection against old metadata; it always begins at the
//! root that the program brings, so that keys which were rotated out come back; it reads the clock by
//! itself, and refuses everything once the clock was ahead; it looks for targets in folders under other
//! names than the specification; and it brings a second cryptographic library in C into each image
//! (docs/repository.md has what was tried). What is needed of TUF is small; the reference implementation in Python judges it in both directions.

mod canonical;
mod channel;
mod channel_file;
mod datastore;
mod download;
mod error;
mod key;
mod offer;
mod repository;
mod role;
mod root;
mod session;
mod signed;
mod snapshot;
mod target_name;
mod targets;
mod time;
mod timestamp;
mod wave;

#[cfg(feature = "publish")]
mod publish;

pub use channel::Channel;
pub use channel_file::CHANNEL_FILE_MAX;
pub use error::RepositoryError;
pub use offer::{Delta, Offer};
pub use repository::{Repository, TargetLocation};
pub use role::Role;
pub use root::check_root;
pub use target_name::TargetName;
pub use time::UtcTime;
pub use wave::Wave;

#[cfg(feature = "publish")]
pub use publish::{
    Bucket, Credentials, KeyChange, NewRoot, Publication, PublishError, Published, Publisher,
    SigningKeys, Terms, WaveAfter,
};
