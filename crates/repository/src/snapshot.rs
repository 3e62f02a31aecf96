use flagstone_artifact::Sha256Digest;
use serde::{Deserialize, Serialize};

/// Which targets belong together (TUF 1.0, 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) meta: SnapshotMeta,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotMeta {
    #[serde(rename = "targets.json")]
    pub(crate) targets: FileVersion,
}

/// What one file of metadata says of another. Length and digest may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileVersion {
    pub(crate) version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hashes: Option<Hashes>,
}

/// Digests of a file, of which SHA-256 is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashes {
    pub(crate) sha256: Sha256Digest,
}
