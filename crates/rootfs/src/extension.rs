//! What one system has that another has not, as an extension that is laid over the other's /usr.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use flagstone_tree::{Inode, Kind, Metadata, Mtime, Tree, TreePath};

use crate::error::InStep;
use crate::split::ETC_DEFAULTS;
use crate::{Note, RootfsError};

const STEP: &str = "extension";

/// Where an extension says for whom it is, below /usr (os-release(5)).
const RELEASES: &str = "lib/extension-release.d/extension-release";

/// Lets systemd take an extension whose file was renamed.
const NOT_STRICT: (&[u8], &[u8]) = (b"user.extension-release.strict", b"false");

/// What belongs to the base alone, below /usr: its name, its package database, its own lists and settings, and
/// what says which units are enabled.
const OF_THE_BASE: [&str; 5] =
    ["lib/os-release", "lib/dpkg", "lib/flagstone", "lib/systemd/system-preset", "share/flagstone"];

/// Folders of settings that are read file by file, below /usr. Where a file of the base has more lines in the
/// larger system, an extension has those in a file of its own.
const BY_LINES: [&str; 6] = [
    "lib/binfmt.d/",
    "lib/modprobe.d/",
    "lib/modules-load.d/",
    "lib/sysctl.d/",
    "lib/sysusers.d/",
    "lib/tmpfiles.d/",
];

/// Files of /etc that are made from others, or that the machine makes: users and groups come by sysusers.d.
const MADE_IN_ETC: [&str; 12] = [
    "group",
    "gshadow",
    "init.d",
    "issue",
    "issue.net",
    "ld.so.cache",
    "machine-id",
    "passwd",
    "shadow",
    "shells",
    "subgid",
    "subuid",
];

/// Two systems, split, and what the extension is called.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionInput<'a> {
    /// /usr of the machine that is extended.
    pub base: &'a Tree,
    /// /usr of the same machine with what the extension brings.
    pub full: &'a Tree,
    /// The extension's id, by which its files do not meet those of others.
    pub id: &'a str,
    /// The name of its file, without `.sysext.raw`: what systemd calls it.
    pub file_name: &'a str,
    /// What it says about itself and whom it is for (os-release(5), extension-release).
    pub release: &'a str,
    /// The time of what is made here.
    pub date: Mtime,
}

/// A system extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its tree: a root with `usr` inside.
    pub tree: Tree,
    /// Files of the base that it covers with its own, below /usr: mostly indices.
    pub replaced: Vec<TreePath>,
    /// What a person may want to know.
    pub notes: Vec<Note>,
}

/// Makes an extension of what is in `full` and not, or not so, in `base`.
///
/// - What is below /usr goes as it is. What the base has differently is replaced, which is right for indices
///   over everything (`modules.dep`, `hwdb.bin`), since both systems were made by the same recipe but for what
///   the extension adds; [`Extension::replaced`] lists it.
/// - Lines that the larger system has more in snippets of sysusers.d, tmpfiles.d, sysctl.d and the like are put into
///   snippets of the extension, so that several extensions do not replace each other's.
/// - Defaults of /etc cannot come with an extension: /etc is laid together before extensions are. Enabled units
///   become links below `/usr/lib/systemd`; other links, directories and files are made by tmpfiles.d where the
///   machine has none. What differs from the base's is left out and noted.
/// - What is missing in `full` stays on the machine: extensions only add.
///
/// # Errors
/// [`RootfsError::NothingToExtend`] if the systems do not differ; [`RootfsError::Tree`].
pub fn extension(input: &ExtensionInput<'_>) -> Result<Extension, RootfsError> {
    let folder = Metadata::root(0o755, input.date);
    let mut making = Making {
        input,
        tree: Tree::new(folder),
        tmpfiles: String::new(),
        replaced: Vec::new(),
        notes: Vec::new(),
        something: false,
    };
    for entry in input.full.walk().filter(|entry| !entry.path.is_root()) {
        let path = entry.path.to_string();
        if let Some(in_etc) = below(&path, ETC_DEFAULTS) {
            making.default(in_etc, &entry.path, entry.inode)?;
        } else if !OF_THE_BASE.iter().any(|own| path == *own || below(&path, own).is_some()) {
            making.file(&path, &entry.path, entry.inode)?;
        }
    }
    if !making.something {
        return Err(RootfsError::NothingToExtend);
    }
    making.finish()
}

