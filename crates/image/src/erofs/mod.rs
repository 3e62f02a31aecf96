//! An EROFS writer: a tree becomes a read-only file system image.
//!
//! The format is the kernel's, `Documentation/filesystems/erofs.rst` and `fs/erofs/erofs_fs.h`; all
//! integers are little-endian. Only features that Linux 6.1 knows are used, zstd apart, which it
//! knows since 6.10; those that are not needed by a tree are not announced in its superblock.
//!
//! ```text
//! block 0    superblock at byte 1024, the rest zero (room for compression settings)
//! metadata   inode, its extended attributes, then the tail of its data or its chunk table
//! data       whole blocks: directories first, then files, each content once
//! ```
//!
//! # Plan, then write
//! `Plan::new` decides everything but writes nothing, in steps that each have a module:
//! 1. `node`: every inode once, with its link count; refuses what the format cannot hold.
//! 2. `shape`: how the data of each is stored: inline, in blocks, or in chunks with holes.
//! 3. `place`: where each inode's metadata goes, thus its number (nid).
//! 4. data blocks in sequence; identical contents share theirs (`share`).
//!
//! `Plan::write` then streams the image from first to last byte. It holds no file data: contents are
//! borrowed from the tree. How long compressed data is becomes known by compressing it, so with
//! compression (`compress`) that data comes first and the rest is planned behind it.

mod chunk;
mod cluster;
mod compress;
mod compression;
mod dirent;
mod inode;
mod node;
mod place;
mod plan;
pub mod read;
mod shape;
mod share;
mod sink;
mod superblock;
mod write;
mod xattr;

use flagstone_tree::{Mtime, Tree};

use crate::{ErofsError, ImageWriter};

pub use cluster::ClusterSize;
pub use compress::{ExtentCache, ExtentKey, FORMAT_VERSION, PIECE_BYTES, Repacker};
pub use compression::{Compression, LZ4HC_LEVELS, ZSTD_LEVELS};
pub use plan::Statistics;

use plan::Plan;

/// Bytes in a block of the image; Linux before 6.4 mounts no other size than its page's.
pub const BLOCK_SIZE: u32 = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 12;
/// [`BLOCK_SIZE`] for lengths and positions in the image.
const BLOCK: u64 = BLOCK_SIZE as u64;

/// `EROFS_NULL_ADDR` in 32 bits: no block; in a chunk table, a hole.
const NULL_BLOCK: u32 = u32::MAX;

/// What an image says about itself, and how it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The volume's one clock. Inodes with this very time can be stored in half the space.
    pub build_time: Mtime,
    /// The volume's id, in the byte order of RFC 9562.
    pub uuid: [u8; 16],
    /// The volume's label: at most 15 bytes, no NUL.
    pub label: String,
    /// How file contents are compressed.
    pub compression: Compression,
    /// How much of them is compressed together.
    pub cluster: ClusterSize,
}

/// Writes an image.
///
/// # Errors
/// [`ErofsError`] if the tree or an option does not fit the format, or the writer fails.
pub fn write(
    tree: &Tree,
    options: &Options,
    out: &mut impl ImageWriter,
) -> Result<Statistics, ErofsError> {
    write_cached(tree, options, None, out)
}

/// Writes the same image, with compressed contents from a store as far as it has them; what it has
/// not is put there.
///
/// # Errors
/// As [`write()`].
pub fn write_cached(
    tree: &Tree,
    options: &Options,
    cache: Option<&dyn ExtentCache>,
    out: &mut impl ImageWriter,
) -> Result<Statistics, ErofsError> {
    plan::check(options)?;
    if options.compression != Compression::None {
        return compress::write(tree, options, cache, out);
    }
    let plan = Plan::new(tree, options)?;
    plan.write(out)?;
    Ok(plan.statistics())
}
