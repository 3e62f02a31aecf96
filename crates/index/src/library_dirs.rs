use std::collections::BTreeSet;

use flagstone_tree::{Tree, TreeError};

use crate::glob;
use crate::trail::follow;

/// How deep `include` lines may nest before the rest is ignored.
const MAX_INCLUDES: usize = 16;

/// The directories that a loader's configuration names, as absolute paths in its order.
///
/// This is the content of `etc/ld.so.conf`, with the files it includes, not the default
/// directories that every loader knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryDirs(Vec<Vec<u8>>);

impl LibraryDirs {
    /// Reads a configuration file of the tree; a missing one names no directory.
    ///
    /// # Errors
    /// [`TreeError`] if the path leads to something else than a file.
    pub fn read(tree: &Tree, configuration: &str) -> Result<Self, TreeError> {
        let mut dirs = Self::default();
        match tree.read(configuration) {
            Ok(text) => dirs.parse(tree, &text, 0)?,
            Err(TreeError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(dirs)
    }

    /// Returns the directories.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    fn parse(&mut self, tree: &Tree, text: &[u8], depth: usize) -> Result<(), TreeError> {
        for line in text.split(|&b| b == b'\n') {
            let line = line.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii();
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            match words.next() {
                None => {}
                Some(b"include") if line.len() > b"include".len() => {
                    for pattern in words {
                        self.include(tree, pattern, depth)?;
                    }
                }
                Some(first) if first.eq_ignore_ascii_case(b"hwcap") && line.len() > 5 => {}
                Some(_) => {
                    let end = line.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
                    if end > 0 {
                        self.0.push(line[..end].to_vec());
                    }
                }
            }
        }
        Ok(())
    }

    fn include(&mut self, tree: &Tree, pattern: &[u8], depth: usize) -> Result<(), TreeError> {
        if depth == MAX_INCLUDES {
            return Ok(());
        }
        let relative = if pattern.starts_with(b"/") { &b""[..] } else { b"etc/" };
        for path in matching_files(tree, &[relative, pattern].concat()) {
            if let Some(text) = follow(tree, &path).and_then(|found| found.file()) {
                self.parse(tree, &text?, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Returns the paths that match a shell pattern, sorted by their bytes.
fn matching_files(tree: &Tree, pattern: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::from([Vec::new()]);
    for name in pattern.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
        let mut below = BTreeSet::new();
        for dir in &found {
            let Some(children) = follow(tree, dir).and_then(|at| at.inode.children()) else {
                continue;
            };
            let names = children.keys().map(flagstone_tree::FileName::as_bytes);
            for child in names.filter(|child| {
                // As in the shell, a leading dot is matched by a dot only.
                (name.starts_with(b".") || !child.starts_with(b".")) && glob::matches(name, child)
            }) {
                below.insert([dir, &b"/"[..], child].concat());
            }
        }
        found = below;
    }
    found
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    #[test]
    fn included_files_are_read_in_the_order_of_their_names() {
        let meta = Metadata::root(0o644, Mtime::default());
        let mut tree = Tree::new(meta);
        let files = [
            ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n/last/ # c\n"),
            ("etc/ld.so.conf.d/b.conf", "/b\n\n  /b2//\n"),
            ("etc/ld.so.conf.d/a.conf", "hwcap 1 x\n/a\ninclude ld.so.conf.d/deeper\n"),
            ("etc/ld.so.conf.d/deeper", "/deeper"),
            ("etc/ld.so.conf.d/.hidden.conf", "/hidden"),
        ];
        for (path, text) in files {
            tree.put(path, meta, Inode::file(meta, text)).unwrap();
        }
        let dirs = LibraryDirs::read(&tree, "etc/ld.so.conf").unwrap();
        let text: Vec<String> =
            dirs.iter().map(|dir| String::from_utf8_lossy(dir).into_owned()).collect();
        assert_eq!(text, ["/a", "/deeper", "/b", "/b2", "/last"]);
        assert_eq!(LibraryDirs::read(&tree, "etc/none").unwrap(), LibraryDirs::default());
    }
}
