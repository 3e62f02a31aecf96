use flagstone_tree::{FileName, Inode, InodeId, Kind, Tree, TreePath};

use super::inode::device_number;
use crate::{ErofsError, Unfit};

/// The longest target of a symbolic link that Linux reads: a page, less the final NUL.
const TARGET_MAX: usize = 4095;

/// An inode of the tree, met by its first name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) inode: &'a Inode,
    /// The directory of that name, as an index; the root is its own.
    pub(super) parent: usize,
    /// That name; the root has none.
    name: Option<&'a FileName>,
    /// `st_nlink`: names, or for a directory 2 and one for every directory in it.
    pub(super) links: u32,
}

/// Every inode of a tree once.
#[derive(Debug)]
pub(super) struct Nodes<'a> {
    /// The root first; then by directory, so that what one listing shows is together.
    pub(super) list: Vec<Node<'a>>,
    /// Indices into the list by [`InodeId::index`].
    by_id: Vec<Option<usize>>,
}

impl<'a> Nodes<'a> {
    /// Collects the inodes that have a name.
    pub(super) fn collect(tree: &'a Tree) -> Result<Self, ErofsError> {
        let mut nodes = Self { list: Vec::new(), by_id: vec![None; tree.id_bound()] };
        nodes.add(tree, tree.root(), 0, None);
        let mut directories = vec![0];
        while let Some(directory) = directories.pop() {
            let first = nodes.list.len();
            nodes.add_children(tree, directory)?;
            let below = first..nodes.list.len();
            directories.extend(below.rev().filter(|&i| nodes.list[i].inode.children().is_some()));
        }
        Ok(nodes)
    }

    fn add_children(&mut self, tree: &'a Tree, directory: usize) -> Result<(), ErofsError> {
        for (name, &id) in self.list[directory].inode.children().into_iter().flatten() {
            let is_directory = tree.inode(id).children().is_some();
            match self.by_id[id.index()] {
                None => self.add(tree, id, directory, Some(name)),
                Some(_) if is_directory => {
                    let path = self.path(directory).join(name);
                    return Err(ErofsError::Unfit { path, cause: Unfit::DirectoryTwice });
                }
                Some(known) => self.list[known].links += 1,
            }
            if is_directory {
                self.list[directory].links += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, tree: &'a Tree, id: InodeId, parent: usize, name: Option<&'a FileName>) {
        let inode = tree.inode(id);
        let links = if inode.children().is_some() { 2 } else { 1 };
        self.by_id[id.index()] = Some(self.list.len());
        self.list.push(Node { inode, parent, name, links });
    }

    /// Adds the inode that holds parts of others, which has no name.
    pub(super) fn add_packed(&mut self, inode: &'a Inode) {
        self.list.push(Node { inode, parent: 0, name: None, links: 1 });
    }

    /// Returns the index of an inode that has a name.
    pub(super) fn index(&self, id: InodeId) -> usize {
        self.by_id[id.index()].expect("collect() met every inode that has a name")
    }

    /// Returns the path of a node's first name.
    pub(super) fn path(&self, mut index: usize) -> TreePath {
        let mut names = Vec::new();
        while let Some(name) = self.list[index].name {
            names.push(name);
            index = self.list[index].parent;
        }
        names.into_iter().rev().fold(TreePath::default(), |path, name| path.join(name))
    }
}

impl Node<'_> {
    /// Refuses what the format has no field for, attributes aside.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let metadata = &self.inode.metadata;
        if metadata.mode > 0o7777 {
            return Err(Unfit::Mode { mode: metadata.mode });
        }
        if metadata.mtime.nanoseconds >= 1_000_000_000 {
            return Err(Unfit::Nanoseconds { nanoseconds: metadata.mtime.nanoseconds });
        }
        match &self.inode.kind {
            Kind::File(content) if i64::try_from(content.len()).is_err() => {
                Err(Unfit::Length { len: content.len() })
            }
            Kind::Symlink(target) if target.is_empty() || target.len() > TARGET_MAX => {
                Err(Unfit::TargetLength { len: target.len() })
            }
            Kind::Symlink(target) if target.contains(&0) => Err(Unfit::TargetNul),
            &Kind::CharDevice { major, minor } | &Kind::BlockDevice { major, minor } => {
                device_number(major, minor).map(|_| ()).ok_or(Unfit::Device { major, minor })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    #[test]
    fn links_are_counted_as_stat_shows_them() {
        let mut tree = Tree::new(META);
        tree.create_dirs("a/b", META).unwrap();
        tree.create_dirs("a/c", META).unwrap();
        let file = tree.insert("a/file", Inode::file(META, "x")).unwrap();
        tree.hard_link("a/b/again", file).unwrap();
        let nodes = Nodes::collect(&tree).unwrap();
        let links: Vec<(String, u32)> = (0..nodes.list.len())
            .map(|i| (nodes.path(i).to_string(), nodes.list[i].links))
            .collect();
        let expected = [("", 3), ("a", 4), ("a/b", 2), ("a/c", 2), ("a/file", 2)];
        assert_eq!(links, expected.map(|(path, links)| (path.to_owned(), links)));
    }

    #[test]
    fn a_directory_within_itself_is_refused() {
        let mut tree = Tree::new(META);
        let dir = tree.create_dirs("a", META).unwrap();
        let Kind::Directory(children) = &mut tree.inode_mut(dir).kind else { unreachable!() };
        children.insert(FileName::new(b"self").unwrap(), dir);
        let Err(ErofsError::Unfit { path, cause }) = Nodes::collect(&tree) else { panic!() };
        assert_eq!((path.to_string().as_str(), cause), ("a/self", Unfit::DirectoryTwice));
    }

    #[test]
    fn what_has_no_field_is_refused() {
        let link = |length| Kind::Symlink(vec![b'x'; length].into());
        let cases = [
            (Kind::Symlink(b"a\0b".as_slice().into()), Some(Unfit::TargetNul)),
            (link(0), Some(Unfit::TargetLength { len: 0 })),
            (link(4096), Some(Unfit::TargetLength { len: 4096 })),
            (link(4095), None),
            (
                Kind::CharDevice { major: 4096, minor: 0 },
                Some(Unfit::Device { major: 4096, minor: 0 }),
            ),
            (Kind::Fifo, None),
        ];
        for (kind, refusal) in cases {
            let inode = Inode::new(META, kind);
            let node = Node { inode: &inode, parent: 0, name: None, links: 1 };
            assert_eq!(node.check().err(), refusal);
        }
        let inode = Inode::new(Metadata { mode: 0o10_000, ..META }, Kind::Fifo);
        let node = Node { inode: &inode, parent: 0, name: None, links: 1 };
        assert_eq!(node.check(), Err(Unfit::Mode { mode: 0o10_000 }));
    }
}
