//! The recipe's own files, directories, links and settings.

use std::collections::BTreeMap;

use bytes::Bytes;
use flagstone_tree::{Inode, Kind, Metadata, Mtime, Tree, TreeError, TreePath};

use crate::RootfsError;
use crate::accounts::Accounts;
use crate::edit::{Edit, merged};
use crate::sysusers::fields;

const STEP: &str = "own files";

/// A file, directory or link of the recipe.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Its absolute path, below /usr or /etc.
    pub path: String,
    /// The owning user by name.
    pub owner: String,
    /// The owning group by name.
    pub group: String,
    /// Permissions; 0644 for files and 0755 for directories without them. Links have none.
    pub mode: Option<u16>,
    /// What it is.
    pub kind: OwnKind,
}

/// What a file of the recipe is.
#[derive(Clone, Debug)]
pub enum OwnKind {
    /// A regular file and its content.
    File(Bytes),
    /// A directory; what packages put into it stays.
    Directory,
    /// A symbolic link and its target.
    Symlink(String),
}

/// Puts the recipe's files into the tree, in place of packages' files, but with root as owner.
///
/// It runs before all other finishers, so that these see the recipe's units, presets, certificates
/// and account files, and leave alone what the recipe already decides. Owners follow by
/// [`assign_owners`], once there are users.
pub(crate) fn place(tree: &mut Tree, files: &[OwnFile], date: Mtime) -> Result<(), RootfsError> {
    for file in files {
        let path = image_path(&file.path)?;
        let fail = |source| RootfsError::OwnFile { path: file.path.clone(), source };
        let inode = match &file.kind {
            OwnKind::File(content) => Inode::file(
                Metadata::root(file.mode.unwrap_or(0o644) & 0o7777, date),
                content.clone(),
            ),
            OwnKind::Directory => {
                Inode::directory(Metadata::root(file.mode.unwrap_or(0o755) & 0o7777, date))
            }
            OwnKind::Symlink(target) => Inode::symlink(date, target.clone().into_bytes()),
        };
        check_kind(tree, &path, &inode).map_err(fail)?;
        Edit::new(tree, date, STEP).put(&path, inode).map_err(fail)?;
    }
    Ok(())
}

/// Gives the recipe's files their owners.
pub(crate) fn assign_owners(
    tree: &mut Tree,
    files: &[OwnFile],
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    for file in files {
        let uid = accounts.uid(&file.owner, &file.path)?;
        let gid = accounts.gid(&file.group, &file.path)?;
        let path = TreePath::new(image_path(&file.path)?);
        if let Some(id) = path.ok().and_then(|path| tree.lookup(&path)) {
            let metadata = &mut tree.inode_mut(id).metadata;
            (metadata.uid, metadata.gid) = (uid, gid);
        }
    }
    Ok(())
}

/// Writes the recipe's kernel parameters (`sysctl.d(5)`) and lines of `tmpfiles.d(5)`.
pub(crate) fn settings(
    tree: &mut Tree,
    sysctl: &BTreeMap<String, String>,
    tmpfiles: &[String],
    date: Mtime,
) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, STEP);
    if !sysctl.is_empty() {
        let path = "usr/lib/sysctl.d/60-flagstone.conf";
        let lines: Vec<String> =
            sysctl.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        edit.file(path, 0o644, joined(path, &lines)?)?;
    }
    if !tmpfiles.is_empty() {
        let path = "usr/lib/tmpfiles.d/flagstone-recipe.conf";
        edit.file(path, 0o644, joined(path, tmpfiles)?)?;
    }
    Ok(())
}

/// Checks that the image has the accounts that lines of tmpfiles.d(5) name: at boot, a line whose
/// owner is missing is not carried out.
pub(crate) fn check_accounts(tmpfiles: &[String], accounts: &Accounts) -> Result<(), RootfsError> {
    for line in tmpfiles {
        // What cannot be taken apart is systemd's to complain about.
        let fields = fields(line).unwrap_or_default();
        // A colon has the owner set only where the path is new.
        let name = |index: usize| {
            let name = fields.get(index)?.trim_start_matches(':');
            let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            named.then_some(name)
        };
        let wanted_by = || format!("the line {line:?} of tmpfiles.d");
        if let Some(user) = name(3) {
            accounts.uid(user, &wanted_by())?;
        }
        if let Some(group) = name(4) {
            accounts.gid(group, &wanted_by())?;
        }
    }
    Ok(())
}

fn joined(path: &str, lines: &[String]) -> Result<String, RootfsError> {
    if let Some(bad) = lines.iter().position(|line| line.contains(['\n', '\0'])) {
        let reason = "the recipe's value holds a line break".to_owned();
        return Err(RootfsError::Syntax { path: path.to_owned(), line: bad + 1, reason });
    }
    Ok(lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect())
}

