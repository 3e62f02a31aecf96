//! Programs that run with the rights of their owner or group.

use flagstone_tree::{Kind, Tree};

use crate::Note;

/// Debian's programs that are set-id by design. Anything else is reported: it may be right, but
/// nobody here has looked at it.
const EXPECTED: [&str; 24] = [
    "usr/bin/chage",
    "usr/bin/chfn",
    "usr/bin/chsh",
    "usr/bin/crontab",
    "usr/bin/expiry",
    "usr/bin/fusermount3",
    "usr/bin/gpasswd",
    "usr/bin/mount",
    "usr/bin/newgidmap",
    "usr/bin/newgrp",
    "usr/bin/newuidmap",
    "usr/bin/passwd",
    "usr/bin/pkexec",
    "usr/bin/ssh-agent",
    "usr/bin/su",
    "usr/bin/sudo",
    "usr/bin/umount",
    "usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "usr/lib/openssh/ssh-keysign",
    "usr/lib/polkit-1/polkit-agent-helper-1",
    "usr/sbin/lldpcli",
    "usr/sbin/mount.nfs",
    "usr/sbin/pam_extrausers_chkpwd",
    "usr/sbin/unix_chkpwd",
];

/// Reports set-id files that nobody expects.
pub(crate) fn report(tree: &Tree, notes: &mut Vec<Note>) {
    for entry in tree.walk() {
        let mode = entry.inode.metadata.mode;
        let path = entry.path.to_string();
        let file = matches!(entry.inode.kind, Kind::File(_));
        if file && mode & 0o6000 != 0 && !EXPECTED.contains(&path.as_str()) {
            let what = match mode & 0o6000 {
                0o4000 => "its owner",
                0o2000 => "its group",
                _ => "its owner and group",
            };
            let text = format!("/{path} runs with the rights of {what} (mode {mode:04o})");
            notes.push(Note::new("set-id", text));
        }
    }
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    #[test]
    fn only_what_nobody_expects_is_reported() {
        let directory = Metadata::root(0o755, Mtime::default());
        let mut tree = Tree::new(directory);
        for (path, mode) in
            [("usr/bin/su", 0o4755), ("usr/bin/odd", 0o4755), ("usr/bin/x", 0o6711), ("a", 0o755)]
        {
            let metadata = Metadata::root(mode, Mtime::default());
            tree.put(path, directory, Inode::file(metadata, "")).unwrap();
        }
        tree.create_dirs(
            flagstone_tree::TreePath::new("var/mail").unwrap(),
            Metadata::root(0o2775, Mtime::default()),
        )
        .unwrap();
        let mut notes = Vec::new();
        report(&tree, &mut notes);
        let texts: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "set-id: /usr/bin/odd runs with the rights of its owner (mode 4755)",
                "set-id: /usr/bin/x runs with the rights of its owner and group (mode 6711)",
            ]
        );
    }
}
