use std::collections::BTreeMap;

use flagstone_tree::{Kind, Tree};

use super::inode::SLOT;
use super::node::Nodes;
use super::place::{DataSpace, MetaSpace};
use super::shape::{Shape, Stored};
use super::share::shared_blocks;
use super::superblock::Superblock;
use super::{BLOCK, NULL_BLOCK, Options};
use crate::ErofsError;

/// What an image is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Length of the image in bytes, a multiple of 4096.
    pub size_bytes: u64,
    /// Blocks of 4096 bytes in all.
    pub blocks: u64,
    /// Blocks of inodes, attributes, inline data and chunk tables.
    pub metadata_blocks: u64,
    /// Blocks of directories and file data.
    pub data_blocks: u64,
    /// Blocks saved because another file has the same content.
    pub shared_blocks: u64,
    /// Bytes of files, links and directories stored beside their inodes.
    pub inline_bytes: u64,
    /// Bytes of small files that are compressed together.
    pub joined_bytes: u64,
    /// Inodes, each once however many names it has.
    pub inodes: u64,
}

/// An image that is decided but not written; borrows the file contents from its tree.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) nodes: Nodes<'a>,
    /// Parallel to the nodes.
    pub(super) stored: Vec<Stored>,
    /// Indices of the nodes that own data blocks, in the order of their blocks.
    pub(super) data_order: Vec<usize>,
    pub(super) superblock: Superblock,
    statistics: Statistics,
}

/// Where the parts of an image are.
struct Parts {
    /// The block from which inodes are numbered.
    meta_base: u64,
    /// Blocks of metadata.
    metadata_blocks: u64,
    /// All blocks.
    blocks: u64,
}

impl<'a> Plan<'a> {
    /// Decides where everything goes in an image without compression. Writes nothing.
    ///
    /// # Errors
    /// [`ErofsError`] if the tree does not fit the format.
    pub(super) fn new(tree: &'a Tree, options: &Options) -> Result<Self, ErofsError> {
        let nodes = Nodes::collect(tree)?;
        let mut stored = shape(&nodes, options)?;
        let data_start = place(&mut stored);
        let shared = shared_blocks(&nodes.list, &stored)?;
        let order = blocks_order(&nodes, &stored);
        let (data_order, blocks) = allocate(order, &mut stored, &shared, data_start);
        let shared_blocks = shared.keys().map(|&index| stored[index].shape.blocks()).sum();
        let parts = Parts { meta_base: 0, metadata_blocks: data_start - 1, blocks };
        Self::finish(nodes, stored, data_order, options, &parts, shared_blocks)
    }

    /// Decides where the rest of an image goes whose compressed data ends before block `start`:
    /// the nodes that have blocks, but not yet a first one, and all metadata. Writes nothing.
    ///
    /// `shared_blocks` are those that have been saved.
    ///
    /// # Errors
    /// [`ErofsError::TooLarge`].
    pub(super) fn after(
        nodes: Nodes<'a>,
        mut stored: Vec<Stored>,
        options: &Options,
        start: u64,
        shared_blocks: u64,
    ) -> Result<Self, ErofsError> {
        let order = blocks_order(&nodes, &stored);
        let (data_order, meta_start) = allocate(order, &mut stored, &BTreeMap::new(), start);
        let metadata_blocks = place(&mut stored) - 1;
        let blocks = meta_start + metadata_blocks;
        let parts = Parts { meta_base: meta_start - 1, metadata_blocks, blocks };
        Self::finish(nodes, stored, data_order, options, &parts, shared_blocks)
    }

    fn finish(
        nodes: Nodes<'a>,
        stored: Vec<Stored>,
        data_order: Vec<usize>,
        options: &Options,
        parts: &Parts,
        shared_blocks: u64,
    ) -> Result<Self, ErofsError> {
        let blocks = u32::try_from(parts.blocks).ok().filter(|&blocks| blocks < NULL_BLOCK);
        let blocks = blocks.ok_or(ErofsError::TooLarge { blocks: parts.blocks })?;
        let statistics = Statistics {
            size_bytes: parts.blocks * BLOCK,
            blocks: parts.blocks,
            metadata_blocks: parts.metadata_blocks,
            data_blocks: parts.blocks - parts.metadata_blocks - 1,
            shared_blocks,
            inline_bytes: inline_bytes(&stored),
            joined_bytes: joined_bytes(&stored),
            inodes: stored.len() as u64,
        };
        let superblock = superblock(&stored, blocks, parts, options);
        Ok(Self { nodes, stored, data_order, superblock, statistics })
    }

