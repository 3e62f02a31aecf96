//! The last step: from a finished system to the /usr of an immutable one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use flagstone_tree::{Inode, InodeId, Kind, Metadata, Mtime, Tree, TreePath};

use crate::edit::{Edit, names, names_ending, text};
use crate::error::InStep;
use crate::{Note, RootfsError, sysusers};

const STEP: &str = "split";

/// Where the defaults of /etc are, below /usr; the machine lays its own /etc over them.
pub const ETC_DEFAULTS: &str = "share/flagstone/etc";

/// Where the image keeps the program Ignition, which its initrd runs.
pub const IGNITION_PROGRAM: &str = "usr/lib/flagstone/ignition";

/// What recreates the directories, links and empty files that packages have below /var.
const VAR_SNIPPET: &str = "usr/lib/tmpfiles.d/flagstone-var.conf";

/// A tree whose root is /usr.
#[derive(Clone, Debug)]
pub struct UsrTree(Tree);

impl UsrTree {
    /// Returns the tree.
    pub fn tree(&self) -> &Tree {
        &self.0
    }

    /// Returns the tree for good.
    pub fn into_tree(self) -> Tree {
        self.0
    }
}

/// The kernel of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, as `uname -r` says and as its modules' folder is called.
    pub version: String,
    /// The bootable image.
    pub image: Bytes,
}

/// A system, taken apart.
#[derive(Clone, Debug)]
pub struct Split {
    /// What the image holds.
    pub usr: UsrTree,
    /// The kernel that was in /boot.
    pub kernel: Option<Kernel>,
    /// The links that the machine's root needs: name and target (`bin` → `usr/bin`).
    pub root_links: BTreeMap<String, String>,
    /// Files and links outside /usr and /etc that the image does not carry.
    pub dropped: Vec<TreePath>,
    /// What a person may want to know.
    pub notes: Vec<Note>,
}

/// Splits a finished tree: /usr stays, /etc becomes its defaults, the kernel is taken out, the rest
/// is dropped.
///
/// - `/etc` moves to [`ETC_DEFAULTS`].
/// - Directories, links and empty files below `/var` come back at boot by a snippet of tmpfiles.d,
///   unless a package's own snippet makes them. Files with content there are dropped and listed:
///   state does not belong to an image.
/// - `/usr/local` stays as an empty directory: it is the administrator's, who may mount over it.
/// - The kernel's configuration moves beside its modules, where tools look for it too.
/// - What makers of an initrd take (`usr/lib/dracut`) is dropped: the image makes none. Only the program Ignition
///   stays, as [`IGNITION_PROGRAM`], where the initrd runs it from.
/// - No time is later than `date`, and /usr itself has exactly `date`: systemd takes a new time of
///   /usr as the sign of an update (`ConditionNeedsUpdate=`).
///
/// # Errors
/// [`RootfsError::SeveralKernels`], or [`RootfsError::Tree`] if there is no /usr.
pub fn split(mut tree: Tree, date: Mtime) -> Result<Split, RootfsError> {
    let mut notes = Vec::new();
    let root_links = root_links(&tree);
    let kernel = take_kernel(&mut tree, &mut notes)?;
    write_var_snippet(&mut tree, date)?;
    move_etc(&mut tree, date)?;
    let dropped = dropped(&tree, &root_links);
    keep_ignition(&mut tree, date)?;
    tree.remove("usr/lib/dracut").in_step(STEP)?;
    empty_usr_local(&mut tree, date)?;
    let mut usr = tree.subtree("usr").in_step(STEP)?;
    normalise_times(&mut usr, date);
    Ok(Split { usr: UsrTree(usr), kernel, root_links, dropped, notes })
}

fn keep_ignition(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    const PACKAGED: &str = "usr/lib/dracut/modules.d/30ignition/ignition";
    if !tree.exists(PACKAGED) {
        return Ok(());
    }
    let (_, id) = tree.resolve(PACKAGED).in_step(STEP)?;
    let program = tree.inode(id).clone();
    tree.put(IGNITION_PROGRAM, Metadata::root(0o755, date), program).in_step(STEP).map(|_| ())
}

fn root_links(tree: &Tree) -> BTreeMap<String, String> {
    let children = tree.inode(tree.root()).children().into_iter().flatten();
    let links = children.filter_map(|(name, &id)| match &tree.inode(id).kind {
        Kind::Symlink(target) => {
            let target = target.strip_prefix(b"/").unwrap_or(target);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            target.starts_with(b"usr/").then(|| Some((text(name.as_bytes())?, text(target)?)))?
        }
        _ => None,
    });
    links.collect()
}

