use flagstone_tree::TreePath;

/// What a command changed in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths that are new, in byte order.
    pub added: Vec<TreePath>,
    /// Paths whose kind, content, target or permissions are others now.
    pub changed: Vec<TreePath>,
    /// Paths that are gone, with all that was below.
    pub removed: Vec<TreePath>,
}

impl Changes {
    /// Tells whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}
