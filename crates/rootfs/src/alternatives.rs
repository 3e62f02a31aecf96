//! Commands that several packages can provide.

use std::collections::BTreeMap;

use flagstone_scripts::{Declaration, DeclaredAlternative};
use flagstone_tree::{Mtime, Tree};

use crate::RootfsError;
use crate::edit::{Edit, merged};

/// Links names to the best of the programs that are installed, as packages' scripts register them with
/// update-alternatives: by priority, of equals the first by the packages' names; slaves go with the one
/// that is chosen.
///
/// Debian links over `/etc/alternatives`, which update-alternatives may change. Here the links are
/// direct and lie in /usr: nothing on the machine changes alternatives, and a copy of /etc from an
/// older release must not decide what `/usr/bin/awk` is. A recipe that wants another provider ships
/// the link as its own file, which stays. Links to what is not in the image, as to manual pages that
/// are pruned, are left out. `sh` is a link of the dash package itself; only if no package brings one
/// is it made here.
pub(crate) fn link(
    tree: &mut Tree,
    declarations: &[(String, Declaration)],
    date: Mtime,
) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, "alternatives");
    for alternative in best(&edit, declarations).values() {
        let own = (&alternative.link, &alternative.path);
        let slaves = alternative.slaves.iter().map(|(link, path)| (link, path));
        for (link, path) in [own].into_iter().chain(slaves) {
            let (link, path) = (merged(link.trim_matches('/')), merged(path.trim_matches('/')));
            if edit.tree.resolve(&path).is_ok() {
                edit.default_symlink(&link, &target(&link, &path))?;
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

/// Returns what a link says: the bare name of what lies beside it, else the way from the top.
fn target(link: &str, path: &str) -> String {
    match (link.rsplit_once('/'), path.rsplit_once('/')) {
        (Some((dir, _)), Some((other, name))) if dir == other => name.to_owned(),
        _ => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Kind, Metadata, TreePath};

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
        link(&mut tree, &declarations, Mtime::default()).unwrap();
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
        assert_eq!(target("bin/ip").as_deref(), Some("/usr/sbin/ip-old"));
        assert_eq!((target("bin/pager"), target("bin/sh")), (None, None));
        assert!(!tree.exists("usr/share/man/pager.1"));
    }
}
