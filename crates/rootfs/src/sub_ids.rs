//! Numbers that ordinary users have for namespaces of their own: `/etc/subuid`, `/etc/subgid`.

use flagstone_tree::Tree;

use crate::RootfsError;
use crate::edit::text;

const LOGIN_DEFS: &str = "etc/login.defs";

/// What useradd does where `login.defs` says nothing (shadow, `useradd(8)`).
const DEFAULT_FIRST: u32 = 100_000;
const DEFAULT_LAST: u32 = 600_100_000;
const DEFAULT_COUNT: u32 = 65_536;

/// Ordinary users' own numbers, which alone get further ones.
const DEFAULT_USERS: (u32, u32) = (1000, 60_000);

/// Returns the lines of `/etc/subuid` (`key` is `UID`) or `/etc/subgid` (`GID`) for users in the
/// order in which they are made, as `useradd` appends them: to each ordinary user the next range.
///
/// Without `/etc/login.defs`, which the tools that read these files come with, there are none; nor
/// for a user whose range would end behind the last number.
pub(crate) fn lines(
    tree: &Tree,
    key: &str,
    users: &[(&str, u32)],
    step: &'static str,
) -> Result<String, RootfsError> {
    let Some(defs) = text(tree, LOGIN_DEFS, step)? else { return Ok(String::new()) };
    let setting = |name: &str, default| setting(&defs, name).unwrap_or(default);
    let count = setting(&format!("SUB_{key}_COUNT"), DEFAULT_COUNT);
    let last = setting(&format!("SUB_{key}_MAX"), DEFAULT_LAST);
    let ordinary = setting("UID_MIN", DEFAULT_USERS.0)..=setting("UID_MAX", DEFAULT_USERS.1);
    let mut next = Some(setting(&format!("SUB_{key}_MIN"), DEFAULT_FIRST));
    let mut lines = String::new();
    for (name, _) in users.iter().filter(|(_, uid)| count > 0 && ordinary.contains(uid)) {
        let Some(first) = next else { break };
        next = first.checked_add(count).filter(|after| after - 1 <= last);
        if next.is_some() {
            lines.extend([*name, ":", &first.to_string(), ":", &count.to_string(), "\n"]);
        }
    }
    Ok(lines)
}

/// Returns a number of `login.defs(5)`: decimal, or in C's forms with `0x` or `0`.
fn setting(defs: &str, name: &str) -> Option<u32> {
    let value = defs.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()).flatten()
    })?;
    match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if value.len() > 1 && value.starts_with('0') => u32::from_str_radix(value, 8).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o644, Mtime::from_seconds(0));
    const DEFS: &str = "# c\nUID_MIN 1000\nUID_MAX\t60000\nSUB_UID_MIN 200000\n#SUB_UID_MAX 1\n\
                        SUB_UID_COUNT 0x10000\nSUB_GID_COUNT 1000\n";

    fn made(defs: Option<&'static str>, key: &str, users: &[(&str, u32)]) -> String {
        let mut tree = Tree::new(META);
        if let Some(defs) = defs {
            tree.put(LOGIN_DEFS, META, Inode::file(META, defs)).unwrap();
        }
        lines(&tree, key, users, "test").unwrap()
    }

    #[test]
    fn each_ordinary_user_gets_the_next_range() {
        let users = [("a", 1000), ("svc", 999), ("b", 1005), ("far", 70_000)];
        assert_eq!(made(Some(DEFS), "UID", &users), "a:200000:65536\nb:265536:65536\n");
        assert_eq!(made(Some(DEFS), "GID", &users), "a:100000:1000\nb:101000:1000\n");
        assert_eq!(made(Some("SUB_UID_COUNT 0\n"), "UID", &users), "");
        assert_eq!(made(Some("SUB_UID_MAX 170000\n"), "UID", &users), "a:100000:65536\n");
        assert_eq!(made(None, "UID", &users), "");
        let huge = "SUB_UID_MIN 4294967295\nSUB_UID_MAX 4294967295\n";
        assert_eq!(made(Some(huge), "UID", &users), "");
    }

    /// The judge: `useradd --prefix`, which only root may use.
    #[test]
    fn useradd_gives_the_same_ranges() {
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout != b"0\n" || !crate::judge::is_present("useradd", "--help") {
            println!("skipped: only root can run useradd");
            return;
        }
        let users = [("first", 1000), ("second", 1001), ("far", 70_000), ("last", 1500)];
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join("etc").join(name);
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        for (name, content) in [
            ("login.defs", DEFS),
            ("passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("group", "root:x:0:\n"),
            ("shadow", "root:*:1::::::\n"),
            ("gshadow", "root:*::\n"),
            ("subuid", ""),
            ("subgid", ""),
        ] {
            std::fs::write(path(name), content).unwrap();
        }
        for (name, uid) in users {
            let out = Command::new("useradd")
                .arg("--prefix")
                .arg(dir.path())
                .args(["--no-create-home", "--uid", &uid.to_string(), name])
                .output()
                .unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        for (file, key) in [("subuid", "UID"), ("subgid", "GID")] {
            let theirs = std::fs::read_to_string(path(file)).unwrap();
            assert_eq!(made(Some(DEFS), key, &users), theirs, "{file}");
        }
    }
}
