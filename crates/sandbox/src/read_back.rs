use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use flagstone_tree::{Content, FileName, Inode, InodeId, Kind, Metadata, Mtime, Tree, TreePath};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

use crate::{Changes, MOUNT_POINTS, SandboxError};

/// The deepest folder, and the most names and bytes, that are read back. Real systems stay far
/// below; a command may do anything.
const DEPTH_MAX: usize = 128;
const NAMES_MAX: usize = 2_000_000;
const BYTES_MAX: u64 = 4 << 30;

/// The permissions of the folder itself, while commands are at work.
const ROOT_MODE: Mode = Mode::from_raw_mode(0o755);

/// The attribute that a changed program must not keep (capabilities(7)).
const CAPABILITY: &[u8] = b"security.capability";

/// Reads a folder back that a tree was written to, once nothing works in it any more, and returns
/// the tree as it is now with what changed.
///
/// Links are never followed. What did not change is taken from the old tree, owner, times and all.
pub(crate) fn read_back(
    old: &Tree,
    root: &Path,
    date: Mtime,
) -> Result<(Tree, Changes), SandboxError> {
    let top = TreePath::default();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A command can close its root, but not put something else in its place.
    rustix::fs::chmod(root, ROOT_MODE).map_err(|e| failed(&top, e))?;
    let dir = rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(|e| failed(&top, e))?;
    let mut reader = Reader {
        old,
        new: Tree::new(old.inode(old.root()).metadata),
        date,
        links: BTreeMap::new(),
        changes: Changes::default(),
        names: 0,
        bytes: 0,
    };
    let new_root = reader.new.root();
    reader.new.inode_mut(new_root).xattrs.clone_from(&old.inode(old.root()).xattrs);
    reader.directory(&dir, &top, Some(old.root()), 0)?;
    Ok((reader.new, reader.changes))
}

/// How a path compares with the old tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Same,
    Changed,
    Added,
}

struct Reader<'t> {
    old: &'t Tree,
    new: Tree,
    date: Mtime,
    /// Files with several names: device and number on the disk, to where they are in the old and the
    /// new tree, and how the first name compared.
    links: BTreeMap<(u64, u64), (Option<InodeId>, InodeId, State)>,
    changes: Changes,
    names: usize,
    bytes: u64,
}

