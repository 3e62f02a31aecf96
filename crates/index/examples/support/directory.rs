use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use flagstone_tree::{Inode, InodeId, Metadata, Mtime, Tree};

/// Loads a directory of this machine into a tree; special files are left out.
pub(crate) fn load(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new(metadata(&fs::symlink_metadata(root)?));
    let mut links = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            let below = path.strip_prefix(root).expect("the walk stays below the root");
            let name = below.as_os_str().as_bytes();
            if found.is_dir() {
                todo.push(path.clone());
                add(&mut tree, name, Inode::directory(metadata(&found)))?;
            } else if found.is_symlink() {
                let target = fs::read_link(&path)?.as_os_str().as_bytes().to_vec();
                add(&mut tree, name, Inode::symlink(metadata(&found).mtime, target))?;
            } else if found.is_file() {
                add_file(&mut tree, &mut links, name, &path, &found)?;
            }
        }
    }
    Ok(tree)
}

fn add_file(
    tree: &mut Tree,
    links: &mut BTreeMap<(u64, u64), InodeId>,
    name: &[u8],
    path: &Path,
    found: &fs::Metadata,
) -> io::Result<()> {
    let key = (found.dev(), found.ino());
    if let Some(&known) = links.get(&key) {
        return tree.hard_link(name, known).map_err(io::Error::other);
    }
    let id = add(tree, name, Inode::file(metadata(found), fs::read(path)?))?;
    links.insert(key, id);
    Ok(())
}

fn add(tree: &mut Tree, name: &[u8], inode: Inode) -> io::Result<InodeId> {
    tree.insert(name, inode).map_err(io::Error::other)
}

fn metadata(found: &fs::Metadata) -> Metadata {
    Metadata {
        mode: u16::try_from(found.mode() & 0o7777).expect("twelve bits fit"),
        uid: found.uid(),
        gid: found.gid(),
        mtime: Mtime::from_seconds(found.mtime()),
    }
}
