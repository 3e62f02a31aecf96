//! What builds would otherwise do again, kept in files.
//!
//! A [`Pack`] is a file of values, each under the digest of what it was made from, with a checksum
//! for every byte that is ever used. A [`Shelf`] is a folder of packs, each under the digest of what
//! *it* was made from; the shelf's owner puts every input of the work into that name, the version of
//! the work's own code included, so that nothing stale can be found.
//!
//! A pack gets its name when it is complete and is never changed after that. Builds that run at the
//! same time may thus share a shelf without asking each other: whoever comes second replaces a pack
//! by an equal one, and a pack that is removed stays readable for those that have opened it. A pack
//! that is cut off, damaged or of another format is as good as none; it is removed and made anew.
//!
//! The checksums find what disks, file systems and editors do. They are no defence against someone
//! who may write to the folder: such a person may as well replace the program.
//!
//! The crate knows files, digests and ages. It must not know what the values mean.
//!
//! # The format of a pack
//!
//! All numbers are little-endian; checksums are XXH3 with 128 bits.
//!
//! ```text
//! values   one after the other
//! index    for each value, in the order of the keys: 32 bytes key, 8 bytes offset,
//!          8 bytes length, 16 bytes checksum of the value
//! footer   "FLAGPACK", 4 bytes format version, 4 bytes zero, 8 bytes count of values,
//!          8 bytes length of all values, 16 bytes checksum of the index, 32 bytes name of the pack,
//!          16 bytes checksum of the 80 bytes before
//! ```

mod checksum;
mod error;
mod pack;
mod record;
mod shelf;
mod usage;
mod writer;

pub use error::StoreError;
pub use pack::{Damage, Pack};
pub use record::{FORMAT_VERSION, Record};
pub use shelf::Shelf;
pub use usage::{Usage, prune, remove, usage};
pub use writer::PackWriter;
