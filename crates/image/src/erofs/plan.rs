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
    /// Inodes, each once however many names it has.
    pub inodes: u64,
}

/// An image that is decided but not written; borrows the file contents from its tree.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) nodes: Nodes<'a>,
    /// Parallel to the nodes.
    pub(super) stored: Vec<Stored>,
    /// Indices of the nodes that own data blocks, in the order of their blocks.
    pub(super) data_order: Vec<usize>,
    pub(super) superblock: Superblock,
    statistics: Statistics,
}

impl<'a> Plan<'a> {
    /// Decides where everything goes. Writes nothing.
    ///
    /// # Errors
    /// [`ErofsError`] if the tree, or an option, does not fit the format.
    pub fn new(tree: &'a Tree, options: &Options) -> Result<Self, ErofsError> {
        check(options)?;
        let nodes = Nodes::collect(tree)?;
        let mut stored = shape(&nodes, options)?;
        let data_start = place(&mut stored);
        let shared = shared_blocks(&nodes.list, &stored);
        let (data_order, end) = allocate(&nodes, &mut stored, &shared, data_start);
        let blocks = u32::try_from(end).ok().filter(|&blocks| blocks < NULL_BLOCK);
        let blocks = blocks.ok_or(ErofsError::TooLarge { blocks: end })?;
        let statistics = Statistics {
            size_bytes: end * BLOCK,
            blocks: end,
            metadata_blocks: data_start - 1,
            data_blocks: end - data_start,
            shared_blocks: shared.keys().map(|&index| stored[index].shape.blocks()).sum(),
            inline_bytes: inline_bytes(&stored),
            inodes: stored.len() as u64,
        };
        let superblock = superblock(&stored, blocks, options);
        Ok(Self { nodes, stored, data_order, superblock, statistics })
    }

    /// Returns what the image is made of.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Returns the number under which the image holds a node.
    pub(super) fn nid(&self, index: usize) -> u64 {
        self.stored[index].position / SLOT
    }
}

fn check(options: &Options) -> Result<(), ErofsError> {
    if !Superblock::accepts_label(&options.label) {
        return Err(ErofsError::Label { label: options.label.clone() });
    }
    let nanoseconds = options.build_time.nanoseconds;
    if nanoseconds >= 1_000_000_000 {
        return Err(ErofsError::BuildTime { nanoseconds });
    }
    Ok(())
}

fn shape(nodes: &Nodes<'_>, options: &Options) -> Result<Vec<Stored>, ErofsError> {
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

/// Gives the data its blocks from `start` on. Returns the nodes that own blocks, in the order of
/// these, and the first block after the data.
fn allocate(
    nodes: &Nodes<'_>,
    stored: &mut [Stored],
    shared: &BTreeMap<usize, usize>,
    start: u64,
) -> (Vec<usize>, u64) {
    let mut space = DataSpace::new(start);
    let mut owners = Vec::new();
    for index in blocks_order(nodes, stored) {
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

fn superblock(stored: &[Stored], blocks: u32, options: &Options) -> Superblock {
    let root_nid = stored[0].position / SLOT;
    Superblock {
        root_nid: u16::try_from(root_nid).expect("the root is placed first"),
        inodes: stored.len() as u64,
        build_time: options.build_time,
        blocks,
        uuid: options.uuid,
        label: options.label.clone(),
        chunked: stored.iter().any(|stored| matches!(stored.shape, Shape::Chunked(_))),
    }
}

/// Returns the nodes that have data blocks: directories before all others, since every look-up
/// reads them.
fn blocks_order<'a>(nodes: &'a Nodes<'_>, stored: &'a [Stored]) -> Vec<usize> {
    let with_blocks = || (0..stored.len()).filter(|&index| stored[index].shape.blocks() > 0);
    let is_directory = |index: &usize| matches!(nodes.list[*index].inode.kind, Kind::Directory(_));
    let directories = with_blocks().filter(is_directory);
    directories.chain(with_blocks().filter(|index| !is_directory(index))).collect()
}

fn inline_bytes(stored: &[Stored]) -> u64 {
    let tail = |stored: &Stored| match stored.shape {
        Shape::Flat { tail, .. } => tail,
        Shape::Empty | Shape::Chunked(_) => 0,
    };
    stored.iter().map(tail).sum()
}
