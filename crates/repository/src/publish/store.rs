use std::fmt;
use std::path::Path;

use flagstone_artifact::Sha256Digest;
use flagstone_fetch::Transport;

use super::PublishError;
use crate::TargetName;

/// Where a repository lies, with what a publication needs of it. Files are there whole or not at all, and all
/// but `timestamp.json` never change.
pub(super) trait Store: Transport + fmt::Debug {
    /// What it is called in messages.
    fn place(&self) -> &Path;

    /// Makes sure that nothing can be mixed up by two publishers; the first root is there already.
    fn check(&self, first_root: &[u8]) -> Result<(), PublishError>;

    /// Reads a file of metadata, if it is there.
    fn read_metadata(&self, name: &str) -> Result<Option<Vec<u8>>, PublishError>;

    /// Writes a file of metadata. [`PublishError::Taken`] if another publication was here, or is.
    fn put_metadata(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError>;

    /// Writes a small target.
    fn put_target(&self, name: &TargetName, bytes: &[u8]) -> Result<(), PublishError>;

    /// Copies a target. It has to be what it was when it was verified.
    fn copy_target(
        &self,
        name: &TargetName,
        from: &Path,
        size_bytes: u64,
        sha256: Sha256Digest,
    ) -> Result<(), PublishError>;
}
