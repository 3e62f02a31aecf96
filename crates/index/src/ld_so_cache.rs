//! The loader's cache: which library has which name.

mod entry;
mod scan;
mod strings;

use std::collections::BTreeSet;

use flagstone_tree::{Inode, Metadata, Mtime, Tree, TreePath};

use crate::{ElfMachine, IndexError, LibraryDirs};
use entry::Entry;
use scan::Scan;
use strings::StringTable;

/// The format that glibc 2.32 and later writes and reads.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;

/// Marks the bytes as little-endian in the header's flags.
const LITTLE_ENDIAN: u8 = 2;

/// The extensions behind the strings: a magic number, then sections by tag.
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const EXTENSION_HEADER_BYTES: usize = 8;
const SECTION_BYTES: usize = 16;
const TAG_GENERATOR: u32 = 0;
const TAG_HWCAPS: u32 = 1;

/// Marks an entry whose low hardware word is an index of the second extension.
const HWCAP_EXTENSION: u64 = 1 << 62;

/// The shared libraries of a tree, as `ldconfig` sees them: the content of `etc/ld.so.cache`, and
/// the symbolic links that libraries should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdSoCache {
    entries: Vec<Entry>,
    /// Every directory below a `glibc-hwcaps`, used or not.
    hwcaps: BTreeSet<Vec<u8>>,
    /// Links to make, with their targets.
    links: Vec<(TreePath, Vec<u8>)>,
    /// Links that lead nowhere.
    stale: Vec<TreePath>,
}

impl LdSoCache {
    /// Looks through the configured directories and then through the system's: those of the
    /// machine's multiarch triplet and the plain ones, in `/lib` and `/usr/lib`.
    ///
    /// On 64-bit x86 the libraries of its 32-bit relatives are taken too; elsewhere only those of
    /// the machine itself.
    ///
    /// # Errors
    /// [`IndexError::Library`] for a malformed object.
    pub fn read(
        tree: &Tree,
        configured: &LibraryDirs,
        machine: ElfMachine,
    ) -> Result<Self, IndexError> {
        Scan::new(tree, machine).run(configured)
    }

    /// Returns what Debian's `ldconfig` of glibc calls itself, by the version of `libc-bin`.
    pub fn debian_generator(libc_bin_version: &str) -> String {
        let upstream = libc_bin_version.rsplit_once('-').map_or(libc_bin_version, |parts| parts.0);
        let upstream = upstream.split_once(':').map_or(upstream, |parts| parts.1);
        format!("ldconfig (Debian GLIBC {libc_bin_version}) stable release version {upstream}")
    }

    /// Returns how many names the cache holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there is no library at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the file, whose end names the tool that made it.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] beyond 4 GiB.
    pub fn to_bytes(&self, generator: &str) -> Result<Vec<u8>, IndexError> {
        let strings = StringTable::new(
            self.entries
                .iter()
                .flat_map(|entry| [entry.name.as_slice(), entry.path.as_slice()])
                .chain(self.hwcaps.iter().map(Vec::as_slice)),
        );
        let strings_at = HEADER_BYTES + ENTRY_BYTES * self.entries.len();
        let extension_at = (strings_at + strings.bytes().len()).next_multiple_of(4);
        let used = self.used_hwcaps();

        let mut out = Vec::with_capacity(extension_at + 128);
        out.extend_from_slice(MAGIC);
        put(&mut out, self.entries.len())?;
        put(&mut out, strings.bytes().len())?;
        out.extend_from_slice(&[LITTLE_ENDIAN, 0, 0, 0]);
        put(&mut out, extension_at)?;
        out.resize(HEADER_BYTES, 0);
        for entry in &self.entries {
            out.extend_from_slice(&entry.flags.to_le_bytes());
            put(&mut out, strings_at + strings.offset(&entry.name))?;
            put(&mut out, strings_at + strings.offset(&entry.path))?;
            put(&mut out, 0)?;
            out.extend_from_slice(&hardware(entry, &used).to_le_bytes());
        }
        out.extend_from_slice(strings.bytes());
        out.resize(extension_at, 0);
        let names = used.iter().map(|name| strings_at + strings.offset(name)).collect::<Vec<_>>();
        put_extensions(&mut out, &names, generator)?;
        Ok(out)
    }

    /// Returns the hardware directories that hold a library, sorted.
    fn used_hwcaps(&self) -> Vec<&[u8]> {
        let used: BTreeSet<&[u8]> =
            self.entries.iter().filter_map(|entry| entry.hwcaps.as_deref()).collect();
        used.into_iter().collect()
    }

    /// Makes the links that `ldconfig` would make, so that each library can be found by the name
    /// that others ask for, and removes those that lead nowhere.
    ///
    /// # Errors
    /// [`IndexError::Tree`] if the tree has changed since.
    pub fn update_links(&self, tree: &mut Tree, mtime: Mtime) -> Result<(), IndexError> {
        for path in &self.stale {
            tree.remove(path)?;
        }
        for (path, target) in &self.links {
            let link = Inode::symlink(mtime, target.clone());
            tree.put(path, Metadata::root(0o755, mtime), link)?;
        }
        Ok(())
    }
}

