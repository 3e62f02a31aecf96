use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Architecture, ImageId, ImageVersion, Sha256Digest};

/// The record of one build, written beside the artefacts as `<name>.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of this file; 1.
    pub manifest_version: u32,
    /// The Flagstone version that built it.
    pub flagstone_version: String,
    /// The image's id.
    pub id: ImageId,
    /// The image's version.
    pub version: ImageVersion,
    /// The image's architecture.
    pub architecture: Architecture,
    /// The build's one clock, in seconds since 1970-01-01 UTC.
    pub source_date: i64,
    /// Digest of the lock, as it is written; of manifests since there is this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_sha256: Option<Sha256Digest>,
    /// Digest of what the merged recipe says; of manifests since there is this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe_sha256: Option<Sha256Digest>,
    /// The dm-verity root hash of the usr image.
    pub root_hash: Sha256Digest,
    /// Whether recipe and lock alone decide the bytes: no command ran in the tree.
    pub hermetic: bool,
    /// The commands that ran, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRecord>,
    /// Every artefact by file name.
    pub artifacts: BTreeMap<String, ArtifactRecord>,
    /// Every package by name.
    pub packages: BTreeMap<String, PackageRecord>,
}

/// One command that ran inside the tree, and what it did to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRecord {
    /// Its name in the recipe.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Paths that it made.
    pub added: Vec<String>,
    /// Paths that it changed.
    pub changed: Vec<String>,
    /// Paths that it removed, with all that was below.
    pub removed: Vec<String>,
}

/// Size and digest of one artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactRecord {
    /// Length in bytes.
    pub size: u64,
    /// Digest of the whole file; none for a disk image whose digest the build was told to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
}

/// One package in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRecord {
    /// Its version.
    pub version: String,
    /// Its architecture (`all` too).
    pub architecture: String,
    /// Digest of its archive.
    pub sha256: Sha256Digest,
}
