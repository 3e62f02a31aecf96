use super::extent::Extents;

/// A cluster as it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::erofs) struct Cluster {
    /// Bytes of the file.
    pub(in crate::erofs) length: u32,
    /// Blocks of the image.
    pub(in crate::erofs) blocks: u32,
    pub(in crate::erofs) packed: bool,
}

/// The data of a file on the disk, in consecutive blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::erofs) struct Body {
    pub(in crate::erofs) first_block: u32,
    pub(in crate::erofs) clusters: Vec<Cluster>,
}

impl Body {
    /// Adds what follows.
    pub(super) fn extend(&mut self, extents: &Extents) {
        self.clusters.extend(extents.list.iter().map(|extent| Cluster {
            length: extent.length,
            blocks: extent.blocks(),
            packed: extent.packed.is_some(),
        }));
    }

    /// Returns the blocks it takes.
    pub(in crate::erofs) fn blocks(&self) -> u64 {
        self.clusters.iter().map(|cluster| u64::from(cluster.blocks)).sum()
    }

    /// Returns the length of the file.
    pub(in crate::erofs) fn len(&self) -> u64 {
        self.clusters.iter().map(|cluster| u64::from(cluster.length)).sum()
    }

    /// Tells whether no cluster became smaller: then the blocks are the file itself.
    pub(in crate::erofs) fn is_plain(&self) -> bool {
        self.clusters.iter().all(|cluster| !cluster.packed)
    }
}
