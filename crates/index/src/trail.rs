use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Inode, InodeId, Kind, Tree, TreeError, TreePath};

/// The most symbolic links one look-up follows, as in Linux (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Where a path leads, with every symbolic link on the way.
#[derive(Debug)]
pub(crate) struct Trail<'a> {
    /// What is at the end, by its path without links.
    pub(crate) end: TreePath,
    pub(crate) id: InodeId,
    pub(crate) inode: &'a Inode,
    /// The links that were followed.
    pub(crate) links: BTreeSet<TreePath>,
}

impl Trail<'_> {
    /// Returns the bytes of the file that the path leads to; `None` if it leads to something else.
    pub(crate) fn file(&self) -> Option<Result<Bytes, TreeError>> {
        let bytes = self.inode.content()?.to_bytes();
        Some(bytes.map_err(|source| TreeError::Content { path: self.end.clone(), source }))
    }

    /// Returns the digest of the file that the path leads to; `None` if it leads to something else.
    pub(crate) fn digest(&self) -> Option<Result<Sha256Digest, TreeError>> {
        let digest = self.inode.content()?.digest();
        Some(digest.map_err(|source| TreeError::Content { path: self.end.clone(), source }))
    }
}

/// Follows a path as the kernel would in a root made of this tree; `.` and `..` and a leading
/// slash are fine. `None` if it leads nowhere.
pub(crate) fn follow<'a>(tree: &'a Tree, path: &[u8]) -> Option<Trail<'a>> {
    let mut todo: VecDeque<Vec<u8>> = path.split(|&b| b == b'/').map(<[u8]>::to_vec).collect();
    let mut at: Vec<(TreePath, InodeId)> = vec![(TreePath::default(), tree.root())];
    let mut links = BTreeSet::new();
    let mut followed = 0;
    while let Some(name) = todo.pop_front() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                if at.len() > 1 {
                    at.pop();
                }
                continue;
            }
            _ => {}
        }
        let (dir, dir_id) = at.last().expect("the root stays");
        let (name, &id) = tree.inode(*dir_id).children()?.get_key_value(name.as_slice())?;
        let here = dir.join(name);
        let Kind::Symlink(target) = &tree.inode(id).kind else {
            at.push((here, id));
            continue;
        };
        followed += 1;
        if followed > MAX_LINKS {
            return None;
        }
        links.insert(here);
        if target.starts_with(b"/") {
            at.truncate(1);
        }
        for name in target.split(|&b| b == b'/').rev() {
            todo.push_front(name.to_vec());
        }
    }
    let (end, id) = at.pop()?;
    Some(Trail { end, id, inode: tree.inode(id), links })
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Metadata, Mtime};

    use super::*;

    #[test]
    fn every_link_on_the_way_is_told() {
        let meta = Metadata::root(0o755, Mtime::default());
        let mut tree = Tree::new(meta);
        let link = |target: &'static str| Inode::symlink(Mtime::default(), target);
        tree.put("usr/lib/x.so.1.2", meta, Inode::file(meta, "x")).unwrap();
        tree.insert("usr/lib/x.so.1", link("x.so.1.2")).unwrap();
        tree.insert("lib", link("usr/lib")).unwrap();
        tree.insert("loop", link("loop")).unwrap();
        let trail = follow(&tree, b"/usr/../lib/./x.so.1").unwrap();
        assert_eq!(trail.end.to_string(), "usr/lib/x.so.1.2");
        let links: Vec<String> = trail.links.iter().map(ToString::to_string).collect();
        assert_eq!(links, ["lib", "usr/lib/x.so.1"]);
        assert!(follow(&tree, b"loop").is_none());
        assert!(follow(&tree, b"usr/lib/x.so.1/y").is_none());
    }
}
