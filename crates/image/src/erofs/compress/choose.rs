use std::collections::BTreeMap;
use std::sync::Arc;

use flagstone_tree::{Content, Kind};

use super::body::Body;
use super::piece::{self, Joined, Piece};
use super::{Parameters, index};
use crate::erofs::inode::SLOT;
use crate::erofs::node::Node;
use crate::erofs::shape::{Shape, Stored};
use crate::erofs::share::same_contents;

/// The files that are compressed, each content once.
///
/// What is shorter than a cluster is joined with others to the packed inode, so that it neither
/// takes blocks of its own nor is compressed without what resembles it.
#[derive(Debug)]
pub(super) struct Chosen {
    small: Vec<usize>,
    large: Vec<usize>,
    /// From a file to the one before it that has the same content.
    same: BTreeMap<usize, usize>,
}

impl Chosen {
    pub(super) fn new(nodes: &[Node<'_>], stored: &[Stored], parameters: Parameters) -> Self {
        let files: Vec<(usize, &Content)> = nodes
            .iter()
            .zip(stored)
            .enumerate()
            .filter(|(_, (_, stored))| matches!(stored.shape, Shape::Flat { .. }) && gains(stored))
            .filter_map(|(index, (node, _))| Some((index, file(node)?)))
            .collect();
        let same = same_contents(files.iter().copied());
        let firsts = files.into_iter().filter(|(index, _)| !same.contains_key(index));
        let is_small = |content: &Content| content.len() < parameters.cluster.bytes().into();
        let (small, large): (Vec<_>, Vec<_>) = firsts.partition(|(_, content)| is_small(content));
        let indices = |files: Vec<(usize, &Content)>| files.into_iter().map(|(i, _)| i).collect();
        Self { small: indices(small), large: indices(large), same }
    }

    /// Returns the length of the packed inode.
    pub(super) fn joined_len(&self, nodes: &[Node<'_>]) -> u64 {
        self.small.iter().filter_map(|&index| file(&nodes[index])).map(Content::len).sum()
    }

    /// Returns the pieces in the order of the image: those of the packed inode, whose index is
    /// `packed`, and then the large files.
    pub(super) fn pieces(&self, nodes: &[Node<'_>], packed: usize) -> impl Iterator<Item = Piece> {
        let small = self.small.iter().filter_map(|&index| file(&nodes[index]));
        let large = self.large.iter().filter_map(|&index| Some((index, file(&nodes[index])?)));
        Joined::new(packed, small)
            .chain(large.flat_map(|(index, content)| piece::of_file(index, content)))
    }

    /// Gives every file its place, and the packed inode, if there is one. Returns the blocks that
    /// are not written again for a file of the same content.
    pub(super) fn settle(
        &self,
        stored: &mut [Stored],
        bodies: BTreeMap<usize, Body>,
        parameters: Parameters,
    ) -> u64 {
        let mut offset = 0;
        for &index in &self.small {
            stored[index].reshape(Shape::Fragment { offset });
            offset += stored[index].disk.size;
        }
        for (index, body) in bodies {
            stored[index].first_block = body.first_block;
            stored[index].reshape(shape_of(body, parameters));
        }
        for (&index, &first) in &self.same {
            stored[index].first_block = stored[first].first_block;
            let shape = stored[first].shape.clone();
            stored[index].reshape(shape);
        }
        self.same.keys().map(|&index| stored[index].shape.blocks()).sum()
    }
}

/// A file of which nothing was saved needs no index: it is stored as if compression were off.
fn shape_of(body: Body, parameters: Parameters) -> Shape {
    if body.is_plain() {
        return Shape::Flat { blocks: body.blocks(), tail: 0 };
    }
    Shape::Compressed { body: Arc::new(body), format: parameters.compression.format() }
}

fn file<'a>(node: &Node<'a>) -> Option<&'a Content> {
    match &node.inode.kind {
        Kind::File(content) => Some(content),
        _ => None,
    }
}

/// Tells whether a file takes more beside its inode than its place in the packed inode would.
fn gains(stored: &Stored) -> bool {
    let slots = |size: u64| size.div_ceil(SLOT);
    let head = stored.head();
    slots(head + stored.disk.size) > slots(head + index::fragment_size(head))
}
