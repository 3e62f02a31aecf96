//! Files of a tree, as the tools would find them.

use flagstone_tree::{FileName, Tree};

/// Returns the names in a directory, in byte order; none if it is missing. Names that are not UTF-8
/// are left out.
pub(crate) fn names(tree: &Tree, path: &str) -> Vec<String> {
    let Ok((_, id)) = tree.resolve(path) else { return Vec::new() };
    let Some(children) = tree.inode(id).children() else { return Vec::new() };
    let text = |name: &FileName| String::from_utf8(name.as_bytes().to_vec()).ok();
    children.keys().filter_map(text).collect()
}

/// Returns a text file.
pub(crate) fn text(tree: &Tree, path: &str) -> Result<String, &'static str> {
    let bytes = tree.read(path).map_err(|_| "it cannot be read")?;
    String::from_utf8(bytes.into()).map_err(|_| "it is not UTF-8 text")
}

/// Tells whether a path leads to a regular file.
pub(crate) fn is_file(tree: &Tree, path: &str) -> bool {
    tree.resolve(path).is_ok_and(|(_, id)| tree.inode(id).content().is_some())
}

/// Tells whether a path leads to a directory.
pub(crate) fn is_directory(tree: &Tree, path: &str) -> bool {
    tree.resolve(path).is_ok_and(|(_, id)| tree.inode(id).children().is_some())
}

/// Tells whether a tool is in a directory for one architecture's libraries.
pub(crate) fn has_library_tool(tree: &Tree, tool: &str) -> bool {
    names(tree, "usr/lib").iter().any(|name| is_file(tree, &format!("usr/lib/{name}/{tool}")))
}
