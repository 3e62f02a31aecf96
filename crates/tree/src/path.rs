use std::fmt;

use crate::TreeError;

/// The longest file name Linux accepts (`NAME_MAX`), in bytes.
const NAME_MAX: usize = 255;

fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("a name is empty"),
        b"." | b".." => Err("\".\" and \"..\" are not names"),
        _ if name.len() > NAME_MAX => Err("a name is longer than 255 bytes"),
        _ if name.contains(&0) => Err("a name holds a NUL byte"),
        _ if name.contains(&b'/') => Err("a name holds a slash"),
        _ => Ok(()),
    }
}

fn invalid(path: &[u8], reason: &'static str) -> TreeError {
    TreeError::InvalidPath { path: String::from_utf8_lossy(path).into_owned(), reason }
}

/// The name of one directory entry: 1 to 255 bytes, no slash, no NUL, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Box<[u8]>);

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TreeError::InvalidPath`] if the bytes are not a name.
    pub fn new(name: &[u8]) -> Result<Self, TreeError> {
        check_name(name).map_err(|reason| invalid(name, reason))?;
        Ok(Self(name.into()))
    }

    /// Returns the bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

// So that a directory's map can be searched with a slice of a path.
impl std::borrow::Borrow<[u8]> for FileName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

/// A path inside a tree: names joined by slashes, relative to the root; empty for the root itself.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`TreeError::InvalidPath`] for a leading, trailing or doubled slash, for `.` and `..`, and
    /// for a NUL byte.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, TreeError> {
        let path = path.as_ref();
        if !path.is_empty() {
            for name in path.split(|&b| b == b'/') {
                check_name(name).map_err(|reason| invalid(path, reason))?;
            }
        }
        Ok(Self(path.to_vec()))
    }

    /// Returns the path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Tells whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names from the root down.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|name| !name.is_empty())
    }

    /// Returns the last name; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.names().next_back()
    }

    /// Returns the directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// Returns this path with one more name.
    #[must_use]
    pub fn join(&self, name: &FileName) -> Self {
        let mut joined = Vec::with_capacity(self.0.len() + 1 + name.as_bytes().len());
        joined.extend_from_slice(&self.0);
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(name.as_bytes());
        Self(joined)
    }

    /// Tells whether this path is `dir` or lies below it.
    pub fn is_under(&self, dir: &Self) -> bool {
        dir.is_root()
            || self
                .0
                .strip_prefix(dir.as_bytes())
                .is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }

    /// Returns the last name of `names` appended one by one; used by the resolver, which has
    /// checked them.
    pub(crate) fn from_checked(names: &[&[u8]]) -> Self {
        Self(names.join(&b'/'))
    }
}

impl AsRef<[u8]> for TreePath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        for bad in ["/etc", "etc/", "a//b", ".", "a/./b", "../x", "a/..", "a\0b"] {
            assert!(TreePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(TreePath::new([b'x'; 256]).is_err());
        assert!(TreePath::new([b'x'; 255]).is_ok());
        assert!(TreePath::new("a/\u{e9}/..b").is_ok());
    }

    #[test]
    fn parents_and_names_come_apart() {
        let path = TreePath::new("usr/lib/os-release").unwrap();
        assert_eq!(path.file_name(), Some(&b"os-release"[..]));
        assert_eq!(path.parent(), Some(TreePath::new("usr/lib").unwrap()));
        assert_eq!(TreePath::new("usr").unwrap().parent(), Some(TreePath::default()));
        assert_eq!(TreePath::default().parent(), None);
        assert_eq!(TreePath::default().names().count(), 0);
    }

    #[test]
    fn a_sibling_with_the_same_prefix_is_not_under() {
        let usr = TreePath::new("usr").unwrap();
        assert!(TreePath::new("usr/bin").unwrap().is_under(&usr));
        assert!(!TreePath::new("usrlocal").unwrap().is_under(&usr));
    }
}
