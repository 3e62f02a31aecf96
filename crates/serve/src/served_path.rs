use std::fmt;
use std::str::FromStr;

use crate::percent;

/// Longer names are on no disk that this serves.
const MAX_LEN: usize = 1024;

/// The path of a file below a served folder: components of printable UTF-8 that are neither empty,
/// nor `.` or `..`, nor begin with a dot, between single slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServedPath(String);

/// A path that no file is served under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a served file")]
pub(crate) struct PathError;

impl ServedPath {
    /// Reads a path from a URL: decoded once, and refused if it could be decoded again, since
    /// nobody names files so and the next server would take it for something else.
    pub(crate) fn from_url(text: &str) -> Result<Self, PathError> {
        let decoded = percent::decode(text, false).ok_or(PathError)?;
        let again = percent::decode(&decoded, false);
        if again.as_deref() != Some(&decoded) {
            return Err(PathError);
        }
        decoded.parse()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path as it stands in a URL.
    pub(crate) fn to_url(&self) -> String {
        percent::encode(&self.0, "/:@,+=")
    }

    /// Returns the last component.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the path of a file in the same folder.
    pub(crate) fn sibling(&self, name: &str) -> Result<Self, PathError> {
        match self.0.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}").parse(),
            None => name.parse(),
        }
    }
}

impl FromStr for ServedPath {
    type Err = PathError;

    /// Reads a path as people and TFTP write it; slashes at its begin or in a row count as one.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let foreign = |c: char| c.is_control() || c == '\\';
        if text.len() > MAX_LEN || text.ends_with('/') || text.contains(foreign) {
            return Err(PathError);
        }
        let components: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if components.is_empty() || components.iter().any(|part| part.starts_with('.')) {
            return Err(PathError);
        }
        Ok(Self(components.join("/")))
    }
}

impl fmt::Display for ServedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_files_are_read() {
        for (url, path) in [
            ("a", "a"),
            ("/a/b.c", "a/b.c"),
            ("//a//b", "a/b"),
            ("a%20b/%C3%A4", "a b/ä"),
            ("a+b", "a+b"),
            ("a..b/c...d", "a..b/c...d"),
        ] {
            assert_eq!(ServedPath::from_url(url).unwrap().as_str(), path, "{url}");
        }
        let path: ServedPath = "a b/ü_1.pxe-initrd".parse().unwrap();
        assert_eq!(ServedPath::from_url(&path.to_url()), Ok(path));
    }

    #[test]
    fn a_path_that_leads_out_is_refused_in_every_spelling() {
        let long = "a/".repeat(600) + "a";
        for url in [
            "",
            "/",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a/./b",
            ".",
            ".a",
            "a/.b",
            "a/",
            "%2e%2e/a",
            "%2E%2e%2Fa",
            "..%2fa",
            "%252e%252e/a",
            "%25%32%65",
            "..\\a",
            "..%5ca",
            "a%00",
            "a%0a",
            "%00",
            "a%c0%ae%c0%ae",
            "%c0%af",
            "a\\b",
            "%",
            "%2",
            "\u{7f}",
            &long,
        ] {
            assert_eq!(ServedPath::from_url(url), Err(PathError), "{url}");
        }
    }
}
