use flagstone_tree::TreeError;

/// Why caches cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file would be larger than its format can tell.
    #[error("/{path} would be larger than its format allows")]
    TooLarge {
        /// The file.
        path: &'static str,
    },
    /// Something is in the way of a file.
    #[error("failed to write a cache")]
    Tree(#[source] TreeError),
}
