use bytes::Bytes;
use flagstone_tree::{Inode, Metadata, Mtime, Tree, TreeError};

/// Puts files that everybody may read into a tree, and the folders that they need.
pub(crate) fn put_files<P: AsRef<[u8]>>(
    tree: &mut Tree,
    date: Mtime,
    files: impl IntoIterator<Item = (P, Bytes)>,
) -> Result<(), TreeError> {
    for (path, content) in files {
        let file = Inode::file(Metadata::root(0o644, date), content);
        tree.put(path, Metadata::root(0o755, date), file)?;
    }
    Ok(())
}

/// Puts links into a tree: path and target.
pub(crate) fn put_links(
    tree: &mut Tree,
    date: Mtime,
    links: &[(&str, &'static str)],
) -> Result<(), TreeError> {
    for &(path, target) in links {
        tree.put(path, Metadata::root(0o755, date), Inode::symlink(date, target))?;
    }
    Ok(())
}

/// Gives files that are part of the program to [`put_files`].
pub(crate) fn fixed<'a>(
    files: &'a [(&'a str, &'static str)],
) -> impl Iterator<Item = (&'a str, Bytes)> {
    files.iter().map(|&(path, text)| (path, Bytes::from_static(text.as_bytes())))
}