struct Making<'a> {
    input: &'a ExtensionInput<'a>,
    tree: Tree,
    tmpfiles: String,
    replaced: Vec<TreePath>,
    notes: Vec<Note>,
    /// Whether the extension has anything yet.
    something: bool,
}

impl Making<'_> {
    /// Takes a file of /usr, if it is new or another.
    fn file(&mut self, text: &str, path: &TreePath, inode: &Inode) -> Result<(), RootfsError> {
        let old = self.input.base.lookup(path).map(|id| self.input.base.inode(id));
        if old.is_some_and(|old| same(old, inode)) {
            return Ok(());
        }
        if let Some(old) = old
            && BY_LINES.iter().any(|folder| text.starts_with(folder))
            && let Some(lines) = added_lines(old, inode)
        {
            return self.snippet(text, &lines);
        }
        if old.is_some() && inode.children().is_none() {
            self.replaced.push(path.clone());
        }
        self.put(&format!("usr/{text}"), Some(path), inode.clone())
    }

    /// Puts lines into a snippet beside the one that has them in the larger system.
    fn snippet(&mut self, path: &str, lines: &str) -> Result<(), RootfsError> {
        if lines.is_empty() {
            return Ok(());
        }
        let stem = path.strip_suffix(".conf").unwrap_or(path);
        let path = format!("usr/{stem}-{}.conf", self.input.id);
        let file = Inode::file(Metadata::root(0o644, self.input.date), lines.to_owned());
        self.put(&path, None, file)
    }

    /// Takes a default of /etc, if it is new.
    fn default(&mut self, path: &str, at: &TreePath, inode: &Inode) -> Result<(), RootfsError> {
        if MADE_IN_ETC.iter().any(|made| path == *made || below(path, made).is_some()) {
            return Ok(());
        }
        let old = self.input.base.lookup(at).map(|id| self.input.base.inode(id));
        if let Some(old) = old {
            if !same(old, inode) {
                let text = format!("/etc/{path} is not carried: the base has its own");
                self.notes.push(Note::new(STEP, text));
            }
            return Ok(());
        }
        if path.starts_with("systemd/") && !matches!(inode.kind, Kind::Directory(_)) {
            return self.put(&format!("usr/lib/{path}"), None, inode.clone());
        }
        if path.starts_with("systemd/") {
            return Ok(());
        }
        let Metadata { mode, uid, gid, .. } = inode.metadata;
        let quoted = quoted(path);
        let line = match &inode.kind {
            Kind::Directory(_) => format!("d \"/etc/{quoted}\" {mode:04o} {uid} {gid} -\n"),
            Kind::Symlink(target) => {
                let target = String::from_utf8_lossy(target).replace('%', "%%");
                format!("L \"/etc/{quoted}\" - - - - {target}\n")
            }
            _ => {
                let kept = format!("usr/share/flagstone/extensions/{}/etc/{path}", self.input.id);
                let line = format!("C \"/etc/{quoted}\" {mode:04o} {uid} {gid} - /{kept}\n");
                self.put(&kept, None, inode.clone())?;
                line
            }
        };
        self.tmpfiles.push_str(&line);
        self.something = true;
        Ok(())
    }

    /// Puts an inode, its parents as they are in the larger system: what lies on top gives a folder its owner.
    fn put(&mut self, path: &str, of: Option<&TreePath>, inode: Inode) -> Result<(), RootfsError> {
        let folder = Metadata::root(0o755, self.input.date);
        let names: Vec<&[u8]> = of.map(|path| path.names().collect()).unwrap_or_default();
        for count in 1..names.len() {
            let parent = TreePath::new(names[..count].join(&b'/')).in_step(STEP)?;
            let own = TreePath::new(format!("usr/{parent}")).in_step(STEP)?;
            if self.tree.lookup(&own).is_none()
                && let Some(id) = self.input.full.lookup(&parent)
            {
                let directory = emptied(self.input.full.inode(id));
                self.tree.put(&own, folder, directory).in_step(STEP)?;
            }
        }
        self.something = true;
        let inode = if inode.children().is_some() { emptied(&inode) } else { inode };
        self.tree.put(path, folder, inode).in_step(STEP).map(drop)
    }

    fn finish(mut self) -> Result<Extension, RootfsError> {
        let ExtensionInput { id, file_name, release, date, .. } = *self.input;
        let plain = Metadata::root(0o644, date);
        if !self.tmpfiles.is_empty() {
            let path = format!("usr/lib/tmpfiles.d/flagstone-extension-{id}.conf");
            let mut text = String::new();
            let _ = write!(text, "# Made by Flagstone: what {id} has in /etc.\n{}", self.tmpfiles);
            self.put(&path, None, Inode::file(plain, text))?;
        }
        let mut file = Inode::file(plain, release.to_owned());
        file.xattrs.insert(NOT_STRICT.0.into(), NOT_STRICT.1.into());
        self.put(&format!("usr/{RELEASES}.{file_name}"), None, file)?;
        Ok(Extension { tree: self.tree, replaced: self.replaced, notes: self.notes })
    }
}

