use std::collections::BTreeMap;

use flagstone_artifact::Sha256Digest;
use flagstone_tree::Kind;
use rayon::prelude::*;

use super::node::Node;
use super::shape::{Shape, Stored};

/// Finds files whose blocks an earlier file holds already: from a node to the earlier one.
///
/// Only files of the same length are digested, so this reads little. Link counts and numbers are
/// not touched: such files stay apart, only their data is stored once.
pub(super) fn shared_blocks(nodes: &[Node<'_>], stored: &[Stored]) -> BTreeMap<usize, usize> {
    let mut by_size = BTreeMap::<_, Vec<(usize, &[u8])>>::new();
    for (index, (node, stored)) in nodes.iter().zip(stored).enumerate() {
        if let Kind::File(content) = &node.inode.kind
            && let Shape::Flat { blocks: blocks @ 1.., .. } = stored.shape
            && let [(0, data)] = content.extents()
            && data.len() as u64 == content.len()
        {
            by_size.entry((content.len(), blocks)).or_default().push((index, data));
        }
    }
    let candidates: Vec<_> =
        by_size.into_iter().filter(|(_, files)| files.len() > 1).flat_map(|(_, f)| f).collect();
    let digests: Vec<_> = candidates
        .par_iter()
        .map(|(index, data)| (stored[*index].shape.blocks(), Sha256Digest::of(data), *index))
        .collect();
    let mut first = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for (blocks, digest, index) in digests {
        let leader = *first.entry((blocks, digest)).or_insert(index);
        if leader != index {
            shared.insert(index, leader);
        }
    }
    shared
}
