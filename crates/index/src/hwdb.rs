//! udev's hardware database.

mod source;
mod strings;
mod trie;

use std::collections::BTreeMap;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_tree::{FileName, Tree};

use crate::trail::follow;
use crate::{IndexCache, IndexError};
use source::Records;
use trie::{Origin, Trie};

/// The version of how sources become a database; whoever changes that changes the number.
const DATABASE: u32 = 1;

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

    /// Returns the file that [`Self::read`] and [`Self::to_bytes`] give, from a store if that has it; if
    /// not, it is put there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn file(
        tree: &Tree,
        tool_version: u64,
        cache: &dyn IndexCache,
    ) -> Result<Option<Bytes>, IndexError> {
        let key = key(tree, tool_version)?;
        if let Some(known) = cache.get(&key) {
            return Ok(Some(known));
        }
        let made = Self::read(tree)?.map(|hwdb| Bytes::from(hwdb.to_bytes(tool_version)));
        if let Some(made) = &made {
            cache.put(&key, made);
        }
        Ok(made)
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

/// Returns a digest of all that a database is made from: the tool's version, and of every source its
/// path, which the database records, and its content.
fn key(tree: &Tree, tool_version: u64) -> Result<Sha256Digest, IndexError> {
    let mut hasher = Sha256Hasher::new();
    hasher.update(format!("flagstone hwdb {DATABASE}, {tool_version}\n").as_bytes());
    for path in sources(tree) {
        hasher.update(&path);
        hasher.update(b"\0");
        if let Some(digest) = follow(tree, &path).and_then(|trail| trail.digest()) {
            hasher.update(digest?.as_bytes());
        }
    }
    Ok(hasher.finish())
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

    #[derive(Default)]
    struct Store(std::sync::Mutex<BTreeMap<Sha256Digest, Bytes>>);

    impl IndexCache for Store {
        fn get(&self, key: &Sha256Digest) -> Option<Bytes> {
            self.0.lock().unwrap().get(key).cloned()
        }

        fn put(&self, key: &Sha256Digest, value: &[u8]) {
            self.0.lock().unwrap().insert(*key, Bytes::copy_from_slice(value));
        }
    }

    #[test]
    fn a_store_gives_a_database_only_for_the_sources_it_was_made_from() {
        let dir = "usr/lib/udev/hwdb.d";
        let text = "usb:v1*\n A=1\n";
        let (first, moved) = (format!("{dir}/20-a.hwdb"), format!("{dir}/30-a.hwdb"));
        let cases = [
            (vec![(first.as_str(), text)], 257),
            (vec![(first.as_str(), text)], 258),
            (vec![(moved.as_str(), text)], 257),
            (vec![(first.as_str(), "usb:v1*\n A=2\n")], 257),
            (vec![(first.as_str(), text), (moved.as_str(), "usb:v2*\n B=1\n")], 257),
        ];
        let store = Store::default();
        for round in 0..2 {
            for (files, tool) in &cases {
                let tree = tree(files);
                let made = Hwdb::read(&tree).unwrap().unwrap().to_bytes(*tool);
                assert_eq!(Hwdb::file(&tree, *tool, &store).unwrap().unwrap(), made, "{round}");
            }
            assert_eq!(store.0.lock().unwrap().len(), cases.len());
        }
        assert_eq!(Hwdb::file(&tree(&[]), 257, &store).unwrap(), None);
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
