//! The in-memory file tree that stages hand to each other.
//!
//! A [`Tree`] is an arena of [`Inode`]s and the directories that name them. Package archives are
//! merged into one, finishers edit it, and the image writers (EROFS, cpio) walk it. Two names for
//! one [`InodeId`] are a hard link, so link counts are derived and never stored.
//!
//! It knows names, metadata, extended attributes and contents. It must not know what a file means,
//! where it came from, or how it will be written; it does no I/O but through the [`Source`] that a
//! content names.
//!
//! Paths are relative to the tree's root, without a leading slash and without `.` or `..`; the
//! empty path is the root itself. Names are bytes: Linux does not ask for UTF-8. A [`Content`] is in
//! memory and shared ([`bytes::Bytes`]), or a range of a [`Source`] that is read when it is needed,
//! so that a copy of a tree costs no file data and a tree may hold more than the memory does.

mod content;
mod error;
mod inode;
mod path;
mod tree;
mod walk;

pub use content::{Content, Data, Source};
pub use error::{ContentError, TreeError};
pub use inode::{Inode, Kind, Metadata, Mtime, Xattrs};
pub use path::{FileName, TreePath};
pub use tree::{InodeId, Trail, Tree};
pub use walk::{Entry, Walk};
