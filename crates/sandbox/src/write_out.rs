use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flagstone_tree::{Content, InodeId, Kind, Tree, TreePath};

use crate::{MOUNT_POINTS, SandboxError};

/// Writes a tree into an empty folder: kinds, contents, targets, permissions and hard links.
///
/// Everything belongs to the calling user. Every parent is a folder that was made here, so that no
/// link of the tree can lead out.
pub(crate) fn write_out(tree: &Tree, root: &Path) -> Result<(), SandboxError> {
    check_mount_points(tree)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SandboxError::WriteOut { path, source }
    };
    let mut first: BTreeMap<InodeId, PathBuf> = BTreeMap::new();
    let mut directories = Vec::new();
    for entry in tree.walk() {
        let path = root.join(std::ffi::OsStr::from_bytes(entry.path.as_bytes()));
        let mode = u32::from(entry.inode.metadata.mode);
        match &entry.inode.kind {
            Kind::Directory(_) => {
                if !entry.path.is_root() {
                    fs::create_dir(&path).map_err(failed(&path))?;
                    directories.push((path, mode));
                }
            }
            Kind::File(content) => {
                if let Some(other) = first.get(&entry.id) {
                    fs::hard_link(other, &path).map_err(failed(&path))?;
                } else {
                    write_file(&path, content, mode).map_err(failed(&path))?;
                    first.insert(entry.id, path);
                }
            }
            Kind::Symlink(target) => {
                let target = std::ffi::OsStr::from_bytes(target);
                symlink(target, &path).map_err(failed(&path))?;
            }
            _ => return Err(SandboxError::Kind(entry.path)),
        }
    }
    for name in MOUNT_POINTS.iter().filter(|name| !tree.exists(name)) {
        let path = root.join(name);
        fs::create_dir(&path).map_err(failed(&path))?;
    }
    // Last, and children first: a folder need not be open to its own owner.
    for (path, mode) in directories.iter().rev() {
        set_mode(path, *mode).map_err(failed(path))?;
    }
    Ok(())
}

/// A command gets file systems of its own at these places; something else in the way would have
/// them appear elsewhere.
fn check_mount_points(tree: &Tree) -> Result<(), SandboxError> {
    for name in MOUNT_POINTS {
        let path = TreePath::new(name).map_err(SandboxError::Path)?;
        let id = tree.lookup(&path);
        if id.is_some_and(|id| tree.inode(id).children().is_none()) {
            return Err(SandboxError::Kind(path));
        }
    }
    Ok(())
}

/// Makes the top folder, of the calling user's own group: one with the group of its parent
/// (set-gid) would give that group to all files, and root inside could not change them.
pub(crate) fn make_root(root: &Path) -> io::Result<()> {
    fs::create_dir(root)?;
    let group = rustix::process::getegid();
    rustix::fs::chown(root, None, Some(group))?;
    set_mode(root, 0o755)
}

fn write_file(path: &Path, content: &Content, mode: u32) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    for piece in content.data() {
        let (offset, data) = piece?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&data)?;
    }
    file.set_len(content.len())?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
