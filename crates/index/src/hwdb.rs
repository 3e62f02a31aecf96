//! udev's hardware database.

mod source;
mod strings;
mod trie;

use std::collections::BTreeMap;

use flagstone_tree::{FileName, Tree};

use crate::IndexError;
use crate::trail::follow;
use source::Records;
use trie::{Origin, Trie};

/// Where the sources are; a file in the first directory stands for one of its name in the second.
const SOURCE_DIRS: [&str; 2] = ["etc/udev/hwdb.d", "usr/lib/udev/hwdb.d"];

/// udev's hardware database: what is known of devices, by patterns of their names.
///
/// It is what `systemd-hwdb update --usr` of systemd 257 would write on the running system: the
/// format's second version, with files and lines of origin.
#[derive(Debug)]
pub struct Hwdb {
    trie: Trie,
}

impl Hwdb {
    /// Where systemd and udev look for the database that belongs to `/usr`.
    pub const PATH: &str = "usr/lib/udev/hwdb.bin";

    /// Reads all sources; `None` if there are none.
    ///
    /// Lines that the tool would warn about and skip are skipped.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] for a line or a database that the format or the tool cannot take.
    pub fn read(tree: &Tree) -> Result<Option<Self>, IndexError> {
        let files = sources(tree);
        if files.is_empty() {
            return Ok(None);
        }
        let mut database = Trie::new();
        for (number, path) in files.iter().enumerate() {
            let Some(text) = follow(tree, path).and_then(|trail| trail.file()) else { continue };
            let text = text?;
            let mut origin = Origin::new(path, number + 1)?;
            for record in Records::new(&text) {
                let record = record?;
                for property in &record.properties {
                    database.insert_all(&record.matches, property, &mut origin)?;
                }
            }
        }
        Ok(Some(Self { trie: database }))
    }

    /// Returns the version that the tool of a systemd package writes: the number before the first
    /// dot of its version.
    pub fn tool_version(package_version: &str) -> Option<u64> {
        let end = package_version.find(|c: char| !c.is_ascii_digit());
        package_version[..end.unwrap_or(package_version.len())].parse().ok()
    }

    /// Returns the file. The version of the tool is recorded in it and ignored by readers.
    pub fn to_bytes(&self, tool_version: u64) -> Vec<u8> {
        self.trie.to_bytes(tool_version)
    }
}

/// Returns the absolute paths of the sources, in the order of their names.
fn sources(tree: &Tree) -> Vec<Vec<u8>> {
    let mut by_name: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for dir in SOURCE_DIRS {
        let Some(children) = follow(tree, dir.as_bytes()).and_then(|dir| dir.inode.children())
        else {
            continue;
        };
        for (name, &id) in children {
            let is_directory = tree.inode(id).children().is_some();
            if !is_directory && is_source(name) {
                by_name
                    .entry(name.as_bytes())
                    .or_insert_with(|| [b"/", dir.as_bytes(), b"/", name.as_bytes()].concat());
            }
        }
    }
    by_name.into_values().collect()
}

fn is_source(name: &FileName) -> bool {
    name.as_bytes().ends_with(b".hwdb") && !name.as_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o644, Mtime::from_seconds(0));

    fn tree(files: &[(&str, &'static str)]) -> Tree {
        let mut tree = Tree::new(META);
        for (path, text) in files {
            tree.put(path, META, Inode::file(META, *text)).unwrap();
        }
        tree
    }

    #[test]
    fn a_small_database_has_known_bytes() {
        let tree = tree(&[("usr/lib/udev/hwdb.d/1.hwdb", "m\n K=v\n")]);
        let bytes = Hwdb::read(&tree).unwrap().unwrap().to_bytes(257);
        let strings = b"\0 K\0v\0/usr/lib/udev/hwdb.d/1.hwdb\0";
        // Two nodes, one child, one value.
        let nodes: u64 = 2 * 24 + 16 + 32;
        let at = 80 + nodes;
        let mut expected = b"KSLPHHRH".to_vec();
        for word in [257, at + strings.len() as u64, 80, 24, 16, 32, 136, nodes] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend((strings.len() as u64).to_le_bytes());
        for word in [at, 0, 1, at + 1, at + 4, at + 6] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend([2, 0, 0, 0, 1, 0, 0, 0]);
        for word in [at, 1, 0, u64::from(b'm'), 80] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend(strings);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_administrators_file_stands_for_the_vendors() {
        let tree = tree(&[
            ("usr/lib/udev/hwdb.d/20-b.hwdb", "m\n K=vendor\n"),
            ("etc/udev/hwdb.d/20-b.hwdb", "m\n K=own\n"),
            ("etc/udev/hwdb.d/.10.hwdb", "m\n K=hidden\n"),
            ("etc/udev/hwdb.d/10.txt", "m\n K=other\n"),
        ]);
        assert_eq!(sources(&tree), [b"/etc/udev/hwdb.d/20-b.hwdb".to_vec()]);
        assert!(Hwdb::read(&Tree::new(META)).unwrap().is_none());
    }

    #[test]
    fn the_tools_version_is_the_packages() {
        assert_eq!(Hwdb::tool_version("257.13-1~deb13u1"), Some(257));
        assert_eq!(Hwdb::tool_version("v257"), None);
    }
}
