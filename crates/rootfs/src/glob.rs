use std::str::FromStr;

use crate::RootfsError;

/// A pattern of paths: `*` and `?` within a name, `**` for any number of directories.
///
/// A pattern that matches a path covers everything below it too, so `usr/share/man` is a pattern
/// for a whole folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    names: Vec<Vec<u8>>,
}

impl Glob {
    /// Tells whether the pattern covers a path.
    pub fn covers(&self, path: &[u8]) -> bool {
        let path: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
        covers_names(&self.names, &path)
    }
}

impl FromStr for Glob {
    type Err = RootfsError;

    fn from_str(text: &str) -> Result<Self, RootfsError> {
        let names: Vec<Vec<u8>> =
            text.trim_start_matches('/').split('/').map(|name| name.as_bytes().to_vec()).collect();
        let bad = |name: &Vec<u8>| matches!(name.as_slice(), b"" | b"." | b"..");
        if names.iter().any(bad) || names.iter().filter(|name| *name == b"**").count() > 4 {
            return Err(RootfsError::InvalidGlob(text.to_owned()));
        }
        Ok(Self { names })
    }
}

fn covers_names(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return true };
    if first == b"**" {
        return (0..=path.len()).any(|skip| covers_names(rest, &path[skip..]));
    }
    path.split_first()
        .is_some_and(|(name, below)| name_matches(first, name) && covers_names(rest, below))
}

/// Matches one name against a pattern of `*` and `?`, in time linear in their product.
pub(crate) fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&b) if b == b'?' || b == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Which paths of the packages to leave out, decided before anything else is done with them.
#[derive(Clone, Debug, Default)]
pub struct PruneList {
    /// What is left out.
    pub drop: Vec<Glob>,
    /// What stays in spite of `drop`.
    pub keep: Vec<Glob>,
}

impl PruneList {
    /// Tells whether a path is left out.
    pub fn drops(&self, path: &[u8]) -> bool {
        self.drop.iter().any(|glob| glob.covers(path))
            && !self.keep.iter().any(|glob| glob.covers(path))
    }

    /// Returns what a machine without a package manager and without people reading on it does not
    /// need: documentation (licence texts stay), translations, and data for tools that only packages
    /// and their scripts use, or for other init systems.
    pub fn standard() -> Self {
        let globs = |list: &[&str]| list.iter().filter_map(|text| text.parse().ok()).collect();
        Self {
            drop: globs(&[
                "usr/share/doc",
                "usr/share/doc-base",
                "usr/share/man",
                "usr/share/info",
                "usr/share/locale",
                "usr/share/bug",
                "usr/share/lintian",
                "usr/share/debconf",
                "usr/share/menu",
                "usr/share/gtk-doc",
                "usr/share/help",
                "usr/share/initramfs-tools",
                "etc/initramfs-tools",
                "usr/share/runit",
                "etc/sv",
                "var/log/runit",
            ]),
            keep: globs(&["usr/share/doc/*/copyright", "usr/share/locale/locale.alias"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(glob: &str, path: &str) -> bool {
        glob.parse::<Glob>().unwrap().covers(path.as_bytes())
    }

    #[test]
    fn patterns_cover_what_is_below() {
        for (glob, path, expected) in [
            ("usr/share/man", "usr/share/man", true),
            ("/usr/share/man", "usr/share/man/man1/x.1", true),
            ("usr/share/man", "usr/share/manx", false),
            ("usr/share/man/de", "usr/share/man", false),
            ("usr/*/man", "usr/share/man/a", true),
            ("usr/*/man", "usr/a/b/man", false),
            ("usr/**/man", "usr/a/b/man/x", true),
            ("**/*.la", "usr/lib/a.la", true),
            ("**/*.la", "a.la", true),
            ("usr/lib/lib?.so.*", "usr/lib/liba.so.1", true),
            ("usr/lib/*a*b*", "usr/lib/xaxxbx", true),
            ("usr/lib/*a*b", "usr/lib/xaxxbx", false),
        ] {
            assert_eq!(covers(glob, path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn patterns_that_are_no_paths_are_refused() {
        for bad in ["", "/", "a//b", "../x", "a/", "**/**/**/**/**"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }

    #[test]
    fn licence_texts_stay() {
        let prune = PruneList::standard();
        assert_eq!((prune.drop.len(), prune.keep.len()), (16, 2));
        assert!(prune.drops(b"usr/share/doc/bash/README"));
        assert!(!prune.drops(b"usr/share/doc/bash/copyright"));
        assert!(!prune.drops(b"usr/bin/bash"));
    }
}
