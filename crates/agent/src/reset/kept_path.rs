use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ResetError;

/// The longest path (`PATH_MAX` of Linux).
const PATH_MAX: usize = 4096;

/// Top folders that are no part of ROOT.
const ELSEWHERE: [&str; 13] = [
    "bin", "boot", "dev", "efi", "lib", "lib64", "proc", "run", "sbin", "sys", "sysroot", "tmp",
    "usr",
];

/// An absolute path on ROOT that a reset leaves alone, with all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptPath(String);

impl FromStr for KeptPath {
    type Err = ResetError;

    fn from_str(text: &str) -> Result<Self, ResetError> {
        let fail = |rule| ResetError::Path { path: text.chars().take(PATH_MAX).collect(), rule };
        let inside = text.strip_prefix('/').ok_or_else(|| fail("it is not absolute"))?;
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        if inside.is_empty() {
            return Err(fail("that would be no reset"));
        }
        if text.len() > PATH_MAX || text.contains('\0') {
            return Err(fail("it is no path"));
        }
        if inside.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(fail("it has empty or dotted parts"));
        }
        let top = inside.split('/').next();
        if top.is_some_and(|top| ELSEWHERE.contains(&top)) {
            return Err(fail("it is not on ROOT, and not touched by a reset"));
        }
        Ok(Self(format!("/{inside}")))
    }
}

impl fmt::Display for KeptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeptPath {
    /// Returns the path, which ends without a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that it is there below a root folder, and that no link leads to it: the link would go.
    ///
    /// # Errors
    /// [`ResetError::Missing`], [`ResetError::Link`].
    pub fn check(&self, root: &Path) -> Result<(), ResetError> {
        let names: Vec<&str> = self.0.split('/').skip(1).collect();
        let mut path = PathBuf::from("/");
        for (index, name) in names.iter().enumerate() {
            path.push(name);
            let inside = path.strip_prefix("/").unwrap_or(&path);
            let Ok(metadata) = root.join(inside).symlink_metadata() else {
                return Err(ResetError::Missing { path: self.0.clone().into() });
            };
            if metadata.is_symlink() && index + 1 < names.len() {
                return Err(ResetError::Link { path: self.0.clone().into(), link: path });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_can_be_kept_are_taken() {
        for (text, expected) in [
            ("/etc/ssh", Ok("/etc/ssh")),
            ("/var/lib/", Ok("/var/lib")),
            ("/home/a b\nc", Ok("/home/a b\nc")),
            ("etc", Err("it is not absolute")),
            ("/", Err("that would be no reset")),
            ("", Err("it is not absolute")),
            ("/etc//ssh", Err("it has empty or dotted parts")),
            ("/etc/../usr", Err("it has empty or dotted parts")),
            ("/usr/lib", Err("it is not on ROOT, and not touched by a reset")),
            ("/run", Err("it is not on ROOT, and not touched by a reset")),
            ("/a\0b", Err("it is no path")),
        ] {
            match (text.parse::<KeptPath>(), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path.as_str(), expected),
                (Err(ResetError::Path { rule, .. }), Err(expected)) => assert_eq!(rule, expected),
                (found, _) => panic!("{text:?} gives {found:?}"),
            }
        }
        assert!(format!("/{}", "x".repeat(PATH_MAX)).parse::<KeptPath>().is_err());
    }

    #[test]
    fn what_is_not_there_or_behind_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("srv/data")).unwrap();
        std::os::unix::fs::symlink("srv", dir.path().join("short")).unwrap();
        let check = |path: &str| path.parse::<KeptPath>().unwrap().check(dir.path());
        check("/srv/data").unwrap();
        check("/short").unwrap();
        let error = check("/srv/dta").unwrap_err();
        assert_eq!(error.to_string(), "/srv/dta cannot be kept: it is not there");
        let error = check("/short/data").unwrap_err();
        assert_eq!(error.to_string(), "/short/data cannot be kept: /short on the way is a link");
    }
}