impl Reader<'_> {
    fn directory(
        &mut self,
        dir: &OwnedFd,
        path: &TreePath,
        old: Option<InodeId>,
        depth: usize,
    ) -> Result<(), SandboxError> {
        if depth > DEPTH_MAX {
            return Err(SandboxError::TooMuch("128 folders in each other"));
        }
        let names = self.names_in(dir, path)?;
        let tree = self.old;
        let known = old.and_then(|old| tree.inode(old).children());
        for name in &names {
            let below = path.join(name);
            let old = known.and_then(|known| known.get(name)).copied();
            if depth == 0 && MOUNT_POINTS.iter().any(|point| point.as_bytes() == name.as_bytes()) {
                self.keep(old, &below)?;
            } else {
                self.entry(dir, name, &below, old, depth)?;
            }
        }
        for (name, &gone) in known.into_iter().flatten().filter(|(name, _)| !names.contains(name)) {
            self.gone(gone, &path.join(name));
        }
        Ok(())
    }

    /// Returns the names in a folder, in byte order.
    fn names_in(&mut self, dir: &OwnedFd, path: &TreePath) -> Result<Vec<FileName>, SandboxError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).map_err(|e| failed(path, e))? {
            let entry = entry.map_err(|e| failed(path, e))?;
            let name = entry.file_name().to_bytes();
            if name.iter().any(u8::is_ascii_control) {
                return Err(SandboxError::ControlCharacter(path.clone()));
            }
            if !matches!(name, b"." | b"..") {
                names.push(FileName::new(name).map_err(SandboxError::Path)?);
                self.names += 1;
            }
            if self.names > NAMES_MAX {
                return Err(SandboxError::TooMuch("2,000,000 files"));
            }
        }
        names.sort();
        Ok(names)
    }

    fn entry(
        &mut self,
        dir: &OwnedFd,
        name: &FileName,
        path: &TreePath,
        old: Option<InodeId>,
        depth: usize,
    ) -> Result<(), SandboxError> {
        let stat = rustix::fs::statat(dir, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| failed(path, e))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let below = open(dir, name, &stat, Mode::RWXU, OFlags::DIRECTORY)
                    .map_err(|e| failed(path, e))?;
                let like = old.filter(|old| self.old.inode(*old).children().is_some());
                let (metadata, state) = self.metadata(old, like, &stat, false);
                let mut inode = Inode::directory(metadata);
                if let Some(like) = like {
                    inode.xattrs.clone_from(&self.old.inode(like).xattrs);
                }
                self.insert(path, inode, state)?;
                if let Some(replaced) = old.filter(|_| like.is_none()) {
                    self.gone_below(replaced, path);
                }
                self.directory(&below, path, like, depth + 1)?;
                // As the command left it, for the next one.
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::fchmod(&below, mode).map_err(|e| failed(path, e))
            }
            FileType::RegularFile => self.file(dir, name, path, old, &stat),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir, name.as_bytes(), Vec::new())
                    .map_err(|e| failed(path, e))?
                    .into_bytes();
                let same = |old: &Inode| matches!(&old.kind, Kind::Symlink(old) if *old == target);
                self.replaced(old, path);
                match old.map(|old| self.old.inode(old)) {
                    Some(inode) if same(inode) => {
                        let inode = inode.clone();
                        self.insert(path, inode, State::Same).map(drop)
                    }
                    old => {
                        let state = if old.is_some() { State::Changed } else { State::Added };
                        self.insert(path, Inode::symlink(self.date, target), state).map(drop)
                    }
                }
            }
            _ => Err(SandboxError::Special(path.clone())),
        }
    }

    fn file(
        &mut self,
        dir: &OwnedFd,
        name: &FileName,
        path: &TreePath,
        old: Option<InodeId>,
        stat: &Stat,
    ) -> Result<(), SandboxError> {
        let on_disk = (stat.st_dev, stat.st_ino);
        if let Some(&(first_old, first, state)) = self.links.get(&on_disk) {
            self.replaced(old, path);
            self.new.hard_link(path, first).map_err(SandboxError::Path)?;
            let state = match old {
                None => State::Added,
                Some(_) if old == first_old => state,
                Some(_) => State::Changed,
            };
            self.record(path, state);
            return Ok(());
        }
        let file =
            open(dir, name, stat, Mode::RUSR, OFlags::NONBLOCK).map_err(|e| failed(path, e))?;
        let mut file = File::from(file);
        let tree = self.old;
        let like = old.filter(|old| tree.inode(*old).content().is_some());
        let content = like.and_then(|like| tree.inode(like).content());
        let same = match content {
            Some(content) => same_content(content, &mut file).map_err(|e| failed(path, e))?,
            None => false,
        };
        let (metadata, state) = self.metadata(old, like, stat, !same);
        let mut inode = match content {
            Some(content) if same => Inode::file(metadata, content.clone()),
            _ => Inode::file(metadata, self.content(&mut file, path)?),
        };
        if let Some(like) = like {
            inode.xattrs.clone_from(&tree.inode(like).xattrs);
        }
        if !same {
            inode.xattrs.remove(CAPABILITY);
        }
        self.replaced(old, path);
        let id = self.insert(path, inode, state)?;
        if stat.st_nlink > 1 {
            self.links.insert(on_disk, (old, id, state));
        }
        Ok(())
    }

    /// Returns the metadata of what is on the disk, `like` the same kind of thing in the old tree,
    /// and how it compares.
    fn metadata(
        &self,
        old: Option<InodeId>,
        like: Option<InodeId>,
        stat: &Stat,
        other_content: bool,
    ) -> (Metadata, State) {
        let mode = permissions(stat);
        let Some(like) = like else {
            let state = if old.is_some() { State::Changed } else { State::Added };
            return (Metadata::root(mode, self.date), state);
        };
        let metadata = self.old.inode(like).metadata;
        if other_content {
            return (Metadata { mode, mtime: self.date, ..metadata }, State::Changed);
        }
        let state = if mode == metadata.mode { State::Same } else { State::Changed };
        (Metadata { mode, ..metadata }, state)
    }

    /// Reads a whole file into memory.
    fn content(&mut self, file: &mut File, path: &TreePath) -> Result<Content, SandboxError> {
        let len = file.metadata().map_err(|e| failed(path, e))?.len();
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > BYTES_MAX {
            return Err(SandboxError::TooMuch("4 GiB of new content"));
        }
        io::Seek::rewind(file).map_err(|e| failed(path, e))?;
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes).map_err(|e| failed(path, e))?;
        Ok(bytes.into())
    }

    fn insert(
        &mut self,
        path: &TreePath,
        inode: Inode,
        state: State,
    ) -> Result<InodeId, SandboxError> {
        let id = self.new.insert(path, inode).map_err(SandboxError::Path)?;
        self.record(path, state);
        Ok(id)
    }

    fn record(&mut self, path: &TreePath, state: State) {
        match state {
            State::Same => {}
            State::Changed => self.changes.changed.push(path.clone()),
            State::Added => self.changes.added.push(path.clone()),
        }
    }

    /// Records what was below a directory in whose place something else is.
    fn replaced(&mut self, old: Option<InodeId>, path: &TreePath) {
        if let Some(old) = old {
            self.gone_below(old, path);
        }
    }

    fn gone(&mut self, old: InodeId, path: &TreePath) {
        self.changes.removed.push(path.clone());
        self.gone_below(old, path);
    }

    fn gone_below(&mut self, old: InodeId, path: &TreePath) {
        let tree = self.old;
        for (name, &child) in tree.inode(old).children().into_iter().flatten() {
            self.gone(child, &path.join(name));
        }
    }

    /// Takes over what the command could not see.
    fn keep(&mut self, old: Option<InodeId>, path: &TreePath) -> Result<(), SandboxError> {
        let Some(old) = old else { return Ok(()) };
        let tree = self.old;
        let mut inode = tree.inode(old).clone();
        if let Kind::Directory(children) = &mut inode.kind {
            children.clear();
        }
        self.new.insert(path, inode).map_err(SandboxError::Path)?;
        for (name, &child) in tree.inode(old).children().into_iter().flatten() {
            self.keep(Some(child), &path.join(name))?;
        }
        Ok(())
    }
}

