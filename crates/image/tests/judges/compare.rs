use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use flagstone_tree::{Content, Entry, FileName, Inode, Kind, Tree, Xattrs};

/// Longer files are compared where they have data, and around it.
const COMPARED_WHOLE: u64 = 64 << 20;

/// Panics unless a directory holds exactly this tree, metadata included.
pub(crate) fn assert_same(tree: &Tree, root: &Path) {
    let links = links(tree);
    let mut numbers = BTreeMap::new();
    for entry in tree.walk() {
        let path = root.join(OsStr::from_bytes(entry.path.as_bytes()));
        assert_same_kind(&entry, &path);
        let found = fs::symlink_metadata(&path).unwrap();
        let expected = &entry.inode.metadata;
        let name = &entry.path;
        let mode = entry.inode.kind.type_bits() | expected.mode;
        assert_eq!(found.mode(), u32::from(mode), "mode of /{name}");
        assert_eq!((found.uid(), found.gid()), (expected.uid, expected.gid), "owner of /{name}");
        let mtime = (found.mtime(), found.mtime_nsec());
        assert_eq!(mtime, (expected.mtime.seconds, expected.mtime.nanoseconds.into()), "/{name}");
        assert_eq!(found.nlink(), links[&entry.id.index()], "links of /{name}");
        assert_eq!(xattrs(&path), entry.inode.xattrs, "attributes of /{name}");
        let number = *numbers.entry(entry.id.index()).or_insert(found.ino());
        assert_eq!(number, found.ino(), "inode of /{name}");
    }
    let distinct: BTreeSet<u64> = numbers.values().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "two inodes share a number");
}

/// Panics unless a directory holds these names, file types, contents and link targets.
pub(crate) fn assert_same_contents(tree: &Tree, root: &Path) {
    for entry in tree.walk() {
        assert_same_kind(&entry, &root.join(OsStr::from_bytes(entry.path.as_bytes())));
    }
}

fn assert_same_kind(entry: &Entry<'_>, path: &Path) {
    let found = fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let kind = found.file_type();
    let name = &entry.path;
    match &entry.inode.kind {
        Kind::Directory(children) => {
            let names: BTreeSet<Vec<u8>> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
                .collect();
            let expected: BTreeSet<Vec<u8>> =
                children.keys().map(|name| FileName::as_bytes(name).to_vec()).collect();
            assert!(names == expected, "names in /{name}");
        }
        Kind::File(content) => {
            assert!(kind.is_file(), "type of /{name}");
            assert_eq!(found.len(), content.len(), "length of /{name}");
            assert_same_content(content, &File::open(path).unwrap(), name);
        }
        Kind::Symlink(target) => {
            assert_eq!(fs::read_link(path).unwrap().as_os_str().as_bytes(), &target[..], "/{name}");
            assert_eq!(found.len(), target.len() as u64, "length of /{name}");
        }
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            let is_block = matches!(entry.inode.kind, Kind::BlockDevice { .. });
            assert_eq!((kind.is_block_device(), kind.is_char_device()), (is_block, !is_block));
            let number = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
            assert_eq!(number, (*major, *minor), "device number of /{name}");
        }
        Kind::Fifo => assert!(kind.is_fifo(), "type of /{name}"),
        Kind::Socket => assert!(kind.is_socket(), "type of /{name}"),
    }
}

fn assert_same_content(content: &Content, file: &File, name: &flagstone_tree::TreePath) {
    let read = |offset: u64, len: usize| {
        let mut data = vec![0; len];
        file.read_exact_at(&mut data, offset).unwrap_or_else(|e| panic!("/{name}: {e}"));
        data
    };
    if content.len() <= COMPARED_WHOLE {
        let data = read(0, content.len().try_into().unwrap());
        assert!(data == content.to_bytes().unwrap(), "content of /{name}");
        return;
    }
    let mut end = 0;
    for piece in content.data() {
        let (offset, data) = piece.unwrap();
        assert!(read(offset, data.len()) == data[..], "content of /{name} at {offset}");
        let before = (offset - end).min(1 << 20).try_into().unwrap();
        let hole = read(offset - before as u64, before);
        assert!(hole.iter().all(|&byte| byte == 0), "hole of /{name} before {offset}");
        end = offset + data.len() as u64;
    }
    let after = (content.len() - end).min(1 << 20).try_into().unwrap();
    assert!(read(end, after).iter().all(|&byte| byte == 0), "hole of /{name} after {end}");
}

/// Counts names, or for a directory what Linux counts, by inode.
fn links(tree: &Tree) -> BTreeMap<usize, u64> {
    let mut links = BTreeMap::new();
    let is_directory = |inode: &Inode| inode.children().is_some();
    for entry in tree.walk() {
        let subdirectories = entry.inode.children().into_iter().flatten();
        let subdirectories =
            subdirectories.filter(|(_, id)| is_directory(tree.inode(**id))).count();
        let count = if is_directory(entry.inode) { 2 + subdirectories as u64 } else { 1 };
        *links.entry(entry.id.index()).or_default() += count;
    }
    links
}

fn xattrs(path: &Path) -> Xattrs {
    let mut names = vec![0; 1 << 16];
    let len = rustix::fs::llistxattr(path, names.as_mut_slice()).unwrap();
    let mut xattrs = Xattrs::new();
    for name in names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let key = CString::new(name).unwrap();
        let len = rustix::fs::lgetxattr(path, &key, value.as_mut_slice())
            .unwrap_or_else(|e| panic!("{} {}: {e}", path.display(), name.escape_ascii()));
        value.truncate(len);
        xattrs.insert(name.to_vec(), value);
    }
    xattrs
}
