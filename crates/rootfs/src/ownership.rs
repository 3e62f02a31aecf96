//! Owners and modes that packages' scripts give to files.

use flagstone_tree::Tree;

use crate::RootfsError;
use crate::accounts::Accounts;

/// One file or directory that a script gives another owner or mode.
struct Fix {
    path: &'static str,
    owner: &'static str,
    group: &'static str,
    mode: u16,
}

const fn fix(path: &'static str, owner: &'static str, group: &'static str, mode: u16) -> Fix {
    Fix { path, owner, group, mode }
}

/// What trixie's scripts set. Everything else is right in the archives already. A data archive
/// cannot carry these: the number of a dynamic account is not known when a package is built.
const FIXES: [Fix; 16] = [
    // dbus-daemon starts services as other users through this helper; only it may run it.
    fix("usr/lib/dbus-1.0/dbus-daemon-launch-helper", "root", "messagebus", 0o4754),
    // Set-gid, so that the agent cannot be traced by the user's other processes.
    fix("usr/bin/ssh-agent", "root", "_ssh", 0o2755),
    fix("usr/lib/polkit-1/polkit-agent-helper-1", "root", "root", 0o4755),
    fix("etc/polkit-1/rules.d", "root", "polkitd", 0o750),
    // sudo refuses a file that others can write or, by tradition, that is not 0440.
    fix("etc/sudoers", "root", "root", 0o440),
    // Encrypted credentials; systemd's tmpfiles.d says the same.
    fix("etc/credstore", "root", "root", 0o700),
    fix("etc/credstore.encrypted", "root", "root", 0o700),
    fix("etc/chrony/chrony.keys", "root", "_chrony", 0o640),
    fix("usr/bin/crontab", "root", "crontab", 0o2755),
    fix("usr/sbin/lldpcli", "_lldpd", "adm", 0o4750),
    fix("etc/bird", "bird", "bird", 0o750),
    fix("etc/bird/bird.conf", "bird", "bird", 0o640),
    fix("etc/redis", "redis", "redis", 0o2770),
    fix("etc/redis/redis.conf", "redis", "redis", 0o640),
    fix("etc/snmp/snmpd.conf", "root", "Debian-snmp", 0o640),
    fix("etc/frr", "frr", "frr", 0o700),
];

/// Returns the paths whose owner and mode [`fix_owners`] sets.
pub(crate) fn fixed() -> impl Iterator<Item = &'static str> {
    FIXES.iter().map(|fix| fix.path)
}

/// Sets owners and modes as packages' scripts would, for the files that are there.
pub(crate) fn fix_owners(tree: &mut Tree, accounts: &Accounts) -> Result<(), RootfsError> {
    for fix in &FIXES {
        let Ok(path) = flagstone_tree::TreePath::new(fix.path) else { continue };
        let Some(id) = tree.lookup(&path) else { continue };
        let metadata = &mut tree.inode_mut(id).metadata;
        let wanted_by = format!("/{}", fix.path);
        metadata.uid = accounts.uid(fix.owner, &wanted_by)?;
        metadata.gid = accounts.gid(fix.group, &wanted_by)?;
        metadata.mode = fix.mode;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    #[test]
    fn a_helper_gets_its_set_id_bit_and_group() {
        let mut tree = Tree::new(META);
        tree.put("usr/bin/ssh-agent", META, Inode::file(META, "x")).unwrap();
        let passwd = "root:*:0:0:::\n";
        let accounts = Accounts::parse(("p", passwd), ("g", "root:*:0:\n_ssh:*:101:\n")).unwrap();
        fix_owners(&mut tree, &accounts).unwrap();
        let (_, id) = tree.resolve("usr/bin/ssh-agent").unwrap();
        let metadata = tree.inode(id).metadata;
        assert_eq!((metadata.uid, metadata.gid, metadata.mode), (0, 101, 0o2755));
    }

    #[test]
    fn a_helper_whose_group_is_missing_is_an_error() {
        let mut tree = Tree::new(META);
        tree.put("usr/bin/ssh-agent", META, Inode::file(META, "x")).unwrap();
        let accounts = Accounts::parse(("p", "root:*:0:0:::\n"), ("g", "root:*:0:\n")).unwrap();
        let error = fix_owners(&mut tree, &accounts).unwrap_err();
        let expected = "/usr/bin/ssh-agent needs the group \"_ssh\", which does not exist";
        assert_eq!(error.to_string(), expected);
    }
}