/// Returns what follows a folder's name in a path.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Tells whether two inodes are the same but for their times, and directories but for what is in them.
fn same(a: &Inode, b: &Inode) -> bool {
    let owner = |inode: &Inode| {
        let Metadata { mode, uid, gid, .. } = inode.metadata;
        (mode, uid, gid)
    };
    let kinds = match (&a.kind, &b.kind) {
        (Kind::Directory(_), Kind::Directory(_)) => true,
        (a, b) => a == b,
    };
    kinds && owner(a) == owner(b) && a.xattrs == b.xattrs
}

/// Returns a directory without what is in it.
fn emptied(inode: &Inode) -> Inode {
    let mut directory = Inode::directory(inode.metadata);
    directory.xattrs.clone_from(&inode.xattrs);
    directory
}

/// Returns the lines of a text that an older one has not, `None` if one of the two is no text.
fn added_lines(old: &Inode, new: &Inode) -> Option<String> {
    let text = |inode: &Inode| String::from_utf8(inode.content()?.to_bytes().ok()?.to_vec()).ok();
    let (old, new) = (text(old)?, text(new)?);
    let known: BTreeSet<&str> = old.lines().map(str::trim_end).collect();
    Some(new.split_inclusive('\n').filter(|line| !known.contains(line.trim_end())).collect())
}