fn take_kernel(tree: &mut Tree, notes: &mut Vec<Note>) -> Result<Option<Kernel>, RootfsError> {
    let found = names(tree, "boot");
    let versions = found.iter().filter_map(|name| name.strip_prefix("vmlinuz-"));
    let versions: Vec<String> = versions.map(str::to_owned).collect();
    let version = match versions.as_slice() {
        [] => return Ok(None),
        [version] => version.clone(),
        _ => return Err(RootfsError::SeveralKernels(versions)),
    };
    let image = tree.read(format!("boot/vmlinuz-{version}")).in_step(STEP)?;
    let modules = format!("usr/lib/modules/{version}");
    if tree.exists(&modules) {
        let (config, beside) = (format!("boot/config-{version}"), format!("{modules}/config"));
        if tree.exists(&config) && !tree.exists(&beside) {
            tree.rename(config, beside).in_step(STEP)?;
        }
    } else {
        notes.push(Note::new(STEP, format!("the kernel {version} comes without modules")));
    }
    for file in ["vmlinuz", "config", "System.map"] {
        tree.remove(format!("boot/{file}-{version}")).in_step(STEP)?;
    }
    Ok(Some(Kernel { version, image }))
}

/// Writes a snippet for what packages and scripts have below /var and no other snippet makes.
fn write_var_snippet(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    let known = tmpfiles_paths(tree)?;
    let lines: String = tree
        .walk()
        .filter(|entry| !known.contains(&format!("/{}", entry.path)))
        .filter_map(|entry| var_line(&entry.path, entry.inode))
        .collect();
    if !lines.is_empty() {
        let head =
            "# Made by Flagstone: what packages have below /var besides files with content.\n";
        Edit::new(tree, date, STEP).file(VAR_SNIPPET, 0o644, format!("{head}{lines}"))?;
    }
    Ok(())
}

/// Returns the line of tmpfiles.d(5) that makes a directory, a link or an empty file below /var anew.
fn var_line(path: &TreePath, inode: &Inode) -> Option<String> {
    if !path.as_bytes().starts_with(b"var/") {
        return None;
    }
    // "%" starts a specifier, and blanks separate.
    let path = path.to_string().replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"");
    let Metadata { mode, uid, gid, .. } = inode.metadata;
    match &inode.kind {
        Kind::Directory(_) => Some(format!("d \"/{path}\" {mode:04o} {uid} {gid} -\n")),
        Kind::File(content) if content.is_empty() => {
            Some(format!("f \"/{path}\" {mode:04o} {uid} {gid} -\n"))
        }
        Kind::Symlink(target) => {
            let target = std::str::from_utf8(target).ok()?.replace('%', "%%");
            let plain = !target.contains(|c: char| c.is_control() || c.is_whitespace());
            plain.then(|| format!("L \"/{path}\" - - - - {target}\n"))
        }
        _ => None,
    }
}

/// Returns the paths that snippets of tmpfiles.d are about.
fn tmpfiles_paths(tree: &Tree) -> Result<BTreeSet<String>, RootfsError> {
    let mut paths = BTreeSet::new();
    for dir in ["etc/tmpfiles.d", "usr/lib/tmpfiles.d"] {
        for name in names_ending(tree, dir, ".conf") {
            let text = text(tree, &format!("{dir}/{name}"), STEP)?.unwrap_or_default();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            // Lines that cannot be read are systemd's to complain about.
            let fields = lines.filter_map(|line| sysusers::fields(line).ok());
            paths.extend(fields.filter_map(|fields| fields.into_iter().nth(1)));
        }
    }
    Ok(paths)
}

fn move_etc(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    let root = Metadata::root(0o755, date);
    tree.create_dirs("usr/share/flagstone", root).in_step(STEP)?;
    tree.create_dirs("etc", root).in_step(STEP)?;
    let defaults = format!("usr/{ETC_DEFAULTS}");
    tree.remove(&defaults).in_step(STEP)?;
    tree.rename("etc", defaults).in_step(STEP)
}

fn empty_usr_local(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    tree.remove("usr/local").in_step(STEP)?;
    tree.create_dirs("usr/local", Metadata::root(0o755, date)).in_step(STEP).map(drop)
}

/// Lists what is left behind, directories aside.
fn dropped(tree: &Tree, root_links: &BTreeMap<String, String>) -> Vec<TreePath> {
    let stays = |path: &[u8]| {
        path.starts_with(b"usr/") && !path.starts_with(b"usr/local/")
            || root_links.keys().any(|name| name.as_bytes() == path)
    };
    tree.walk()
        .filter(|entry| entry.inode.children().is_none() && !stays(entry.path.as_bytes()))
        .filter(|entry| var_line(&entry.path, entry.inode).is_none())
        .map(|entry| entry.path)
        .collect()
}

