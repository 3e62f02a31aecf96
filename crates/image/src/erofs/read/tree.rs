use std::collections::BTreeMap;

use flagstone_tree::{Inode, InodeId, Kind, Tree, TreePath};

use super::{Image, Node, NodeKind, ReadAt};
use crate::ReadError;

impl<R: ReadAt> Image<R> {
    /// Returns everything in the image; at most `limit` bytes of names, targets, attributes and
    /// data.
    ///
    /// # Errors
    /// [`ReadError`] if it is damaged, a directory has two names, or there is more.
    pub fn tree(&self, limit: u64) -> Result<Tree, ReadError> {
        let mut walk = Walk { image: self, left: limit, limit, seen: BTreeMap::new() };
        let root = self.root()?;
        let mut tree = Tree::new(root.metadata);
        let id = tree.root();
        tree.inode_mut(id).xattrs = walk.xattrs(&root)?;
        walk.seen.insert(root.nid, id);
        let mut directories = vec![(TreePath::default(), root)];
        while let Some((path, directory)) = directories.pop() {
            for entry in walk.entries(&directory)? {
                let path = path.join(&entry.name);
                let known = walk.seen.get(&entry.nid).copied();
                if let Some(id) = known {
                    tree.hard_link(&path, id)
                        .map_err(|_| directory.corrupt("a directory in it has two names"))?;
                    continue;
                }
                let node = self.node(entry.nid)?;
                let inode = walk.inode(&node)?;
                let id = tree
                    .insert(&path, inode)
                    .map_err(|_| directory.corrupt("a path in it is none"))?;
                walk.seen.insert(node.nid, id);
                if node.kind == NodeKind::Directory {
                    directories.push((path, node));
                }
            }
        }
        Ok(tree)
    }
}

struct Walk<'a, R> {
    image: &'a Image<R>,
    left: u64,
    limit: u64,
    seen: BTreeMap<u64, InodeId>,
}

impl<R: ReadAt> Walk<'_, R> {
    /// Counts bytes that will be held.
    fn spend(&mut self, bytes: u64) -> Result<(), ReadError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(ReadError::TooLarge { limit: self.limit })?;
        Ok(())
    }

    fn entries(&mut self, directory: &Node) -> Result<Vec<super::Entry>, ReadError> {
        self.spend(directory.size)?;
        self.image.entries(directory)
    }

    fn xattrs(&mut self, node: &Node) -> Result<flagstone_tree::Xattrs, ReadError> {
        self.spend(node.xattr_size)?;
        self.image.xattrs(node)
    }

    fn inode(&mut self, node: &Node) -> Result<Inode, ReadError> {
        let kind = match node.kind {
            NodeKind::File => {
                let content = self.image.content(node, self.left).map_err(|error| match error {
                    ReadError::TooLarge { .. } => ReadError::TooLarge { limit: self.limit },
                    error => error,
                })?;
                self.spend(content.extents().map(|extent| extent.end - extent.start).sum())?;
                Kind::File(content)
            }
            NodeKind::Directory => Kind::Directory(BTreeMap::new()),
            NodeKind::Symlink => Kind::Symlink(self.target(node)?.into()),
            NodeKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            NodeKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            NodeKind::Fifo => Kind::Fifo,
            NodeKind::Socket => Kind::Socket,
        };
        let mut inode = Inode::new(node.metadata, kind);
        inode.xattrs = self.xattrs(node)?;
        Ok(inode)
    }

    fn target(&mut self, node: &Node) -> Result<Vec<u8>, ReadError> {
        let target = self.image.target(node)?;
        self.spend(target.len() as u64)?;
        Ok(target)
    }
}
