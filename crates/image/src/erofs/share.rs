use std::collections::BTreeMap;

use flagstone_tree::{Content, Kind};
use rayon::prelude::*;

use super::node::Node;
use super::shape::{Shape, Stored};
use crate::ErofsError;

/// Finds files whose blocks an earlier file holds already: from a node to the earlier one.
///
/// Link counts and numbers are not touched: such files stay apart, only their data is stored once.
/// Whether a tail is beside the inode depends on the inode, so files of one content may differ in
/// their blocks.
pub(super) fn shared_blocks(
    nodes: &[Node<'_>],
    stored: &[Stored],
) -> Result<BTreeMap<usize, usize>, ErofsError> {
    let mut by_blocks = BTreeMap::<_, Vec<_>>::new();
    for (index, (node, stored)) in nodes.iter().zip(stored).enumerate() {
        if let Kind::File(content) = &node.inode.kind
            && let Shape::Flat { blocks: blocks @ 1.., .. } = stored.shape
        {
            by_blocks.entry(blocks).or_default().push((index, content));
        }
    }
    let mut shared = BTreeMap::new();
    for files in by_blocks.into_values() {
        shared.append(&mut same_contents(files)?);
    }
    Ok(shared)
}

/// Finds files that hold what an earlier one holds: from an index to the earlier one.
///
/// Only files of the same length are digested, so this reads little; files with holes are left out.
fn same_contents<'a>(
    files: impl IntoIterator<Item = (usize, &'a Content)>,
) -> Result<BTreeMap<usize, usize>, ErofsError> {
    let mut by_size = BTreeMap::<_, Vec<(usize, &Content)>>::new();
    for (index, content) in files.into_iter().filter(|(_, content)| content.is_dense()) {
        by_size.entry(content.len()).or_default().push((index, content));
    }
    let candidates: Vec<_> =
        by_size.into_values().filter(|files| files.len() > 1).flatten().collect();
    let digests = candidates
        .par_iter()
        .map(|(index, content)| Ok((content.digest().map_err(ErofsError::Read)?, *index)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut first = BTreeMap::new();
    let mut same = BTreeMap::new();
    for (digest, index) in digests {
        let leader = *first.entry(digest).or_insert(index);
        if leader != index {
            same.insert(index, leader);
        }
    }
    Ok(same)
}
