use flagstone_artifact::Sha256Digest;

use crate::Url;

/// A file that is wanted: what it must be, and where it may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What people call it, for messages and progress.
    pub name: String,
    /// Where it may be had, tried in this order.
    pub urls: Vec<Url>,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
}
