//! Compressed images.
//!
//! A file is cut into *clusters* of equal length; each is compressed by itself and takes whole
//! blocks ("physical cluster"), if that saves at least one, else it stays as it is. An index after
//! the inode tells for every block of the file where its cluster begins (`index`). Files shorter
//! than a cluster are joined in one *packed inode*, which is compressed like a file, and of which
//! each says its part (`choose`).
//!
//! Cutting the input, instead of searching for the input that fills a given number of blocks,
//! leaves half a block of padding per cluster on average, and takes one compression, not many.
//!
//! ```text
//! block 0    superblock and compression settings, written last
//! data       packed inode, then large files, each content once
//! flat data  directories, then files with holes
//! metadata   as without compression; an index or a place in the packed inode follows the inode
//! ```
//!
//! The data comes before the metadata, which names its blocks, so nothing compressed is ever
//! held longer than it takes to write it: the pieces of all files go through the threads and into
//! the image in one stream (`stream`).

mod body;
mod cache;
mod choose;
mod codec;
mod extent;
pub(super) mod index;
mod piece;
mod repack;
mod stream;

use flagstone_tree::{Content, Inode, Metadata, Tree};

use self::choose::Chosen;
use super::node::Nodes;
use super::shape::Stored;
use super::sink::Sink;
use super::{BLOCK, ClusterSize, Compression, Options, Plan, Statistics, plan};
use crate::{ErofsError, ImageWriter};

pub(super) use body::Body;
pub use cache::{ExtentCache, ExtentKey};
pub use repack::{PIECE_BYTES, Repacker};

/// The version of everything that makes compressed bytes from contents besides the libraries: how
/// files are cut, and when a cluster stays as it is. Whoever changes that changes the number.
pub const FORMAT_VERSION: u32 = 2;

/// What compressed bytes depend on besides the content.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    compression: Compression,
    cluster: ClusterSize,
}

/// Writes a compressed image.
pub(super) fn write(
    tree: &Tree,
    options: &Options,
    cache: Option<&dyn ExtentCache>,
    out: &mut impl ImageWriter,
) -> Result<Statistics, ErofsError> {
    let parameters = Parameters { compression: options.compression, cluster: options.cluster };
    let packed_inode = Inode::file(Metadata::root(0, options.build_time), Content::default());
    let mut nodes = Nodes::collect(tree)?;
    let mut stored = plan::shape(&nodes, options)?;
    let chosen = Chosen::new(&nodes.list, &stored, parameters)?;

    let packed = nodes.list.len();
    let joined = chosen.joined_len();
    let mut sink = Sink::new(&mut *out);
    sink.pad_to(BLOCK).map_err(ErofsError::Write)?;
    let pieces = chosen.pieces(packed);
    let bodies = stream::write_bodies(pieces, parameters, cache, &mut sink)?;
    if joined > 0 {
        nodes.add_packed(&packed_inode);
        stored.push(Stored::packed(&nodes.list[packed], packed, joined, options.build_time));
    }
    let shared = chosen.settle(&mut stored, bodies);

    let plan = Plan::after(nodes, stored, options, sink.position() / BLOCK, shared)?;
    plan.write_rest(&mut sink)?;
    sink.flush().map_err(ErofsError::Write)?;
    drop(sink);
    out.rewrite_start(&plan.superblock.encode()).map_err(ErofsError::Write)?;
    out.flush().map_err(ErofsError::Write)?;
    Ok(plan.statistics())
}
