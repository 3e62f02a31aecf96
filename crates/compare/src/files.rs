use std::collections::{BTreeMap, BTreeSet};

use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs::read::{Entry as Name, Node, NodeKind};
use serde::Serialize;

use crate::CompareError;
use crate::usr::{Usr, first_difference, show};

/// The longest path (`PATH_MAX` of Linux): a damaged image may nest directories without end.
const PATH_MAX: usize = 4096;

/// What differs between the files of two images of /usr.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilesDiff {
    /// What only the new image has.
    pub added: Vec<FileEntry>,
    /// What only the old image has.
    pub removed: Vec<FileEntry>,
    /// What is otherwise.
    pub changed: Vec<FileChange>,
    /// How many entries have another time, and perhaps nothing else.
    pub times: u64,
}

/// One path of /usr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// The absolute path; bytes that are no UTF-8 as `\xNN`.
    pub path: String,
    /// What is there.
    #[serde(flatten)]
    pub state: FileState,
}

/// One path that both images have, otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The absolute path.
    pub path: String,
    /// What differs; at least one aspect.
    pub differs: Vec<Aspect>,
    /// What the old image has.
    pub old: FileState,
    /// What the new image has.
    pub new: FileState,
}

/// A property in which two files can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// File, directory, link, …
    Kind,
    /// The bytes of a file, or the number of a device.
    Content,
    /// The target of a link.
    Target,
    /// The permissions.
    Mode,
    /// User or group.
    Owner,
    /// Extended attributes.
    Xattrs,
    /// The modification time; only looked at where bytes have to be the same.
    Mtime,
}

impl Aspect {
    /// Returns its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Target => "target",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Xattrs => "xattrs",
            Self::Mtime => "mtime",
        }
    }
}

/// What an image has at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// `file`, `directory`, `link`, `character-device`, `block-device`, `pipe` or `socket`.
    pub kind: &'static str,
    /// Permissions, in octal.
    pub mode: String,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// Bytes of a file or of a link's target.
    pub size: u64,
    /// Digest of the content, where both sides have a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// Where a link points to; a device's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Extended attributes: names, and values as text or `\xNN`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Why the content could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// Files and bytes below one top directory of /usr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many files, each hard link by itself.
    pub files: u64,
    /// Bytes of their contents, hard links once.
    pub bytes: u64,
}

/// How files are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Two releases: times differ by nature, and damage is an error.
    Release,
    /// What should be the same bytes: times count, and damage is a difference.
    Bytes,
}

/// What a walk over two images gives.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) files: FilesDiff,
    /// By top directory: old, new.
    pub(crate) amounts: BTreeMap<String, (Amount, Amount)>,
}

/// Compares the files of two images.
pub(crate) fn compare(
    old: &Usr,
    new: &Usr,
    strictness: Strictness,
) -> Result<Walked, CompareError> {
    // The same bytes hold the same files; contents need no second look.
    let same = matches!(first_difference(old.window(), new.window()), Ok(None));
    let mut walk = Walk {
        sides: [Side::new(old), Side::new(new)],
        strictness,
        same,
        walked: Walked::default(),
        pairs: Vec::new(),
    };
    walk.run()?;
    walk.digest()?;
    let mut walked = walk.walked;
    walked.files.added.sort_by(|a, b| a.path.cmp(&b.path));
    walked.files.removed.sort_by(|a, b| a.path.cmp(&b.path));
    walked.files.changed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walked)
}

/// One image while it is walked.
struct Side<'a> {
    usr: &'a Usr,
    /// Directories that were seen: each has one name.
    directories: BTreeSet<u64>,
    /// Files with several names that were counted.
    counted: BTreeSet<u64>,
}

/// A path to look at, with the inode of each side that has it.
struct Step {
    path: Vec<u8>,
    nodes: [Option<Node>; 2],
}

/// Two files of which the contents have to be compared.
struct Pair {
    path: Vec<u8>,
    nodes: [Node; 2],
}

