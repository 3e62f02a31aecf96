//! Commands that several packages can provide.

use std::collections::{BTreeMap, BTreeSet};

use flagstone_scripts::{Declaration, DeclaredAlternative};
use flagstone_tree::{Kind, Mtime, Tree};

use crate::RootfsError;
use crate::edit::{Edit, merged, names, tree_path};

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
fn choose(
    edit: &mut Edit<'_>,
    choice: &Choice,
    declarations: &[(String, Declaration)],
) -> Result<(), RootfsError> {
    let command = merged(choice.command.trim_start_matches('/'));
    let program = merged(choice.program.trim_start_matches('/'));
    if edit.resolve_file(&program).is_none() {
        return Err(RootfsError::NoProvider {
            command: choice.command.clone(),
            program: choice.program.clone(),
            place: choice.place.clone(),
            present: present(edit, &command, &program, declarations),
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
fn present(
    edit: &Edit<'_>,
    command: &str,
    program: &str,
    declarations: &[(String, Declaration)],
) -> Vec<String> {
    let (dir, name) = program.rsplit_once('/').unwrap_or(("", program));
    let known = declarations.iter().filter_map(|(_, declaration)| match declaration {
        Declaration::Alternative(a) if merged(a.link.trim_matches('/')) == command => {
            Some(merged(a.path.trim_matches('/')))
        }
        _ => None,
    });
    let mut found: BTreeSet<String> = known.filter(|path| edit.exists(path)).collect();
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

/// Links names to the best of the programs that are installed, as packages' scripts register them with
/// update-alternatives: by priority, of equals the first by the packages' names; slaves go with the one
/// that is chosen.
///
/// Debian links over `/etc/alternatives`, which update-alternatives may change. Here the links are
/// direct and lie in /usr: nothing on the machine changes alternatives, and a copy of /etc from an
/// older release must not decide what `/usr/bin/awk` is. What a recipe chose comes first. Links to what is not in the image, as to manual pages that
/// are pruned, are left out. `sh` is a link of the dash package itself; only if no package brings one
/// is it made here.
pub(crate) fn link(
    tree: &mut Tree,
    choices: &[Choice],
    declarations: &[(String, Declaration)],
    date: Mtime,
) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, "alternatives");
    for choice in choices {
        choose(&mut edit, choice, declarations)?;
    }
    for alternative in best(&edit, declarations).values() {
        let own = (&alternative.link, &alternative.path);
        let slaves = alternative.slaves.iter().map(|(link, path)| (link, path));
        for (link, path) in [own].into_iter().chain(slaves) {
            let (link, path) = (merged(link.trim_matches('/')), merged(path.trim_matches('/')));
            if edit.tree.resolve(&path).is_ok() {
                edit.default_symlink(&link, &relative(&link, &path))?;
            }
        }
    }
    let shell = ["dash", "bash"].into_iter().find(|s| edit.exists(&format!("usr/bin/{s}")));
    if let Some(shell) = shell {
        edit.default_symlink("usr/bin/sh", shell)?;
    }
    Ok(())
}

/// Returns the alternative of each name that has the highest priority of those that are there.
fn best<'a>(
    edit: &Edit<'_>,
    declarations: &'a [(String, Declaration)],
) -> BTreeMap<&'a str, &'a DeclaredAlternative> {
    let mut best: BTreeMap<&str, &DeclaredAlternative> = BTreeMap::new();
    for (_, declaration) in declarations {
        let Declaration::Alternative(alternative) = declaration else { continue };
        if edit.tree.resolve(merged(alternative.path.trim_matches('/'))).is_err() {
            continue;
        }
        let known = best.entry(&alternative.name).or_insert(alternative);
        if alternative.priority > known.priority {
            *known = alternative;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, TreePath};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    fn alternative(package: &str, text: &str) -> (String, Declaration) {
        let mut words = text.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        let (link, name, path, priority) = (word(), word(), word(), word().parse().unwrap());
        let rest: Vec<String> = words.collect();
        let slaves = rest.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let alternative = DeclaredAlternative { name, link, path, priority, slaves };
        (package.to_owned(), Declaration::Alternative(alternative))
    }

    #[test]
    fn the_best_installed_program_gets_the_name_and_its_slaves_unless_they_are_taken() {
        let mut tree = Tree::new(META);
        for path in ["bin/mawk", "bin/gawk", "bin/more", "bin/pager", "sbin/ip-old", "lib/m4"] {
            tree.put(format!("usr/{path}"), META, Inode::file(META, "")).unwrap();
        }
        let declarations = [
            alternative("a", "/usr/bin/awk awk /usr/bin/mawk 5 /usr/bin/nawk /usr/bin/mawk"),
            alternative("b", "/usr/bin/awk awk /usr/bin/gawk 10 /usr/bin/nawk /usr/bin/gawk"),
            alternative("c", "/usr/bin/awk awk /usr/bin/oawk 90"),
            alternative("d", "/usr/sbin/ip ip /sbin/ip-old 1 /usr/bin/ip /sbin/ip-old"),
            alternative("e", "/usr/sbin/ip ip /usr/bin/mawk 1"),
            alternative("f", "/usr/bin/pager pager /bin/more 50 /usr/share/man/pager.1 /x/more.1"),
        ];
        link(&mut tree, &[], &declarations, Mtime::default()).unwrap();
        let target = |path: &str| {
            let id = tree.lookup(&TreePath::new(format!("usr/{path}")).unwrap())?;
            match &tree.inode(id).kind {
                Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
                _ => None,
            }
        };
        assert_eq!(target("bin/awk").as_deref(), Some("gawk"));
        assert_eq!(target("bin/nawk").as_deref(), Some("gawk"));
        assert_eq!(target("sbin/ip").as_deref(), Some("ip-old"));
        assert_eq!(target("bin/ip").as_deref(), Some("../sbin/ip-old"));
        assert_eq!((target("bin/pager"), target("bin/sh")), (None, None));
        assert!(!tree.exists("usr/share/man/pager.1"));
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
        let declarations =
            [alternative("a", "/usr/bin/awk awk /usr/bin/gawk 10 /usr/bin/nawk /usr/bin/gawk")];
        link(&mut tree, &choices, &declarations, Mtime::default()).unwrap();
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
            let declarations = [alternative("n", "/usr/bin/vi vi /usr/bin/nvi 20")];
            let error = link(&mut tree, &[choice], &declarations, Mtime::default()).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.hint().as_deref()), (text, Some(hint)));
        }
    }
}
