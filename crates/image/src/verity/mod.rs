//! dm-verity hash trees: made while the data is written, and checked.
//!
//! The format is that of `veritysetup format` with its defaults: superblock version 1, hash type 1
//! (the salt is hashed before each block), SHA-256, data and hash blocks of 4096 bytes; see the
//! kernel's `Documentation/admin-guide/device-mapper/verity.rst` and cryptsetup's wiki page on the
//! on-disk format. All integers are little-endian.
//!
//! ```text
//! block 0    superblock, 512 bytes, the rest zero
//! block 1…   the tree, a level after the other, the topmost first
//! ```
//!
//! A hash block holds 128 digests, its rest zero. The root hash is the digest of the topmost hash
//! block, or of the data itself where that is a single block and the tree has no level.
//!
//! Making a tree trusts its input; [`verify()`] and [`Superblock::parse`] do not.

mod batch;
mod check;
mod levels;
mod salted;
mod superblock;
mod tree;
mod writer;

pub use check::verify;
pub use superblock::{Parameters, Superblock};
pub use tree::HashTree;
pub use writer::VerityWriter;

/// Bytes in a block, of the data as of the hash device.
pub const BLOCK_SIZE: usize = 4096;

/// Bytes in a SHA-256 digest.
const DIGEST_SIZE: usize = 32;

/// Digests in a hash block.
const FAN_OUT: u64 = (BLOCK_SIZE / DIGEST_SIZE) as u64;

/// [`BLOCK_SIZE`] for lengths of devices.
const BLOCK: u64 = BLOCK_SIZE as u64;
