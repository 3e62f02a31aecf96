use std::collections::BTreeMap;

/// Directories at the top that are links into /usr.
const MERGED: [&str; 7] = ["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// A directory.
    Directory,
    /// A regular file, or anything else but these.
    File,
    /// A symbolic link.
    Link,
}

/// The absolute paths that packages bring: files, links and directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths(BTreeMap<String, PathKind>);

impl Paths {
    /// Adds a path, with or without its leading slash.
    pub fn insert(&mut self, path: &str, kind: PathKind) {
        self.0.insert(normal(path), kind);
    }

    /// Tells whether a package brings the path.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(&normal(path))
    }

    /// Returns what the path is, if a package brings it.
    pub fn kind(&self, path: &str) -> Option<PathKind> {
        self.0.get(&normal(path)).copied()
    }

    /// Tells whether a package brings a path that begins so.
    pub fn any_beginning(&self, beginning: &str) -> bool {
        let mut start = normal(beginning);
        if beginning.ends_with('/') {
            start.push('/');
        }
        self.0.range(start.clone()..).next().is_some_and(|(path, _)| path.starts_with(&start))
    }

    /// Tells whether nothing is known to be there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes all paths as files.
impl<S: AsRef<str>> FromIterator<S> for Paths {
    fn from_iter<I: IntoIterator<Item = S>>(paths: I) -> Self {
        let mut all = Self::default();
        paths.into_iter().for_each(|path| all.insert(path.as_ref(), PathKind::File));
        all
    }
}

/// Returns a path without slashes at its ends, as it is where /usr is merged.
fn normal(path: &str) -> String {
    let path: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    match path.as_slice() {
        ["var", "run", rest @ ..] => format!("run/{}", rest.join("/")),
        [top, ..] if MERGED.contains(top) => format!("usr/{}", path.join("/")),
        _ => path.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_as_they_are_where_usr_is_merged() {
        let paths = Paths::from_iter(["bin/true", "/usr/lib/x/y", "etc/x/"]);
        for path in ["/usr/bin/true", "/bin/true", "/lib/x/y", "/etc/x", "etc//x"] {
            assert!(paths.contains(path), "{path}");
        }
        assert!(paths.any_beginning("/lib/x/") && paths.any_beginning("/usr/bin/t"));
        assert!(!paths.any_beginning("/etc/x/") && !paths.contains("/usr/bin"));
    }
}