/// Writes a path as tmpfiles.d(5) reads it between quotes.
fn quoted(path: &str) -> String {
    path.replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Mtime = Mtime::from_seconds(1_000);
    const RELEASE: &str = "ID=flagstone\nSYSEXT_LEVEL=base_1\n";

    fn tree(files: &[(&str, &str)]) -> Tree {
        let folder = Metadata::root(0o755, DATE);
        let mut tree = Tree::new(folder);
        for (path, content) in files {
            let inode = match content.strip_prefix("-> ") {
                Some(target) => Inode::symlink(DATE, target.to_owned()),
                None => Inode::file(Metadata::root(0o644, DATE), (*content).to_owned()),
            };
            tree.put(path, folder, inode).unwrap();
        }
        tree
    }

    fn made(base: &Tree, full: &Tree) -> Result<Extension, RootfsError> {
        extension(&ExtensionInput {
            base,
            full,
            id: "docker",
            file_name: "base_1_x86-64.docker",
            release: RELEASE,
            date: DATE,
        })
    }

    fn files(tree: &Tree) -> Vec<String> {
        let files = tree.walk().filter(|entry| entry.inode.children().is_none());
        files.map(|entry| entry.path.to_string()).collect()
    }

    const BASE: [(&str, &str); 7] = [
        ("bin/sh", "shell"),
        ("lib/modules/6/modules.dep", "few"),
        ("lib/os-release", "base"),
        ("lib/sysusers.d/flagstone.conf", "u a 1\n"),
        ("share/flagstone/etc/group", "a:x:1:\n"),
        ("share/flagstone/etc/services", "one\n"),
        (
            "share/flagstone/etc/systemd/system/a.wants/a.service",
            "-> /usr/lib/systemd/system/a.service",
        ),
    ];

    #[test]
    fn only_what_is_new_or_another_is_in_it() {
        let mut all = BASE.to_vec();
        all[1].1 = "many";
        all[2].1 = "docker";
        all[3].1 = "u a 1\ng docker 2\n";
        all[4].1 = "a:x:1:\ndocker:x:2:\n";
        all[5].1 = "two\n";
        all.extend([
            ("sbin/dockerd", "daemon"),
            ("share/doc/docker/copyright", "free"),
            ("share/flagstone/etc/default/docker", "OPTIONS=\n"),
            ("share/flagstone/etc/alternatives/x", "-> /usr/bin/y"),
            ("share/flagstone/etc/init.d/docker", "#!/bin/sh\n"),
            (
                "share/flagstone/etc/systemd/system/multi-user.target.wants/docker.service",
                "-> /usr/lib/systemd/system/docker.service",
            ),
        ]);
        let mut full = tree(&all);
        let (_, id) = full.resolve("sbin").unwrap();
        full.inode_mut(id).metadata.mode = 0o711;
        let made = made(&tree(&BASE), &full).unwrap();
        assert_eq!(
            files(&made.tree),
            [
                "usr/lib/extension-release.d/extension-release.base_1_x86-64.docker",
                "usr/lib/modules/6/modules.dep",
                "usr/lib/systemd/system/multi-user.target.wants/docker.service",
                "usr/lib/sysusers.d/flagstone-docker.conf",
                "usr/lib/tmpfiles.d/flagstone-extension-docker.conf",
                "usr/sbin/dockerd",
                "usr/share/doc/docker/copyright",
                "usr/share/flagstone/extensions/docker/etc/default/docker",
            ]
        );
        let text = |path: &str| made.tree.read_text(path).unwrap();
        assert_eq!(text("usr/lib/sysusers.d/flagstone-docker.conf"), "g docker 2\n");
        let kept = "/usr/share/flagstone/extensions/docker/etc/default/docker";
        assert_eq!(
            text("usr/lib/tmpfiles.d/flagstone-extension-docker.conf")
                .lines()
                .skip(1)
                .collect::<Vec<_>>(),
            [
                "d \"/etc/alternatives\" 0755 0 0 -",
                "L \"/etc/alternatives/x\" - - - - /usr/bin/y",
                "d \"/etc/default\" 0755 0 0 -",
                &format!("C \"/etc/default/docker\" 0644 0 0 - {kept}"),
            ]
        );
        let (_, id) = made.tree.resolve("usr/sbin").unwrap();
        assert_eq!(made.tree.inode(id).metadata.mode, 0o711);
        assert_eq!(
            made.replaced.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["lib/modules/6/modules.dep"]
        );
        let notes: Vec<String> = made.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, ["extension: /etc/services is not carried: the base has its own"]);
    }

    #[test]
    fn its_file_may_be_renamed() {
        let mut all = BASE.to_vec();
        all.push(("bin/x", "x"));
        let made = made(&tree(&BASE), &tree(&all)).unwrap();
        let path = "usr/lib/extension-release.d/extension-release.base_1_x86-64.docker";
        assert_eq!(made.tree.read_text(path).unwrap(), RELEASE);
        let (_, id) = made.tree.resolve(path).unwrap();
        let value = made.tree.inode(id).xattrs.values().next().unwrap();
        assert_eq!(&value[..], b"false");
    }

    #[test]
    fn the_same_system_gives_no_extension() {
        let mut other = BASE.to_vec();
        other[2].1 = "docker";
        let error = made(&tree(&BASE), &tree(&other)).unwrap_err();
        assert!(matches!(error, RootfsError::NothingToExtend), "{error}");
    }
}
