use std::io;

use crate::TreePath;

/// The bytes of a file, which are kept outside the tree, cannot be read.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to read the stored bytes of a file: {kind}")]
pub struct ContentError {
    /// What the reading gave.
    pub kind: io::ErrorKind,
}

impl From<ContentError> for io::Error {
    fn from(error: ContentError) -> Self {
        Self::new(error.kind, error)
    }
}

/// What can go wrong when a tree is read by path or edited.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// The text is not a path inside a tree.
    #[error("{path:?} is not a path inside the tree: {reason}")]
    InvalidPath {
        /// The text, lossily as UTF-8.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Nothing has this path.
    #[error("/{0} does not exist")]
    NotFound(TreePath),
    /// Something has this path already.
    #[error("/{0} exists already")]
    Exists(TreePath),
    /// The path, or one above it, is not a directory.
    #[error("/{0} is not a directory")]
    NotADirectory(TreePath),
    /// The path is not a regular file.
    #[error("/{0} is not a regular file")]
    NotAFile(TreePath),
    /// Resolving the path meets too many symbolic links.
    #[error("too many symbolic links at /{0}")]
    LinkLoop(TreePath),
    /// Directories cannot have two names.
    #[error("/{0} is a directory and cannot be hard-linked")]
    DirectoryLink(TreePath),
    /// The text is not UTF-8, and the caller needs text.
    #[error("/{0} is not UTF-8 text")]
    NotText(TreePath),
    /// The bytes of the file cannot be read.
    #[error("/{path} cannot be read")]
    Content {
        /// The file.
        path: TreePath,
        /// Why.
        source: ContentError,
    },
}
