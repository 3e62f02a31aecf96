//! Commands that several packages can provide.

use flagstone_tree::{Mtime, Tree};

use crate::RootfsError;
use crate::edit::Edit;

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

/// Links commands to the best of the programs that are installed.
///
/// Debian links over `/etc/alternatives`, which update-alternatives may change. Here the links are
/// direct and lie in /usr: nothing on the machine changes alternatives, and a copy of /etc from an
/// older release must not decide what `/usr/bin/awk` is. A recipe that wants another provider ships
/// the link as its own file, which stays. `sh` is a link of the dash package itself; only if no
/// package brings one is it made here.
pub(crate) fn link(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, "alternatives");
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
    use flagstone_tree::{Inode, Kind, Metadata, TreePath};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    #[test]
    fn the_best_installed_program_gets_the_name_unless_it_is_taken() {
        let mut tree = Tree::new(META);
        for path in ["bin/mawk", "bin/gawk", "bin/more", "bin/pager", "sbin/iptables-legacy"] {
            tree.put(format!("usr/{path}"), META, Inode::file(META, "")).unwrap();
        }
        link(&mut tree, Mtime::default()).unwrap();
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
}
