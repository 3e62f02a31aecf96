//! What the finishers do whatever scripts say, for those who judge scripts.

use flagstone_scripts::{Knowledge, Paths};
use flagstone_tree::Tree;

use crate::{RootfsError, etc_files, ownership, script_accounts, users};

/// Files that the finishers write though no list of theirs names them: accounts, the resolver's
/// modules, certificates, PAM stacks.
const WRITTEN: [&str; 14] = [
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "etc/nsswitch.conf",
    "etc/ca-certificates.conf",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pam.d/common-auth",
    "etc/pam.d/common-account",
    "etc/pam.d/common-password",
    "etc/pam.d/common-session",
    "etc/pam.d/common-session-noninteractive",
];

/// Returns what the finishers would make of a merged tree by themselves: accounts, files, owners.
///
/// The tree has no `/etc/passwd` yet: accounts are those of base-passwd, of sysusers.d, and of the
/// table of accounts that scripts make.
///
/// # Errors
/// [`RootfsError`] if base-passwd's files or sysusers.d cannot be read.
pub fn script_knowledge(tree: &Tree) -> Result<Knowledge, RootfsError> {
    let (mut users, mut groups) = users::declared_by_packages(tree)?;
    for group in &script_accounts::GROUPS {
        if tree.exists(group.file) {
            groups.insert(group.name.to_owned());
        }
    }
    for user in &script_accounts::USERS {
        if tree.exists(user.file) {
            users.insert(user.name.to_owned());
            if user.group.is_none() {
                groups.insert(user.name.to_owned());
            }
        }
    }
    let files = WRITTEN.into_iter().chain(etc_files::written());
    Ok(Knowledge {
        users,
        groups,
        files: files.collect(),
        owners: ownership::fixed().collect::<Paths>(),
        shells: etc_files::ADDED_SHELLS.iter().map(|&shell| shell.to_owned()).collect(),
        desktop_caches: false,
    })
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

    #[test]
    fn accounts_are_those_of_packages_that_are_there() {
        let mut tree = Tree::new(META);
        for (path, text) in [
            ("usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n"),
            ("usr/share/base-passwd/group.master", "root:*:0:\nadm:*:4:\n"),
            ("usr/lib/sysusers.d/a.conf", "u a - \"A\"\ng b -\nm a c\n"),
            ("usr/sbin/unbound", ""),
        ] {
            tree.put(path, META, Inode::file(META, text)).unwrap();
        }
        let known = script_knowledge(&tree).unwrap();
        assert_eq!(Vec::from_iter(&known.users), ["a", "root", "unbound"]);
        assert_eq!(Vec::from_iter(&known.groups), ["a", "adm", "b", "c", "root", "unbound"]);
        assert!(known.files.contains("/etc/motd") && known.owners.contains("/usr/bin/crontab"));
    }
}