/// Turns a recipe's absolute path into the tree's; only /usr and /etc reach the machine.
fn image_path(path: &str) -> Result<String, RootfsError> {
    let inside = merged(path.strip_prefix('/').unwrap_or(path));
    if inside.starts_with("usr/") || inside.starts_with("etc/") {
        return Ok(inside);
    }
    Err(RootfsError::OutsideImage(path.to_owned()))
}

/// Refuses a file in place of a directory and the other way round: too much would vanish.
fn check_kind(tree: &Tree, path: &str, new: &Inode) -> Result<(), TreeError> {
    let path = TreePath::new(path)?;
    let Some(id) = tree.lookup(&path) else { return Ok(()) };
    let is_dir = |inode: &Inode| matches!(inode.kind, Kind::Directory(_));
    if is_dir(tree.inode(id)) == is_dir(new) { Ok(()) } else { Err(TreeError::Exists(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Mtime = Mtime::from_seconds(9);
    const META: Metadata = Metadata::root(0o755, DATE);

    fn own(path: &str, kind: OwnKind) -> OwnFile {
        OwnFile { path: path.into(), owner: "root".into(), group: "adm".into(), mode: None, kind }
    }

    #[test]
    fn files_replace_packages_files_and_get_owners_by_name() {
        let mut tree = Tree::new(META);
        tree.put("etc/motd", META, Inode::file(META, "theirs")).unwrap();
        let files = [
            own("/etc/motd", OwnKind::File(Bytes::from_static(b"ours"))),
            own("/etc/opt.d", OwnKind::Directory),
            own("/bin/tool", OwnKind::Symlink("../x".into())),
        ];
        place(&mut tree, &files, DATE).unwrap();
        let accounts = Accounts::parse(("p", "root:*:0:0:::\n"), ("g", "adm:*:4:\n")).unwrap();
        assign_owners(&mut tree, &files, &accounts).unwrap();
        let (_, id) = tree.resolve("etc/motd").unwrap();
        assert_eq!(tree.inode(id).metadata, Metadata { gid: 4, ..Metadata::root(0o644, DATE) });
        assert!(tree.exists("etc/opt.d") && tree.exists("usr/bin/tool"));
        let nobody = OwnFile { owner: "nobody".into(), ..files[0].clone() };
        let error = assign_owners(&mut tree, &[nobody], &accounts).unwrap_err();
        assert_eq!(error.to_string(), "/etc/motd needs the user \"nobody\", which does not exist");
    }

    #[test]
    fn what_cannot_reach_the_machine_is_refused() {
        let mut tree = Tree::new(META);
        tree.create_dirs("etc/dir", META).unwrap();
        let file = || OwnKind::File(Bytes::new());
        for (path, expected) in [
            ("/var/lib/x", "the recipe's file \"/var/lib/x\" is neither below /usr nor below /etc"),
            ("/etc/dir", "the recipe's file \"/etc/dir\" cannot be placed"),
            ("/etc/../x", "the recipe's file \"/etc/../x\" cannot be placed"),
            ("/usr", "the recipe's file \"/usr\" is neither below /usr nor below /etc"),
        ] {
            let error = place(&mut tree, &[own(path, file())], DATE).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn settings_are_lines_of_their_own() {
        let mut tree = Tree::new(META);
        let sysctl = BTreeMap::from([("vm.swappiness".to_owned(), "10".to_owned())]);
        settings(&mut tree, &sysctl, &["d /srv/x 0755 - - -".into()], DATE).unwrap();
        let text = tree.read_text("usr/lib/sysctl.d/60-flagstone.conf").unwrap();
        assert_eq!(text, "vm.swappiness = 10\n");
        assert!(settings(&mut tree, &sysctl, &["a\nb".into()], DATE).is_err());
    }

    #[test]
    fn lines_of_tmpfiles_d_name_accounts_that_exist() {
        let accounts = Accounts::parse(("p", "root:*:0:0:::\n"), ("g", "adm:*:4:\n")).unwrap();
        let check = |line: &str| check_accounts(&[line.to_owned()], &accounts);
        for good in ["d /srv", "d /srv 0755 root adm", "d /srv - - -", "d /srv - 5 :adm - x"] {
            check(good).unwrap();
        }
        let error = check("d /srv 0755 root www").unwrap_err();
        let expected = "the line \"d /srv 0755 root www\" of tmpfiles.d needs the group \"www\", \
                        which does not exist";
        assert_eq!(error.to_string(), expected);
    }
}
