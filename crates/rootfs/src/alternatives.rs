//! Commands that several packages can provide.

use std::collections::BTreeSet;

use flagstone_tree::{Kind, Mtime, Tree};

use crate::RootfsError;
use crate::edit::{Edit, merged, names, tree_path};

/// A directory, a command's name, and who may provide it, the best first.
type Alternative = (&'static str, &'static str, &'static [&'static str]);

const BIN: &str = "usr/bin";
const SBIN: &str = "usr/sbin";

/// What trixie's scripts register with update-alternatives, candidates by falling priority; manual
/// pages aside.
const ALTERNATIVES: [Alternative; 29] = [
    (BIN, "awk", &["gawk", "mawk", "original-awk"]),
    (BIN, "nawk", &["gawk", "mawk", "original-awk"]),
    (BIN, "pager", &["less", "more"]),
    (BIN, "editor", &["nano", "vim.basic", "vim.tiny"]),
    (BIN, "pico", &["nano"]),
    (BIN, "vi", &["vim.basic", "vim.tiny", "nvi"]),
    (BIN, "view", &["vim.basic", "vim.tiny", "nview"]),
    (BIN, "ex", &["vim.basic", "vim.tiny", "nex"]),
    (BIN, "rview", &["vim.basic", "vim.tiny"]),
    (BIN, "vim", &["vim.basic"]),
    (BIN, "vimdiff", &["vim.basic"]),
    (BIN, "which", &["gnuwhich", "which.debianutils"]),
    (BIN, "pinentry", &["pinentry-gnome3", "pinentry-qt", "pinentry-curses", "pinentry-tty"]),
    (BIN, "mt", &["mt-st", "mt-gnu"]),
    (SBIN, "rmt", &["rmt-tar", "rmt-cpio"]),
    (BIN, "nc", &["nc.openbsd", "nc.traditional"]),
    (BIN, "netcat", &["nc.openbsd", "nc.traditional"]),
    (SBIN, "iptables", &["iptables-nft", "iptables-legacy"]),
    (SBIN, "iptables-restore", &["iptables-nft-restore", "iptables-legacy-restore"]),
    (SBIN, "iptables-save", &["iptables-nft-save", "iptables-legacy-save"]),
    (SBIN, "ip6tables", &["ip6tables-nft", "ip6tables-legacy"]),
    (SBIN, "ip6tables-restore", &["ip6tables-nft-restore", "ip6tables-legacy-restore"]),
    (SBIN, "ip6tables-save", &["ip6tables-nft-save", "ip6tables-legacy-save"]),
    (SBIN, "arptables", &["arptables-nft", "arptables-legacy"]),
    (SBIN, "arptables-restore", &["arptables-nft-restore", "arptables-legacy-restore"]),
    (SBIN, "arptables-save", &["arptables-nft-save", "arptables-legacy-save"]),
    (SBIN, "ebtables", &["ebtables-nft", "ebtables-legacy"]),
    (SBIN, "ebtables-restore", &["ebtables-nft-restore", "ebtables-legacy-restore"]),
    (SBIN, "ebtables-save", &["ebtables-nft-save", "ebtables-legacy-save"]),
];

/// The program that a command shall be.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The command's absolute path.
    pub command: String,
    /// The program's absolute path.
    pub program: String,
    /// Where the user chose, for messages.
    pub place: String,
}

/// Makes a command the program that the recipe chose.
fn choose(edit: &mut Edit<'_>, choice: &Choice) -> Result<(), RootfsError> {
    let command = merged(choice.command.trim_start_matches('/'));
    let program = merged(choice.program.trim_start_matches('/'));
    if edit.resolve_file(&program).is_none() {
        return Err(RootfsError::NoProvider {
            command: choice.command.clone(),
            program: choice.program.clone(),
            place: choice.place.clone(),
            present: present(edit, &command, &program),
        });
    }
    let path = tree_path(&command, edit.step)?;
    let taken = edit.tree.lookup(&path).map(|id| &edit.tree.inode(id).kind);
    if taken.is_some_and(|kind| !matches!(kind, Kind::Symlink(_))) {
        let (command, place) = (choice.command.clone(), choice.place.clone());
        return Err(RootfsError::NoChoice { command, place });
    }
    edit.symlink(&command, &relative(&command, &program))
}

/// Returns the programs of the tree that could be meant: the known providers of the command, and
/// what lies beside the program under a name that begins alike.
fn present(edit: &Edit<'_>, command: &str, program: &str) -> Vec<String> {
    let (dir, name) = program.rsplit_once('/').unwrap_or(("", program));
    let (command_dir, command) = command.rsplit_once('/').unwrap_or(("", command));
    let known = ALTERNATIVES.iter().find(|(dir, name, _)| (*dir, *name) == (command_dir, command));
    let known = known.into_iter().flat_map(|(dir, _, names)| names.iter().map(move |n| (*dir, *n)));
    let mut found: BTreeSet<String> =
        known.map(|(dir, name)| format!("{dir}/{name}")).filter(|path| edit.exists(path)).collect();
    let stem = name.split(['.', '-']).next().unwrap_or(name);
    let alike = |other: &String| other.split(['.', '-']).next() == Some(stem);
    let beside = names(edit.tree, dir).into_iter().filter(alike);
    found.extend(beside.map(|name| format!("{dir}/{name}")));
    found.into_iter().take(8).map(|path| format!("/{path}")).collect()
}

