use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::{FileName, Inode, Kind, Metadata, TreeError, TreePath, Walk};

/// The most symbolic links one look-up follows, as in Linux (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The number of an inode in its tree. Two names with the same number are hard links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(u32);

impl InodeId {
    /// Returns the number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a path was found; made by [`Tree::trail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The symbolic links that were followed, in order; a link may come twice.
    pub links: Vec<TreePath>,
    /// Where the path ended: no symbolic link, and none on the way to it.
    pub path: TreePath,
    /// What is there.
    pub id: InodeId,
}

fn joined(names: &[(Vec<u8>, InodeId)]) -> TreePath {
    let names: Vec<&[u8]> = names.iter().map(|(name, _)| name.as_slice()).collect();
    TreePath::from_checked(&names)
}

/// A file tree in memory.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Never shrinks: a removed inode stays until the tree is dropped, and no walk meets it.
    inodes: Vec<Inode>,
}

impl Tree {
    const ROOT: InodeId = InodeId(0);

    /// Creates a tree whose root directory is empty.
    pub fn new(root: Metadata) -> Self {
        Self { inodes: vec![Inode::directory(root)] }
    }

    /// Returns the root directory.
    pub fn root(&self) -> InodeId {
        Self::ROOT
    }

    /// Returns an inode of this tree.
    ///
    /// # Panics
    /// If `id` belongs to another, larger tree.
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.index()]
    }

    /// Returns an inode of this tree for editing.
    ///
    /// # Panics
    /// If `id` belongs to another, larger tree.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.index()]
    }

    /// Returns an upper bound of the numbers in use, for tables indexed by [`InodeId::index`].
    pub fn id_bound(&self) -> usize {
        self.inodes.len()
    }

    /// Finds a path without following any symbolic link.
    pub fn lookup(&self, path: &TreePath) -> Option<InodeId> {
        path.names()
            .try_fold(Self::ROOT, |dir, name| self.inode(dir).children()?.get(name).copied())
    }

    /// Finds a path, following every symbolic link, the last one too; absolute targets start at
    /// this tree's root and `..` stays within it. Returns where it ended.
    ///
    /// # Errors
    /// [`TreeError`] for a bad path, a missing one, or a loop.
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Result<(TreePath, InodeId), TreeError> {
        self.trail(path).map(|trail| (trail.path, trail.id))
    }

    /// Finds a path as [`Self::resolve`] does, and tells which symbolic links lie on the way.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn trail(&self, path: impl AsRef<[u8]>) -> Result<Trail, TreeError> {
        let asked = TreePath::new(path)?;
        let mut todo: VecDeque<Vec<u8>> = asked.names().map(<[u8]>::to_vec).collect();
        let mut at: Vec<(Vec<u8>, InodeId)> = Vec::new();
        let mut links = Vec::new();
        while let Some(name) = todo.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                _ => {}
            }
            let dir = at.last().map_or(Self::ROOT, |(_, id)| *id);
            let children = self
                .inode(dir)
                .children()
                .ok_or_else(|| TreeError::NotADirectory(asked.clone()))?;
            let id =
                *children.get(name.as_slice()).ok_or_else(|| TreeError::NotFound(asked.clone()))?;
            at.push((name, id));
            if let Kind::Symlink(target) = &self.inode(id).kind {
                links.push(joined(&at));
                if links.len() > MAX_LINKS {
                    return Err(TreeError::LinkLoop(asked));
                }
                if target.starts_with(b"/") {
                    at.clear();
                } else {
                    at.pop();
                }
                for name in target.split(|&b| b == b'/').rev() {
                    todo.push_front(name.to_vec());
                }
            }
        }
        let id = at.last().map_or(Self::ROOT, |(_, id)| *id);
        Ok(Trail { links, path: joined(&at), id })
    }

    /// Tells whether something has this path, without following links; a text that is no path has
    /// nothing.
    pub fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        TreePath::new(path).is_ok_and(|path| self.lookup(&path).is_some())
    }

    /// Returns the bytes of a regular file, following links.
    ///
    /// # Errors
    /// As [`Self::resolve`], [`TreeError::NotAFile`], and [`TreeError::Content`].
    pub fn read(&self, path: impl AsRef<[u8]>) -> Result<Bytes, TreeError> {
        let (path, id) = self.resolve(path)?;
        let Some(content) = self.inode(id).content() else { return Err(TreeError::NotAFile(path)) };
        content.to_bytes().map_err(|source| TreeError::Content { path, source })
    }

    /// Returns a regular file as text, following links.
    ///
    /// # Errors
    /// As [`Self::read`], and [`TreeError::NotText`].
    pub fn read_text(&self, path: impl AsRef<[u8]>) -> Result<String, TreeError> {
        let path = path.as_ref();
        String::from_utf8(self.read(path)?.into())
            .or_else(|_| Err(TreeError::NotText(self.resolve(path)?.0)))
    }

    /// Adds an inode under a path whose parent directory exists.
    ///
    /// # Errors
    /// [`TreeError::Exists`], [`TreeError::NotFound`] or [`TreeError::NotADirectory`] for the
    /// parent, [`TreeError::InvalidPath`].
    ///
    /// # Panics
    /// On more than 2³² inodes.
    pub fn insert(&mut self, path: impl AsRef<[u8]>, inode: Inode) -> Result<InodeId, TreeError> {
        let path = TreePath::new(path)?;
        let (dir, name) = self.vacancy(&path)?;
        let id = self.push(inode);
        self.entries(dir).insert(name, id);
        Ok(id)
    }

    /// Adds an inode under a path, in place of whatever is there; missing parents are made with
    /// `parents`. A directory takes the place of a directory by its metadata alone and keeps the
    /// children.
    ///
    /// # Errors
    /// [`TreeError::NotADirectory`] for a parent, [`TreeError::InvalidPath`].
    pub fn put(
        &mut self,
        path: impl AsRef<[u8]>,
        parents: Metadata,
        inode: Inode,
    ) -> Result<InodeId, TreeError> {
        let path = TreePath::new(path)?;
        if let Some(id) = self.lookup(&path) {
            if matches!(
                (&self.inode(id).kind, &inode.kind),
                (Kind::Directory(_), Kind::Directory(_))
            ) {
                let old = self.inode_mut(id);
                old.metadata = inode.metadata;
                old.xattrs = inode.xattrs;
                return Ok(id);
            }
            self.remove(&path)?;
        } else if let Some(parent) = path.parent() {
            self.create_dirs(&parent, parents)?;
        }
        self.insert(&path, inode)
    }

    /// Makes a directory and those above it where they are missing; existing ones stay as they
    /// are.
    ///
    /// # Errors
    /// [`TreeError::NotADirectory`] if something else is in the way (a symbolic link too),
    /// [`TreeError::InvalidPath`].
    pub fn create_dirs(
        &mut self,
        path: impl AsRef<[u8]>,
        metadata: Metadata,
    ) -> Result<InodeId, TreeError> {
        let path = TreePath::new(path)?;
        let mut at = Self::ROOT;
        for name in path.names() {
            let children =
                self.inode(at).children().ok_or_else(|| TreeError::NotADirectory(path.clone()))?;
            at = if let Some(&id) = children.get(name) {
                id
            } else {
                let id = self.push(Inode::directory(metadata));
                let name = FileName::new(name)?;
                self.entries(at).insert(name, id);
                id
            };
        }
        if self.inode(at).children().is_none() {
            return Err(TreeError::NotADirectory(path));
        }
        Ok(at)
    }

    /// Gives an existing inode one more name.
    ///
    /// # Errors
    /// As [`Self::insert`], and [`TreeError::DirectoryLink`].
    pub fn hard_link(&mut self, path: impl AsRef<[u8]>, target: InodeId) -> Result<(), TreeError> {
        let path = TreePath::new(path)?;
        if self.inode(target).children().is_some() {
            return Err(TreeError::DirectoryLink(path));
        }
        let (dir, name) = self.vacancy(&path)?;
        self.entries(dir).insert(name, target);
        Ok(())
    }

    /// Takes a name, and everything below it, out of the tree; tells whether it was there.
    ///
    /// # Errors
    /// [`TreeError::InvalidPath`]; the root cannot be removed.
    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> Result<bool, TreeError> {
        let path = TreePath::new(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(TreeError::InvalidPath {
                path: String::new(),
                reason: "the root cannot be removed",
            });
        };
        let Some(dir) = self.lookup(&parent) else { return Ok(false) };
        let Kind::Directory(children) = &mut self.inode_mut(dir).kind else { return Ok(false) };
        Ok(children.remove(name).is_some())
    }

    /// Moves a name, with everything below it, to another path whose parent exists.
    ///
    /// # Errors
    /// As [`Self::insert`] for `to`; [`TreeError::NotFound`] for `from`;
    /// [`TreeError::InvalidPath`] if `to` lies below `from`.
    pub fn rename(
        &mut self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) -> Result<(), TreeError> {
        let (from, to) = (TreePath::new(from)?, TreePath::new(to)?);
        if to.is_under(&from) {
            return Err(TreeError::InvalidPath {
                path: to.to_string(),
                reason: "a directory cannot move below itself",
            });
        }
        let id = self.lookup(&from).ok_or_else(|| TreeError::NotFound(from.clone()))?;
        let (dir, name) = self.vacancy(&to)?;
        self.entries(dir).insert(name, id);
        self.remove(&from)?;
        Ok(())
    }

    /// Copies what is below a path out into a tree of its own, whose root that path becomes. Hard
    /// links within it stay links.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotADirectory`], [`TreeError::InvalidPath`].
    pub fn subtree(&self, path: impl AsRef<[u8]>) -> Result<Self, TreeError> {
        let path = TreePath::new(path)?;
        let top = self.lookup(&path).ok_or_else(|| TreeError::NotFound(path.clone()))?;
        if self.inode(top).children().is_none() {
            return Err(TreeError::NotADirectory(path));
        }
        let mut copy = Self { inodes: Vec::new() };
        let mut moved = BTreeMap::new();
        self.copy_into(top, &mut copy, &mut moved);
        Ok(copy)
    }

    /// Returns a digest of everything that is reachable: names, hard links, metadata, attributes
    /// and contents, but not the numbers of the inodes.
    ///
    /// Contents whose digest is known are not read.
    ///
    /// # Errors
    /// [`TreeError::Content`].
    pub fn digest(&self) -> Result<Sha256Digest, TreeError> {
        let mut hasher = Sha256Hasher::new();
        let mut bytes = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        let mut first: BTreeMap<InodeId, u64> = BTreeMap::new();
        for (number, entry) in (0_u64..).zip(self.walk()) {
            bytes(entry.path.as_bytes());
            let known = *first.entry(entry.id).or_insert(number);
            bytes(&known.to_le_bytes());
            if known != number {
                continue;
            }
            let Inode { metadata, xattrs, kind } = entry.inode;
            bytes(&metadata.mode.to_le_bytes());
            bytes(&metadata.uid.to_le_bytes());
            bytes(&metadata.gid.to_le_bytes());
            bytes(&metadata.mtime.seconds.to_le_bytes());
            bytes(&metadata.mtime.nanoseconds.to_le_bytes());
            bytes(&(xattrs.len() as u64).to_le_bytes());
            for (name, value) in xattrs {
                bytes(name);
                bytes(value);
            }
            bytes(&kind.type_bits().to_le_bytes());
            match kind {
                Kind::File(content) => {
                    let digest = content.digest();
                    let path = || entry.path.clone();
                    let digest =
                        digest.map_err(|source| TreeError::Content { path: path(), source })?;
                    bytes(&content.len().to_le_bytes());
                    bytes(digest.as_bytes());
                }
                Kind::Symlink(target) => bytes(target),
                Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                    bytes(&major.to_le_bytes());
                    bytes(&minor.to_le_bytes());
                }
                Kind::Directory(_) | Kind::Fifo | Kind::Socket => {}
            }
        }
        Ok(hasher.finish())
    }

    /// Visits every name, parents before children, siblings in byte order; the root comes first.
    pub fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    fn copy_into(
        &self,
        id: InodeId,
        copy: &mut Self,
        moved: &mut BTreeMap<InodeId, InodeId>,
    ) -> InodeId {
        if let Some(&known) = moved.get(&id) {
            return known;
        }
        let inode = self.inode(id);
        let new = match inode.children() {
            None => copy.push(inode.clone()),
            Some(children) => {
                let mut dir = Inode::directory(inode.metadata);
                dir.xattrs.clone_from(&inode.xattrs);
                let new = copy.push(dir);
                for (name, &child) in children {
                    let child = self.copy_into(child, copy, moved);
                    copy.entries(new).insert(name.clone(), child);
                }
                new
            }
        };
        moved.insert(id, new);
        new
    }

    fn push(&mut self, inode: Inode) -> InodeId {
        let id = u32::try_from(self.inodes.len()).expect("fewer than 2^32 inodes");
        self.inodes.push(inode);
        InodeId(id)
    }

    /// Returns the directory and name under which `path` can be added.
    fn vacancy(&self, path: &TreePath) -> Result<(InodeId, FileName), TreeError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(TreeError::Exists(path.clone()));
        };
        let dir = self.lookup(&parent).ok_or_else(|| TreeError::NotFound(parent.clone()))?;
        let children = self.inode(dir).children().ok_or(TreeError::NotADirectory(parent))?;
        if children.contains_key(name) {
            return Err(TreeError::Exists(path.clone()));
        }
        Ok((dir, FileName::new(name)?))
    }

    fn entries(&mut self, dir: InodeId) -> &mut BTreeMap<FileName, InodeId> {
        match &mut self.inodes[dir.index()].kind {
            Kind::Directory(children) => children,
            _ => unreachable!("callers checked that this is a directory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mtime;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    fn sample() -> Tree {
        let mut tree = Tree::new(META);
        tree.create_dirs("usr/lib", META).unwrap();
        let id = tree.insert("usr/lib/a", Inode::file(META, "one")).unwrap();
        tree.hard_link("usr/lib/b", id).unwrap();
        tree.insert("lib", Inode::symlink(Mtime::default(), "usr/lib")).unwrap();
        tree.insert("usr/up", Inode::symlink(Mtime::default(), "/lib/../lib/a")).unwrap();
        tree
    }

    #[test]
    fn links_are_followed_within_the_tree() {
        let tree = sample();
        assert_eq!(&tree.read("lib/b").unwrap()[..], b"one");
        assert_eq!(tree.resolve("usr/up").unwrap().0, TreePath::new("usr/lib/a").unwrap());
        assert!(tree.lookup(&TreePath::new("lib/b").unwrap()).is_none());
        let links: Vec<String> =
            tree.trail("usr/up").unwrap().links.iter().map(ToString::to_string).collect();
        assert_eq!(links, ["usr/up", "lib"]);
    }

    #[test]
    fn a_link_loop_ends_in_an_error() {
        let mut tree = sample();
        tree.insert("x", Inode::symlink(Mtime::default(), "y")).unwrap();
        tree.insert("y", Inode::symlink(Mtime::default(), "x")).unwrap();
        assert!(matches!(tree.read("x"), Err(TreeError::LinkLoop(_))));
    }

    #[test]
    fn a_subtree_keeps_hard_links() {
        let usr = sample().subtree("usr").unwrap();
        let a = usr.lookup(&TreePath::new("lib/a").unwrap());
        assert!(a.is_some());
        assert_eq!(a, usr.lookup(&TreePath::new("lib/b").unwrap()));
        assert!(!usr.exists("usr"));
    }

    type Change = fn(&mut Tree);

    #[test]
    fn the_digest_changes_with_everything_but_numbers() {
        let digest = |tree: &Tree| tree.digest().unwrap();
        let tree = sample();
        let renumbered = tree.subtree("").unwrap();
        assert_eq!(digest(&tree), digest(&renumbered));
        let changes: [Change; 9] = [
            |tree| drop(tree.remove("usr/up")),
            |tree| drop(tree.rename("usr/up", "usr/on")),
            |tree| drop(tree.put("usr/lib/a", META, Inode::file(META, "two"))),
            |tree| drop(tree.put("usr/lib/b", META, Inode::file(META, "one"))),
            |tree| drop(tree.put("lib", META, Inode::symlink(META.mtime, "usr/lip"))),
            |tree| drop(tree.insert("usr/new", Inode::new(META, Kind::Fifo))),
            |tree| tree.inode_mut(tree.root()).metadata.mode = 0o700,
            |tree| tree.inode_mut(tree.root()).metadata.mtime.nanoseconds = 1,
            |tree| drop(tree.inode_mut(tree.root()).xattrs.insert(b"user.a".into(), b"".into())),
        ];
        let mut digests = std::collections::BTreeSet::from([digest(&tree)]);
        for change in changes {
            let mut other = tree.clone();
            change(&mut other);
            digests.insert(digest(&other));
        }
        assert_eq!(digests.len(), 10);
    }

    #[test]
    fn put_replaces_files_and_keeps_directories() {
        let mut tree = sample();
        tree.put("usr/lib/a", META, Inode::file(META, "two")).unwrap();
        assert_eq!(&tree.read("usr/lib/a").unwrap()[..], b"two");
        assert_eq!(&tree.read("usr/lib/b").unwrap()[..], b"one");
        tree.put("usr/lib", META, Inode::directory(Metadata { mode: 0o700, ..META })).unwrap();
        assert!(tree.exists("usr/lib/b"));
        tree.put("etc/new/file", META, Inode::file(META, "x")).unwrap();
        assert!(tree.exists("etc/new/file"));
    }

    #[test]
    fn edits_that_make_no_sense_are_refused() {
        let mut tree = sample();
        assert!(matches!(tree.insert("usr", Inode::directory(META)), Err(TreeError::Exists(_))));
        assert!(matches!(tree.insert("no/x", Inode::directory(META)), Err(TreeError::NotFound(_))));
        assert!(matches!(tree.create_dirs("lib/x", META), Err(TreeError::NotADirectory(_))));
        assert!(matches!(tree.rename("usr", "usr/lib/x"), Err(TreeError::InvalidPath { .. })));
        assert!(tree.remove("").is_err());
        assert_eq!(tree.remove("usr/nothing"), Ok(false));
        let dir = tree.lookup(&TreePath::new("usr").unwrap()).unwrap();
        assert!(matches!(tree.hard_link("u", dir), Err(TreeError::DirectoryLink(_))));
    }

    #[test]
    fn the_walk_is_sorted_and_starts_at_the_root() {
        let tree = sample();
        let paths: Vec<String> = tree.walk().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["", "lib", "usr", "usr/lib", "usr/lib/a", "usr/lib/b", "usr/up"]);
    }
}
