use std::collections::BTreeMap;

use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Content, Kind};
use rayon::prelude::*;

use super::node::Node;
use super::shape::{Shape, Stored};

/// Finds files whose blocks an earlier file holds already: from a node to the earlier one.
///
/// Link counts and numbers are not touched: such files stay apart, only their data is stored once.
/// Whether a tail is beside the inode depends on the inode, so files of one content may differ in
/// their blocks.
pub(super) fn shared_blocks(nodes: &[Node<'_>], stored: &[Stored]) -> BTreeMap<usize, usize> {
    let mut by_blocks = BTreeMap::<_, Vec<_>>::new();
    for (index, (node, stored)) in nodes.iter().zip(stored).enumerate() {
        if let Kind::File(content) = &node.inode.kind
            && let Shape::Flat { blocks: blocks @ 1.., .. } = stored.shape
        {
            by_blocks.entry(blocks).or_default().push((index, content));
        }
    }
    by_blocks.into_values().flat_map(same_contents).collect()
}

/// Finds files that hold what an earlier one holds: from an index to the earlier one.
///
/// Only files of the same length are digested, so this reads little; files with holes are left out.
pub(super) fn same_contents<'a>(
    files: impl IntoIterator<Item = (usize, &'a Content)>,
) -> BTreeMap<usize, usize> {
    let mut by_size = BTreeMap::<_, Vec<(usize, &[u8])>>::new();
    for (index, content) in files {
        if let [(0, data)] = content.extents()
            && data.len() as u64 == content.len()
        {
            by_size.entry(content.len()).or_default().push((index, data));
        }
    }
    let candidates: Vec<_> =
        by_size.into_values().filter(|files| files.len() > 1).flatten().collect();
    let digests: Vec<_> =
        candidates.par_iter().map(|(index, data)| (Sha256Digest::of(data), *index)).collect();
    let mut first = BTreeMap::new();
    let mut same = BTreeMap::new();
    for (digest, index) in digests {
        let leader = *first.entry(digest).or_insert(index);
        if leader != index {
            same.insert(index, leader);
        }
    }
    same
}