/// Returns the link target that leads from one path of the tree to another; relative, so that it
/// holds in an image that is mounted elsewhere.
fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
    let dirs = from.len() - 1;
    let common = (0..dirs.min(to.len() - 1)).take_while(|&i| from[i] == to[i]).count();
    let up = std::iter::repeat_n("..", dirs - common);
    up.chain(to[common..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// Links commands to the best of the programs that are installed.
///
/// Debian links over `/etc/alternatives`, which update-alternatives may change. Here the links are
/// direct and lie in /usr: nothing on the machine changes alternatives, and a copy of /etc from an
/// older release must not decide what `/usr/bin/awk` is. What a recipe chose comes first. `sh` is a
/// link of the dash package itself; only if no package brings one, or the recipe chose, is it made
/// here.
pub(crate) fn link(tree: &mut Tree, choices: &[Choice], date: Mtime) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, "alternatives");
    for choice in choices {
        choose(&mut edit, choice)?;
    }
    let shell: Alternative = (BIN, "sh", &["dash", "bash"]);
    for (dir, name, providers) in ALTERNATIVES.iter().chain([&shell]) {
        let provider = providers.iter().find(|p| edit.exists(&format!("{dir}/{p}")));
        if let Some(provider) = provider {
            edit.default_symlink(&format!("{dir}/{name}"), provider)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, TreePath};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    #[test]
    fn the_best_installed_program_gets_the_name_unless_it_is_taken() {
        let mut tree = Tree::new(META);
        for path in ["bin/mawk", "bin/gawk", "bin/more", "bin/pager", "sbin/iptables-legacy"] {
            tree.put(format!("usr/{path}"), META, Inode::file(META, "")).unwrap();
        }
        link(&mut tree, &[], Mtime::default()).unwrap();
        let target = |path: &str| {
            let id = tree.lookup(&TreePath::new(format!("usr/{path}")).unwrap())?;
            match &tree.inode(id).kind {
                Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
                _ => None,
            }
        };
        assert_eq!(target("bin/awk").as_deref(), Some("gawk"));
        assert_eq!(target("sbin/iptables").as_deref(), Some("iptables-legacy"));
        assert_eq!((target("bin/pager"), target("bin/sh"), target("bin/vi")), (None, None, None));
    }

    fn choice(command: &str, program: &str) -> Choice {
        let (command, program) = (command.into(), program.into());
        Choice { command, program, place: "site.toml:2".into() }
    }

    #[test]
    fn a_choice_of_the_recipe_comes_before_the_best_and_before_a_package_s_link() {
        let mut tree = Tree::new(META);
        for path in ["bin/mawk", "bin/gawk", "bin/dash", "bin/bash", "lib/x/tool"] {
            tree.put(format!("usr/{path}"), META, Inode::file(META, "")).unwrap();
        }
        tree.insert("usr/bin/sh", Inode::symlink(Mtime::default(), "dash")).unwrap();
        let choices = [
            choice("/usr/bin/awk", "/usr/bin/mawk"),
            choice("/usr/bin/sh", "/usr/bin/bash"),
            choice("/usr/sbin/tool", "/usr/lib/x/tool"),
        ];
        link(&mut tree, &choices, Mtime::default()).unwrap();
        for (path, expected) in [
            ("usr/bin/awk", "mawk"),
            ("usr/bin/nawk", "gawk"),
            ("usr/bin/sh", "bash"),
            ("usr/sbin/tool", "../lib/x/tool"),
        ] {
            let id = tree.lookup(&TreePath::new(path).unwrap()).unwrap();
            assert_eq!(tree.inode(id).kind, Kind::Symlink(expected.into()), "{path}");
        }
    }

    #[test]
    fn a_choice_that_cannot_be_made_names_its_place_and_what_there_is() {
        let mut tree = Tree::new(META);
        for path in ["bin/vim.basic", "bin/vimdot", "bin/nvi", "bin/real"] {
            tree.put(format!("usr/{path}"), META, Inode::file(META, "")).unwrap();
        }
        for (choice, text, hint) in [
            (
                choice("/usr/bin/vi", "/usr/bin/vim.tiny"),
                "site.toml:2 makes /usr/bin/vi the program /usr/bin/vim.tiny, which does not exist",
                "there is /usr/bin/nvi, /usr/bin/vim.basic; or add the package that ships the program",
            ),
            (
                choice("/usr/bin/x", "/usr/bin/y"),
                "site.toml:2 makes /usr/bin/x the program /usr/bin/y, which does not exist",
                "add the package that ships the program to the recipe",
            ),
            (
                choice("/usr/bin/real", "/usr/bin/nvi"),
                "site.toml:2 cannot choose what /usr/bin/real is: a package ships it",
                "to replace it all the same, give /usr/bin/real under [links]",
            ),
        ] {
            let error = link(&mut tree, &[choice], Mtime::default()).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.hint().as_deref()), (text, Some(hint)));
        }
    }
}