fn hardware(entry: &Entry, used: &[&[u8]]) -> u64 {
    let Some(name) = entry.hwcaps.as_deref() else { return 0 };
    let index = used.binary_search(&name).expect("the list was made from the entries");
    HWCAP_EXTENSION | (u64::from(entry.isa_level) << 32) | index as u64
}

fn put_extensions(out: &mut Vec<u8>, hwcaps: &[usize], generator: &str) -> Result<(), IndexError> {
    let sections = if hwcaps.is_empty() { 1 } else { 2 };
    let hwcaps_at = out.len() + EXTENSION_HEADER_BYTES + SECTION_BYTES * sections;
    let hwcaps_bytes = 4 * hwcaps.len();
    out.extend_from_slice(&EXTENSION_MAGIC.to_le_bytes());
    put(out, sections)?;
    for (tag, offset, size) in [
        (TAG_GENERATOR, hwcaps_at + hwcaps_bytes, generator.len()),
        (TAG_HWCAPS, hwcaps_at, hwcaps_bytes),
    ]
    .into_iter()
    .take(sections)
    {
        out.extend_from_slice(&tag.to_le_bytes());
        put(out, 0)?;
        put(out, offset)?;
        put(out, size)?;
    }
    for name in hwcaps {
        put(out, *name)?;
    }
    out.extend_from_slice(generator.as_bytes());
    Ok(())
}

/// Appends a number of four bytes.
fn put(out: &mut Vec<u8>, number: usize) -> Result<(), IndexError> {
    let number = u32::try_from(number).map_err(|_| IndexError::TooLarge("etc/ld.so.cache"))?;
    out.extend_from_slice(&number.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::sample;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));
    const DIR: &str = "usr/lib/x86_64-linux-gnu";

    fn tree(files: &[(&str, Vec<u8>)], links: &[(&str, &'static str)]) -> Tree {
        let mut tree = Tree::new(META);
        tree.create_dirs(DIR, META).unwrap();
        tree.insert("lib", Inode::symlink(Mtime::default(), "usr/lib")).unwrap();
        for (name, data) in files {
            tree.put(format!("{DIR}/{name}"), META, Inode::file(META, data.clone())).unwrap();
        }
        for (name, target) in links {
            tree.insert(format!("{DIR}/{name}"), Inode::symlink(Mtime::default(), *target))
                .unwrap();
        }
        tree
    }

    fn read(tree: &Tree) -> LdSoCache {
        LdSoCache::read(tree, &LibraryDirs::default(), ElfMachine::X86_64).unwrap()
    }

    #[test]
    fn a_cache_of_one_library_has_known_bytes() {
        let cache = read(&tree(&[("liba.so.1", sample(&[(14, "liba.so.1")], None, ""))], &[]));
        let bytes = cache.to_bytes("me").unwrap();
        let path = b"/lib/x86_64-linux-gnu/liba.so.1\0";
        let mut expected = MAGIC.to_vec();
        expected.extend([1, 0, 0, 0, 32, 0, 0, 0, 2, 0, 0, 0, 104, 0, 0, 0]);
        expected.extend([0; 12]);
        // Flags (libc6, x86-64); the name is the path's tail; no hardware.
        expected.extend([3, 3, 0, 0, 94, 0, 0, 0, 72, 0, 0, 0]);
        expected.extend([0; 12]);
        expected.extend(path);
        expected.extend([0x74, 0x21, 0xa4, 0xea, 1, 0, 0, 0]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 2, 0, 0, 0]);
        expected.extend(b"me");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn missing_links_are_made_and_stale_ones_removed() {
        let files = [("liba.so.1.2", sample(&[(14, "liba.so.1")], None, ""))];
        let mut tree = tree(&files, &[("libold.so.3", "libold.so.3.1"), ("liba.so", "liba.so.1")]);
        let cache = read(&tree);
        cache.update_links(&mut tree, Mtime::default()).unwrap();
        let (path, _) = tree.resolve(format!("{DIR}/liba.so")).unwrap();
        assert_eq!(path.to_string(), format!("{DIR}/liba.so.1.2"));
        assert!(!tree.exists(format!("{DIR}/libold.so.3")));
        assert_eq!(cache.len(), 1);
        let again = read(&tree);
        assert!(again.links.is_empty() && again.stale.is_empty());
    }

    #[test]
    fn other_machines_and_other_files_are_passed_over() {
        let mut foreign = sample(&[], None, "");
        foreign[0x12] = 183;
        let files = [
            ("libf.so", foreign),
            ("libscript.so", b"/* GNU ld script */".to_vec()),
            ("plugin.so", sample(&[], None, "")),
            ("libx.so.1.dpkg-new", sample(&[], None, "")),
        ];
        assert!(read(&tree(&files, &[])).is_empty());
    }

    #[test]
    fn the_generator_is_named_by_the_package() {
        assert_eq!(
            LdSoCache::debian_generator("2.41-12+deb13u5"),
            "ldconfig (Debian GLIBC 2.41-12+deb13u5) stable release version 2.41"
        );
    }

    #[test]
    fn a_malformed_library_is_an_error_that_names_it() {
        let data = sample(&[(14, "liba.so.1")], None, "");
        let tree = tree(&[("liba.so.1", data[..200].to_vec())], &[]);
        let error = LdSoCache::read(&tree, &LibraryDirs::default(), ElfMachine::X86_64);
        assert!(error.unwrap_err().to_string().contains("liba.so.1"));
    }
}