    /// Returns what the image is made of.
    pub(super) fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Returns the number under which the image holds a node.
    pub(super) fn nid(&self, index: usize) -> u64 {
        self.stored[index].position / SLOT
    }
}

/// Refuses options that the format has no place for.
pub(super) fn check(options: &Options) -> Result<(), ErofsError> {
    if !options.compression.is_sound() {
        return Err(ErofsError::Level { compression: options.compression });
    }
    if !Superblock::accepts_label(&options.label) {
        return Err(ErofsError::Label { label: options.label.clone() });
    }
    let nanoseconds = options.build_time.nanoseconds;
    if nanoseconds >= 1_000_000_000 {
        return Err(ErofsError::BuildTime { nanoseconds });
    }
    Ok(())
}

/// Decides how every inode is stored without compression.
pub(super) fn shape(nodes: &Nodes<'_>, options: &Options) -> Result<Vec<Stored>, ErofsError> {
    (1..)
        .zip(nodes.list.iter().enumerate())
        .map(|(ino, (index, node))| {
            Stored::new(node, ino, options.build_time)
                .map_err(|cause| ErofsError::Unfit { path: nodes.path(index), cause })
        })
        .collect()
}

/// Gives every inode its place, and returns the first block after them. Block 0 is the
/// superblock's alone, so no inode has the number 0, which `readdir` takes for a deleted entry.
fn place(stored: &mut [Stored]) -> u64 {
    let mut space = MetaSpace::new(1);
    for stored in stored {
        stored.position = space.place(stored.metadata_size());
    }
    space.end_block()
}

/// Gives the data of these nodes blocks from `start` on. Returns the nodes that own blocks, in the order of
/// these, and the first block after the data.
fn allocate(
    order: Vec<usize>,
    stored: &mut [Stored],
    shared: &BTreeMap<usize, usize>,
    start: u64,
) -> (Vec<usize>, u64) {
    let mut space = DataSpace::new(start);
    let mut owners = Vec::new();
    for index in order {
        let block = if let Some(&earlier) = shared.get(&index) {
            stored[earlier].first_block
        } else {
            owners.push(index);
            space.take(stored[index].shape.blocks())
        };
        stored[index].set_first_block(block);
    }
    (owners, space.end_block())
}

fn superblock(stored: &[Stored], blocks: u32, parts: &Parts, options: &Options) -> Superblock {
    let root_nid = stored[0].position / SLOT;
    let is_fragment = |stored: &Stored| matches!(stored.shape, Shape::Fragment { .. });
    let is_compressed = |stored: &Stored| matches!(stored.shape, Shape::Compressed { .. });
    let compression = options.compression;
    // The packed inode is the last one, if there is one.
    let has_packed = stored.iter().any(is_fragment);
    let packed = stored.last().filter(|_| has_packed);
    Superblock {
        root_nid: u16::try_from(root_nid).expect("the root is placed first"),
        inodes: stored.len() as u64,
        build_time: options.build_time,
        blocks,
        uuid: options.uuid,
        label: options.label.clone(),
        chunked: stored.iter().any(|stored| matches!(stored.shape, Shape::Chunked(_))),
        meta_block: u32::try_from(parts.meta_base).expect("all blocks have 32-bit addresses"),
        compression: stored
            .iter()
            .any(|stored| is_fragment(stored) || is_compressed(stored))
            .then(|| (compression.format(), compression.configuration(options.cluster))),
        packed_nid: packed.map(|stored| stored.position / SLOT),
    }
}

/// Returns the nodes that have data blocks but no first one: directories before all others, since every look-up
/// reads them.
fn blocks_order<'a>(nodes: &'a Nodes<'_>, stored: &'a [Stored]) -> Vec<usize> {
    let waits = |stored: &Stored| stored.shape.blocks() > 0 && stored.first_block == NULL_BLOCK;
    let with_blocks = || (0..stored.len()).filter(|&index| waits(&stored[index]));
    let is_directory = |index: &usize| matches!(nodes.list[*index].inode.kind, Kind::Directory(_));
    let directories = with_blocks().filter(is_directory);
    directories.chain(with_blocks().filter(|index| !is_directory(index))).collect()
}

fn inline_bytes(stored: &[Stored]) -> u64 {
    let tail = |stored: &Stored| match stored.shape {
        Shape::Flat { tail, .. } => tail,
        _ => 0,
    };
    stored.iter().map(tail).sum()
}

fn joined_bytes(stored: &[Stored]) -> u64 {
    let is_fragment = |stored: &&Stored| matches!(stored.shape, Shape::Fragment { .. });
    stored.iter().filter(is_fragment).map(|stored| stored.disk.size).sum()
}