struct Walk<'a> {
    sides: [Side<'a>; 2],
    strictness: Strictness,
    same: bool,
    walked: Walked,
    pairs: Vec<Pair>,
}

impl<'a> Side<'a> {
    fn new(usr: &'a Usr) -> Self {
        Self { usr, directories: BTreeSet::new(), counted: BTreeSet::new() }
    }

    /// Returns what is in a directory that has not been seen.
    fn entries(&mut self, path: &[u8], node: &Node) -> Result<Vec<Name>, CompareError> {
        let again = !self.directories.insert(node.nid);
        if again || path.len() > PATH_MAX {
            let what = if again { "a directory has two names" } else { "its path is too long" };
            let source = flagstone_image::ReadError::Corrupt { nid: node.nid, what };
            return Err(self.usr.error(path)(source));
        }
        self.usr.image.entries(node).map_err(self.usr.error(path))
    }
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), CompareError> {
        let root = |side: &Side<'_>| side.usr.image.root().map_err(side.usr.error(b""));
        let roots = [Some(root(&self.sides[0])?), Some(root(&self.sides[1])?)];
        let mut steps = vec![Step { path: Vec::new(), nodes: roots }];
        while let Some(step) = steps.pop() {
            self.look(&step)?;
            self.descend(&step, &mut steps)?;
        }
        Ok(())
    }

    /// Adds what is in the directories at a path to what is still to look at.
    fn descend(&mut self, step: &Step, steps: &mut Vec<Step>) -> Result<(), CompareError> {
        let mut names: BTreeMap<Vec<u8>, [Option<Node>; 2]> = BTreeMap::new();
        for (index, node) in step.nodes.iter().enumerate() {
            let Some(node) = node.as_ref().filter(|node| node.kind == NodeKind::Directory) else {
                continue;
            };
            let side = &mut self.sides[index];
            for entry in side.entries(&step.path, node)? {
                let mut path = step.path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(entry.name.as_bytes());
                let node = side.usr.image.node(entry.nid).map_err(side.usr.error(&path))?;
                names.entry(path).or_default()[index] = Some(node);
            }
        }
        steps.extend(names.into_iter().map(|(path, nodes)| Step { path, nodes }));
        Ok(())
    }

    fn look(&mut self, step: &Step) -> Result<(), CompareError> {
        self.count(step);
        match &step.nodes {
            [Some(old), Some(new)] => self.both(&step.path, old, new),
            [None, Some(new)] => {
                let entry = self.entry(1, &step.path, new)?;
                self.walked.files.added.push(entry);
                Ok(())
            }
            [Some(old), None] => {
                let entry = self.entry(0, &step.path, old)?;
                self.walked.files.removed.push(entry);
                Ok(())
            }
            [None, None] => Ok(()),
        }
    }

    fn count(&mut self, step: &Step) {
        for (index, node) in step.nodes.iter().enumerate() {
            let Some(node) = node.as_ref().filter(|node| node.kind == NodeKind::File) else {
                continue;
            };
            let bytes = if node.links > 1 && !self.sides[index].counted.insert(node.nid) {
                0
            } else {
                node.size
            };
            let top = step.path.split(|&byte| byte == b'/').next().unwrap_or_default();
            let amounts = self.walked.amounts.entry(shown(top)).or_default();
            let amount = if index == 0 { &mut amounts.0 } else { &mut amounts.1 };
            amount.files += 1;
            amount.bytes = amount.bytes.saturating_add(bytes);
        }
    }

    fn both(&mut self, path: &[u8], old: &Node, new: &Node) -> Result<(), CompareError> {
        if old.metadata.mtime != new.metadata.mtime {
            self.walked.files.times += 1;
        }
        if old.kind == NodeKind::File && new.kind == NodeKind::File {
            if self.same {
                return Ok(());
            }
            self.pairs.push(Pair { path: path.to_vec(), nodes: [old.clone(), new.clone()] });
            return Ok(());
        }
        let (before, after) = (self.state(0, path, old)?, self.state(1, path, new)?);
        self.changed(path, before, after);
        Ok(())
    }

    /// Notes what differs, if anything does.
    fn changed(&mut self, path: &[u8], old: FileState, new: FileState) {
        let content = old.sha256 != new.sha256 || old.damage.is_some() || new.damage.is_some();
        let times = self.strictness == Strictness::Bytes && old.mtime != new.mtime;
        let aspects = [
            (Aspect::Kind, old.kind != new.kind),
            (Aspect::Content, content && old.kind == new.kind),
            (Aspect::Target, old.target != new.target && old.kind == new.kind),
            (Aspect::Mode, old.mode != new.mode),
            (Aspect::Owner, (old.uid, old.gid) != (new.uid, new.gid)),
            (Aspect::Xattrs, old.xattrs != new.xattrs),
            (Aspect::Mtime, times),
        ];
        let differs: Vec<Aspect> =
            aspects.into_iter().filter(|(_, differs)| *differs).map(|(aspect, _)| aspect).collect();
        if !differs.is_empty() {
            let path = shown(path);
            self.walked.files.changed.push(FileChange { path, differs, old, new });
        }
    }

    /// Compares the contents of the files that both sides have.
    fn digest(&mut self) -> Result<(), CompareError> {
        let pairs = std::mem::take(&mut self.pairs);
        let nodes = |side: usize| pairs.iter().map(|pair| &pair.nodes[side]).collect::<Vec<_>>();
        let mut digests =
            [self.sides[0].usr.digests(&nodes(0)), self.sides[1].usr.digests(&nodes(1))];
        for Pair { path, nodes } in &pairs {
            let mut states = Vec::with_capacity(2);
            for (index, node) in nodes.iter().enumerate() {
                let mut state = self.state(index, path, node)?;
                let digest = digests[index].get(&node.nid);
                state.sha256 = digest.and_then(|digest| digest.as_ref().ok()).copied();
                if let Some(Err(error)) = digest {
                    state.damage = Some(error.to_string());
                    if self.strictness == Strictness::Release
                        && let Some(Err(error)) = digests[index].remove(&node.nid)
                    {
                        return Err(self.sides[index].usr.error(path)(error));
                    }
                }
                states.push(state);
            }
            if let (Some(new), Some(old)) = (states.pop(), states.pop()) {
                self.changed(path, old, new);
            }
        }
        Ok(())
    }

    fn entry(&self, side: usize, path: &[u8], node: &Node) -> Result<FileEntry, CompareError> {
        Ok(FileEntry { path: shown(path), state: self.state(side, path, node)? })
    }

    fn state(&self, side: usize, path: &[u8], node: &Node) -> Result<FileState, CompareError> {
        let usr = self.sides[side].usr;
        let xattrs = usr.image.xattrs(node).map_err(usr.error(path))?;
        let (kind, target) = match node.kind {
            NodeKind::File => ("file", None),
            NodeKind::Directory => ("directory", None),
            NodeKind::Symlink => {
                let target = usr.image.target(node).map_err(usr.error(path))?;
                ("link", Some(show(&target)))
            }
            NodeKind::CharDevice { major, minor } => {
                ("character-device", Some(format!("{major}:{minor}")))
            }
            NodeKind::BlockDevice { major, minor } => {
                ("block-device", Some(format!("{major}:{minor}")))
            }
            NodeKind::Fifo => ("pipe", None),
            NodeKind::Socket => ("socket", None),
        };
        let sized = matches!(node.kind, NodeKind::File | NodeKind::Symlink);
        Ok(FileState {
            kind,
            mode: format!("{:04o}", node.metadata.mode),
            uid: node.metadata.uid,
            gid: node.metadata.gid,
            size: if sized { node.size } else { 0 },
            sha256: None,
            target,
            xattrs: xattrs.iter().map(|(name, value)| (show(name), show(value))).collect(),
            mtime: node.metadata.mtime.seconds,
            damage: None,
        })
    }
}

/// Returns the absolute path of what lies below /usr.
fn shown(path: &[u8]) -> String {
    if path.is_empty() { "/usr".to_owned() } else { format!("/usr/{}", show(path)) }
}
