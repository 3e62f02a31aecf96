//! Directories, files, links, owners and modes that packages' scripts declare.

use std::collections::BTreeSet;

use flagstone_scripts::Declaration;
use flagstone_tree::{Inode, InodeId, Kind, Metadata, Mtime, Tree, TreeError};

use crate::accounts::Accounts;
use crate::edit::{Edit, merged, tree_path};
use crate::error::InStep;
use crate::{Note, RootfsError};

const STEP: &str = "declared files";

/// Makes what scripts state in plain words, in the order in which packages and scripts state it.
///
/// Whatever is there stays: another finisher's file, a package's, the recipe's. An owner whose account
/// does not exist is noted and left out.
pub(crate) fn make(
    tree: &mut Tree,
    declarations: &[(String, Declaration)],
    accounts: &Accounts,
    date: Mtime,
    notes: &mut Vec<Note>,
) -> Result<(), RootfsError> {
    // Files whose first text was written here; more may follow.
    let mut begun = BTreeSet::new();
    for (package, declaration) in declarations {
        match declaration {
            Declaration::Text { path, text, append } => {
                write_text(tree, path, text, *append, &mut begun, date)?;
            }
            Declaration::Directory { path } => directory(tree, path, date)?,
            Declaration::Copy { from, to } => {
                let from = from.trim_start_matches('/');
                Edit::new(tree, date, STEP).default_copy(from, to.trim_start_matches('/'))?;
            }
            Declaration::Link { target, path } => {
                let path = path.trim_start_matches('/');
                Edit::new(tree, date, STEP).default_symlink(path, target)?;
            }
            Declaration::Empty { path } => {
                let path = path.trim_start_matches('/');
                Edit::new(tree, date, STEP).default_file(path, 0o644, "")?;
            }
            Declaration::Mode { path, mode } => {
                if let Some(id) = find(tree, path) {
                    tree.inode_mut(id).metadata.mode = *mode;
                }
            }
            Declaration::Owner { path, user, group, recursive } => {
                let ids = owner_ids(accounts, user.as_deref(), group.as_deref());
                match ids {
                    Some(ids) => own(tree, path, ids, *recursive)?,
                    None => notes.push(Note::new(
                        STEP,
                        format!("{package} gives {path} to an account that does not exist"),
                    )),
                }
            }
            Declaration::Group { .. }
            | Declaration::User(_)
            | Declaration::Member { .. }
            | Declaration::Alternative(_) => {}
        }
    }
    Ok(())
}

/// Writes a text, or adds it to one that was written here; what others wrote stays.
fn write_text<'a>(
    tree: &mut Tree,
    path: &'a str,
    text: &str,
    append: bool,
    begun: &mut BTreeSet<&'a str>,
    date: Mtime,
) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, STEP);
    let file = path.trim_start_matches('/');
    if !begun.contains(path) {
        if !edit.exists(file) {
            edit.file(file, 0o644, text.to_owned())?;
            begun.insert(path);
        }
        return Ok(());
    }
    let before = if append { edit.text(file)?.unwrap_or_default() } else { String::new() };
    edit.file(file, 0o644, before + text)?;
    Ok(())
}

fn directory(tree: &mut Tree, path: &str, date: Mtime) -> Result<(), RootfsError> {
    let path = merged(path.trim_matches('/'));
    if tree.resolve(&path).is_ok() {
        return Ok(());
    }
    match tree.create_dirs(&path, Metadata::root(0o755, date)) {
        // A link or file is in the way: the package meant something else.
        Ok(_) | Err(TreeError::NotADirectory(_)) => Ok(()),
        Err(error) => Err(error).in_step(STEP),
    }
}

/// Returns what a path leads to over links, as for chown(8) and chmod(1).
fn find(tree: &Tree, path: &str) -> Option<InodeId> {
    tree.resolve(path.trim_matches('/')).ok().map(|(_, id)| id)
}

type Ids = (Option<u32>, Option<u32>);