fn normalise_times(usr: &mut Tree, date: Mtime) {
    let ids: BTreeSet<InodeId> = usr.walk().map(|entry| entry.id).collect();
    for id in ids {
        let mtime = &mut usr.inode_mut(id).metadata.mtime;
        *mtime = Mtime::from_seconds(mtime.seconds).min(date);
    }
    let root = usr.root();
    usr.inode_mut(root).metadata.mtime = date;
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Mtime = Mtime::from_seconds(1_000);
    const META: Metadata = Metadata::root(0o755, Mtime { seconds: 500, nanoseconds: 7 });

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::new(META);
        for path in paths {
            let inode = if path.ends_with('/') {
                Inode::directory(Metadata { mode: 0o1770, gid: 8, ..META })
            } else {
                Inode::file(META, path.to_string())
            };
            tree.put(path.trim_end_matches('/'), META, inode).unwrap();
        }
        for (name, target) in [("bin", "usr/bin"), ("lib64", "/usr/lib64"), ("vmlinuz", "boot/x")] {
            tree.insert(name, Inode::symlink(Mtime::default(), target)).unwrap();
        }
        tree
    }

    #[test]
    fn the_parts_go_where_they_belong() {
        let split = split(
            tree(&[
                "usr/bin/sh",
                "usr/lib/modules/6.1/kernel/x.ko",
                "usr/lib/tmpfiles.d/a.conf",
                "usr/lib/dracut/modules.d/30ignition/ignition",
                "usr/lib/dracut/modules.d/30ignition/generator",
                "usr/local/bin/x",
                "etc/passwd",
                "boot/vmlinuz-6.1",
                "boot/config-6.1",
                "boot/System.map-6.1",
                "var/lib/state/file",
                "root/.bashrc",
                "tmp/",
            ]),
            DATE,
        )
        .unwrap();
        let usr = split.usr.tree();
        assert_eq!(&usr.read("share/flagstone/etc/passwd").unwrap()[..], b"etc/passwd");
        assert_eq!(&usr.read("lib/modules/6.1/config").unwrap()[..], b"boot/config-6.1");
        assert!(usr.exists("local") && !usr.exists("local/bin"));
        assert!(usr.exists("lib/flagstone/ignition") && !usr.exists("lib/dracut"));
        let kernel = split.kernel.unwrap();
        assert_eq!((kernel.version.as_str(), &kernel.image[..]), ("6.1", &b"boot/vmlinuz-6.1"[..]));
        let dropped: Vec<String> = split.dropped.iter().map(ToString::to_string).collect();
        assert_eq!(dropped, ["root/.bashrc", "usr/local/bin/x", "var/lib/state/file", "vmlinuz"]);
        let links: Vec<_> = split.root_links.into_iter().collect();
        let expected = [("bin", "usr/bin"), ("lib64", "usr/lib64")];
        assert_eq!(links, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(split.notes, []);
    }

    #[test]
    fn directories_of_var_come_back_once() {
        let mut tree = tree(&["usr/bin/x", "var/mail/", "var/lib/a/", "var/lib/b c/"]);
        let conf = "# /var/mail\nd /var/lib/a 0755 - - -\nq /var 0755 - - -\nd /var/lib - -\n";
        tree.put("usr/lib/tmpfiles.d/x.conf", META, Inode::file(META, conf)).unwrap();
        let split = split(tree, DATE).unwrap();
        let snippet = split.usr.tree().read_text("lib/tmpfiles.d/flagstone-var.conf").unwrap();
        let lines: Vec<&str> = snippet.lines().skip(1).collect();
        assert_eq!(lines, ["d \"/var/lib/b c\" 1770 0 8 -", "d \"/var/mail\" 1770 0 8 -"]);
    }

    #[test]
    fn no_time_is_later_than_the_build_and_usr_has_its_date() {
        let mut tree = tree(&["usr/bin/x"]);
        let late = Metadata { mtime: Mtime::from_seconds(2_000), ..META };
        tree.put("usr/late", META, Inode::file(late, "")).unwrap();
        let usr = split(tree, DATE).unwrap().usr.into_tree();
        assert_eq!(usr.inode(usr.root()).metadata.mtime, DATE);
        for entry in usr.walk() {
            let mtime = entry.inode.metadata.mtime;
            assert!(mtime <= DATE && mtime.nanoseconds == 0, "{}", entry.path);
        }
        let (_, x) = usr.resolve("bin/x").unwrap();
        assert_eq!(usr.inode(x).metadata.mtime, Mtime::from_seconds(500));
    }

    #[test]
    fn two_kernels_are_too_many_and_none_is_fine() {
        let error = split(tree(&["boot/vmlinuz-1", "boot/vmlinuz-2", "usr/x"]), DATE).unwrap_err();
        assert_eq!(error.to_string(), "there are several kernels: 1, 2");
        assert!(split(tree(&["usr/x"]), DATE).unwrap().kernel.is_none());
        let odd = split(tree(&["boot/vmlinuz-1", "usr/x"]), DATE).unwrap();
        assert_eq!(odd.notes.len(), 1);
        assert!(split(tree(&["etc/x"]), DATE).is_ok());
    }
}
