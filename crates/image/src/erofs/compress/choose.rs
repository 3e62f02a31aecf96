use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Content, Kind};
use rayon::prelude::*;

use super::body::Body;
use super::piece::{self, Joined, Known, Piece};
use super::{Parameters, index};
use crate::ErofsError;
use crate::erofs::inode::SLOT;
use crate::erofs::node::Node;
use crate::erofs::shape::{Shape, Stored};

/// The files that are compressed, each content once.
///
/// What is shorter than a cluster is joined with others to the packed inode, so that it neither
/// takes blocks of its own nor is compressed without what resembles it.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    small: Vec<(usize, Known<'a>)>,
    large: Vec<(usize, Known<'a>)>,
    /// From a file to the one before it that has the same content.
    same: BTreeMap<usize, usize>,
    parameters: Parameters,
}

impl<'a> Chosen<'a> {
    /// Chooses; reads the contents whose digests are not known.
    pub(super) fn new(
        nodes: &[Node<'a>],
        stored: &[Stored],
        parameters: Parameters,
    ) -> Result<Self, ErofsError> {
        let files: Vec<(usize, &'a Content)> = nodes
            .iter()
            .zip(stored)
            .enumerate()
            .filter(|(_, (_, stored))| matches!(stored.shape, Shape::Flat { .. }) && gains(stored))
            .filter_map(|(index, (node, _))| Some((index, file(node)?)))
            .collect();
        let digest = |&(index, content): &(usize, &'a Content)| {
            content.digest().map(|digest| (index, Known { content, digest }))
        };
        let files = files.par_iter().with_min_len(64).map(digest).collect::<Result<Vec<_>, _>>();
        let mut first: HashMap<Sha256Digest, usize> = HashMap::new();
        let mut chosen =
            Self { small: Vec::new(), large: Vec::new(), same: BTreeMap::new(), parameters };
        for (index, known) in files.map_err(ErofsError::Read)? {
            let leader = *first.entry(known.digest).or_insert(index);
            if leader != index {
                chosen.same.insert(index, leader);
            } else if known.content.len() < parameters.cluster.bytes().into() {
                chosen.small.push((index, known));
            } else {
                chosen.large.push((index, known));
            }
        }
        Ok(chosen)
    }

    /// Returns the pieces in the order of the image: those of the packed inode, whose index is
    /// `packed`, and then the large files.
    pub(super) fn pieces(&self, packed: usize) -> impl Iterator<Item = Piece<'a>> {
        let large = self.large.iter().flat_map(|&(index, known)| piece::of_file(index, known));
        self.joined(packed).chain(large)
    }

    fn joined(&self, packed: usize) -> impl Iterator<Item = Piece<'a>> {
        Joined::new(packed, self.small.iter().map(|&(_, known)| known), self.parameters)
    }

    /// Returns where in the packed inode each small file begins, in their order, and its length.
    fn places(&self) -> (Vec<u64>, u64) {
        let (mut places, mut end) = (Vec::with_capacity(self.small.len()), 0);
        for piece in self.joined(0) {
            let mut at = end;
            for part in piece.parts() {
                if part.start == 0 {
                    places.push(at);
                }
                at += part.end - part.start;
            }
            end += piece.len();
        }
        (places, end)
    }

    /// Returns the length of the packed inode.
    pub(super) fn joined_len(&self) -> u64 {
        self.places().1
    }

    /// Gives every file its place, and the packed inode, if there is one. Returns the blocks that
    /// are not written again for a file of the same content.
    pub(super) fn settle(&self, stored: &mut [Stored], bodies: BTreeMap<usize, Body>) -> u64 {
        for (&(index, _), offset) in self.small.iter().zip(self.places().0) {
            stored[index].reshape(Shape::Fragment { offset });
        }
        for (index, body) in bodies {
            stored[index].first_block = body.first_block;
            stored[index].reshape(shape_of(body, self.parameters));
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
