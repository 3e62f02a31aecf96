use crate::TreePath;

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
}
