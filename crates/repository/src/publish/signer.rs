use flagstone_artifact::Sha256Digest;
use serde::Serialize;

use super::publisher::{TARGETS_DAYS, Terms};
use super::signing_keys::NewMetadata;
use super::{PublishError, SigningKeys};
use crate::Role;
use crate::root::Root;
use crate::session::State;
use crate::snapshot::{FileVersion, Hashes, Snapshot, SnapshotMeta};
use crate::targets::Targets;
use crate::timestamp::{Timestamp, TimestampMeta};

/// Makes metadata that follow each other. Does not write to the disk.
pub(super) struct Signer<'a> {
    pub(super) keys: &'a SigningKeys,
    /// The root whose thresholds have to be met.
    pub(super) root: &'a Root,
    /// The root before, whose keys sign too, as far as they are here: for readers that know no newer one.
    pub(super) old: Option<&'a Root>,
    pub(super) terms: Terms,
}

/// Names and bytes of files, in the order in which they are to be written.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// Versions of targets, snapshot and timestamp.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Versions {
    targets: u64,
    snapshot: u64,
    timestamp: u64,
}

impl Versions {
    pub(super) fn of(state: &State) -> Self {
        let State { targets, snapshot, timestamp, .. } = state;
        let (targets, snapshot, timestamp) = (targets.version, snapshot.version, timestamp.version);
        Self { targets, snapshot, timestamp }
    }

    /// Returns them without those that the next publication would have taken. That of the timestamp is in no
    /// name.
    pub(super) fn skip(self) -> Self {
        let Self { targets, snapshot, timestamp } = self;
        Self { targets: targets + 1, snapshot: snapshot + 1, timestamp }
    }
}

impl Signer<'_> {
    /// Makes new targets, and what follows from them.
    pub(super) fn targets(
        &self,
        before: Versions,
        targets: &Targets,
    ) -> Result<Files, PublishError> {
        let version = before.targets + 1;
        let bytes = self.sign(Role::Targets, version, TARGETS_DAYS, targets)?;
        let meta = file_version(version, &bytes);
        let mut files = vec![(format!("{version}.{}", Role::Targets.file()), bytes)];
        files.extend(self.snapshot(before, meta)?);
        Ok(files)
    }

    /// Makes a new snapshot of targets that stay, and a new timestamp.
    pub(super) fn snapshot(
        &self,
        before: Versions,
        targets: FileVersion,
    ) -> Result<Files, PublishError> {
        let version = before.snapshot + 1;
        let days = self.terms.days;
        let snapshot = Snapshot { meta: SnapshotMeta { targets } };
        let bytes = self.sign(Role::Snapshot, version, days, &snapshot)?;
        let meta = TimestampMeta { snapshot: file_version(version, &bytes) };
        let timestamp =
            self.sign(Role::Timestamp, before.timestamp + 1, days, &Timestamp { meta })?;
        let name = format!("{version}.{}", Role::Snapshot.file());
        Ok(vec![(name, bytes), (Role::Timestamp.file().to_owned(), timestamp)])
    }

    fn sign(
        &self,
        role: Role,
        version: u64,
        days: u32,
        content: &impl Serialize,
    ) -> Result<Vec<u8>, PublishError> {
        let expires = self.terms.days_from_now(days);
        let metadata = NewMetadata { role, version, expires, content };
        self.keys.sign(&metadata, &[self.root], self.old.as_slice())
    }
}

fn file_version(version: u64, bytes: &[u8]) -> FileVersion {
    let hashes = Hashes { sha256: Sha256Digest::of(bytes) };
    FileVersion { version, length: Some(bytes.len() as u64), hashes: Some(hashes) }
}