/// Returns the numbers of a user and a group, `None` if one of them does not exist.
fn owner_ids(accounts: &Accounts, user: Option<&str>, group: Option<&str>) -> Option<Ids> {
    let uid = match user {
        None => None,
        Some(name) => Some(match name.parse() {
            Ok(uid) => uid,
            Err(_) => accounts.user(name)?.uid,
        }),
    };
    let gid = match group {
        None => None,
        // The user's own group.
        Some(":") => Some(accounts.user(user?)?.gid),
        Some(name) => Some(match name.parse() {
            Ok(gid) => gid,
            Err(_) => accounts.group(name)?.gid,
        }),
    };
    Some((uid, gid))
}

fn own(tree: &mut Tree, path: &str, ids: Ids, recursive: bool) -> Result<(), RootfsError> {
    let Some(top) = find(tree, path) else { return Ok(()) };
    let mut all = vec![top];
    if recursive {
        let dir = tree_path(&merged(path.trim_matches('/')), STEP)?;
        let below = tree.walk().filter(|entry| entry.path.is_under(&dir));
        all.extend(below.map(|entry| entry.id));
    }
    for id in all {
        let Inode { metadata, .. } = tree.inode_mut(id);
        metadata.uid = ids.0.unwrap_or(metadata.uid);
        metadata.gid = ids.1.unwrap_or(metadata.gid);
        // chown(2) takes these bits from programs.
        if metadata.mode & 0o111 != 0 && !matches!(tree.inode(id).kind, Kind::Directory(_)) {
            tree.inode_mut(id).metadata.mode &= 0o1777;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    fn owner(path: &str, user: &str, recursive: bool) -> (String, Declaration) {
        let (path, user, group) = (path.to_owned(), Some(user.to_owned()), None);
        ("p".to_owned(), Declaration::Owner { path, user, group, recursive })
    }

    #[test]
    fn files_are_made_and_given_away_in_order() {
        let mut tree = Tree::new(META);
        for path in ["usr/share/a/a.conf", "etc/a/sub/x", "etc/kept"] {
            tree.put(path, META, Inode::file(META, path.to_owned())).unwrap();
        }
        let accounts =
            Accounts::parse(("p", "root:*:0:0:::\na:*:150:150:::\n"), ("g", "root:*:0:\n"))
                .unwrap();
        let copy = |from: &str, to: &str| {
            ("p".to_owned(), Declaration::Copy { from: from.to_owned(), to: to.to_owned() })
        };
        let text = |path: &str, text: &str, append| {
            let (path, text) = (path.to_owned(), text.to_owned());
            ("p".to_owned(), Declaration::Text { path, text, append })
        };
        let directory = ("p".to_owned(), Declaration::Directory { path: "/var/lib/a".to_owned() });
        let mode =
            ("p".to_owned(), Declaration::Mode { path: "/var/lib/a".to_owned(), mode: 0o700 });
        let declarations = [
            directory,
            owner("/var/lib/a", "a", false),
            mode,
            copy("/usr/share/a/a.conf", "/etc/a.conf"),
            copy("/usr/share/a/a.conf", "/etc/kept"),
            text("/etc/b", "1\n", false),
            text("/etc/b", "2\n", true),
            text("/etc/kept", "3\n", true),
            owner("/etc/a", "a", true),
            owner("/etc/kept", "nobody-knows", false),
        ];
        let mut notes = Vec::new();
        make(&mut tree, &declarations, &accounts, Mtime::default(), &mut notes).unwrap();
        let meta = |path: &str| tree.inode(tree.resolve(path).unwrap().1).metadata;
        assert_eq!((meta("var/lib/a").uid, meta("var/lib/a").mode), (150, 0o700));
        assert_eq!((meta("etc/a/sub/x").uid, meta("etc/a.conf").uid), (150, 0));
        assert_eq!(tree.read_text("etc/a.conf").unwrap(), "usr/share/a/a.conf");
        assert_eq!(tree.read_text("etc/kept").unwrap(), "etc/kept");
        assert_eq!(tree.read_text("etc/b").unwrap(), "1\n2\n");
        assert_eq!(notes.len(), 1);
    }
}
