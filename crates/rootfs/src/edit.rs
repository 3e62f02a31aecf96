use flagstone_tree::{Content, Inode, InodeId, Metadata, Mtime, Tree, TreeError, TreePath};

use crate::RootfsError;
use crate::archive::is_usr_merged;
use crate::error::InStep;

/// One finisher's hand on the tree: what it writes belongs to root and carries the build's date.
pub(crate) struct Edit<'a> {
    pub(crate) tree: &'a mut Tree,
    pub(crate) date: Mtime,
    /// The finisher's name, for errors.
    pub(crate) step: &'static str,
}

impl<'a> Edit<'a> {
    pub(crate) fn new(tree: &'a mut Tree, date: Mtime, step: &'static str) -> Self {
        Self { tree, date, step }
    }

    /// Writes a file in place of whatever is there.
    pub(crate) fn file(
        &mut self,
        path: &str,
        mode: u16,
        content: impl Into<Content>,
    ) -> Result<InodeId, RootfsError> {
        let inode = Inode::file(Metadata::root(mode, self.date), content);
        self.put(path, inode).in_step(self.step)
    }

    /// Writes a file unless something has its path: what packages and recipes ship wins.
    pub(crate) fn default_file(
        &mut self,
        path: &str,
        mode: u16,
        content: impl Into<Content>,
    ) -> Result<(), RootfsError> {
        if !self.exists(path) {
            self.file(path, mode, content)?;
        }
        Ok(())
    }

    /// Copies a file's content and mode to another path unless something is there, or the source
    /// is missing.
    pub(crate) fn default_copy(&mut self, from: &str, to: &str) -> Result<(), RootfsError> {
        let Some(source) = self.resolve_file(from) else { return Ok(()) };
        if self.exists(to) {
            return Ok(());
        }
        let inode = self.tree.inode(source).clone();
        self.put(to, inode).in_step(self.step)?;
        Ok(())
    }

    /// Writes a symbolic link in place of whatever is there.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> Result<(), RootfsError> {
        let inode = Inode::symlink(self.date, target.as_bytes().to_vec());
        self.put(path, inode).in_step(self.step)?;
        Ok(())
    }

    /// Writes a symbolic link unless something has its path.
    pub(crate) fn default_symlink(&mut self, path: &str, target: &str) -> Result<(), RootfsError> {
        if self.exists(path) { Ok(()) } else { self.symlink(path, target) }
    }

    /// Puts any inode; missing parents belong to root with mode 0755.
    pub(crate) fn put(&mut self, path: &str, inode: Inode) -> Result<InodeId, TreeError> {
        let parents = Metadata::root(0o755, self.date);
        self.tree.put(merged(path), parents, inode)
    }

    /// Tells whether something has this path, a dangling link too.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.tree.exists(merged(path))
    }

    /// Returns the regular file that a path leads to, over links.
    pub(crate) fn resolve_file(&self, path: &str) -> Option<InodeId> {
        let (_, id) = self.tree.resolve(path).ok()?;
        self.tree.inode(id).content().map(|_| id)
    }

    /// Returns a text file, `None` if nothing is there.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, RootfsError> {
        text(self.tree, path, self.step)
    }
}

/// Returns a text file, `None` if nothing is there.
pub(crate) fn text(
    tree: &Tree,
    path: &str,
    step: &'static str,
) -> Result<Option<String>, RootfsError> {
    match tree.read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(TreeError::NotFound(_) | TreeError::NotADirectory(_)) => Ok(None),
        Err(error) => Err(error).in_step(step),
    }
}

/// Returns the names in a directory, in byte order; none if it is missing. Names that are not UTF-8
/// are left out: no configuration directory gives them a meaning.
pub(crate) fn names(tree: &Tree, path: &str) -> Vec<String> {
    let Ok((_, id)) = tree.resolve(path) else { return Vec::new() };
    let Some(children) = tree.inode(id).children() else { return Vec::new() };
    let names = children.keys().filter_map(|name| String::from_utf8(name.as_bytes().to_vec()).ok());
    names.collect()
}

/// Returns the names in a directory that end so, in byte order.
pub(crate) fn names_ending(tree: &Tree, path: &str, suffix: &str) -> Vec<String> {
    names(tree, path).into_iter().filter(|name| name.ends_with(suffix)).collect()
}

/// Returns the configuration files of a directory that is looked for in several places, sorted by
/// name; one in an earlier place hides those of the same name in later ones. An empty file or a
/// link to `/dev/null` hides too, and is read as empty.
///
/// This is how systemd treats all its `*.d` directories (`tmpfiles.d(5)`, "Configuration
/// directories and precedence").
pub(crate) fn config_files(tree: &Tree, places: &[&str], suffix: &str) -> Vec<String> {
    let mut found = std::collections::BTreeMap::new();
    for place in places {
        for name in names_ending(tree, place, suffix) {
            let path = format!("{place}/{name}");
            found.entry(name).or_insert(path);
        }
    }
    found.into_values().collect()
}

/// Moves a path at the top of the tree into /usr where /usr is merged.
pub(crate) fn merged(path: &str) -> String {
    match path.split_once('/') {
        Some((top, _)) if is_usr_merged(top.as_bytes()) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

/// Returns a tree path of this crate's own making.
pub(crate) fn tree_path(path: &str, step: &'static str) -> Result<TreePath, RootfsError> {
    TreePath::new(path).in_step(step)
}
