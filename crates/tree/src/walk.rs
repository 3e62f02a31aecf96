use crate::{Inode, InodeId, Tree, TreePath};

/// One name met on a walk.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its path from the root.
    pub path: TreePath,
    /// Its inode's number; met again for every further hard link.
    pub id: InodeId,
    /// Its inode.
    pub inode: &'a Inode,
}

/// A walk over every name of a tree, made by [`Tree::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    stack: Vec<(TreePath, InodeId)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, stack: vec![(TreePath::default(), tree.root())] }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (path, id) = self.stack.pop()?;
        let inode = self.tree.inode(id);
        if let Some(children) = inode.children() {
            let below = children.iter().rev().map(|(name, &child)| (path.join(name), child));
            self.stack.extend(below);
        }
        Some(Entry { path, id, inode })
    }
}