fn failed(path: &TreePath, source: impl Into<io::Error>) -> SandboxError {
    SandboxError::ReadBack { path: path.clone(), source: source.into() }
}

/// Returns the permissions, with set-id and sticky bits.
fn permissions(stat: &Stat) -> u16 {
    (stat.st_mode & 0o7777).try_into().unwrap_or(0)
}

/// Opens what [`rustix::fs::statat`] has found, whatever its permissions are; `needed` is what its
/// owner needs. It is no link, and nothing can put one there any more.
fn open(
    dir: &OwnedFd,
    name: &FileName,
    stat: &Stat,
    needed: Mode,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    let closed = !mode.contains(needed);
    if closed {
        rustix::fs::chmodat(dir, name.as_bytes(), mode | needed, AtFlags::empty())?;
    }
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name.as_bytes(), flags, Mode::empty())?;
    if closed && !flags.contains(OFlags::DIRECTORY) {
        rustix::fs::fchmod(&file, mode)?;
    }
    Ok(file)
}

/// Compares a file with what was written to it.
fn same_content(content: &Content, file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() != content.len() {
        return Ok(false);
    }
    let mut at = 0;
    for piece in content.data() {
        let (offset, data) = piece?;
        if !same_bytes(file, offset - at, None)?
            || !same_bytes(file, data.len() as u64, Some(&data))?
        {
            return Ok(false);
        }
        at = offset + data.len() as u64;
    }
    same_bytes(file, content.len() - at, None)
}

/// Compares the next bytes of a file with `data`, or with zeros.
fn same_bytes(file: &mut File, mut left: u64, data: Option<&[u8]>) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    let mut rest = data;
    while left > 0 {
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut buffer[..want])?;
        let same = match &mut rest {
            None => buffer[..want].iter().all(|&byte| byte == 0),
            Some(data) => {
                let (now, later) = data.split_at(want);
                *data = later;
                *now == buffer[..want]
            }
        };
        if !same {
            return Ok(false);
        }
        left -= want as u64;
    }
    Ok(true)
}
