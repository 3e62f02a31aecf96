use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::snapshot::Hashes;

/// Which files there are (TUF 1.0, 4.5). Delegations are passed over: this client knows the files that
/// the role itself names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Targets {
    /// By name; names that are none of [`crate::TargetName`]'s are never asked for.
    pub(crate) targets: BTreeMap<String, TargetFile>,
}

#[cfg(feature = "publish")]
impl Targets {
    /// Says what a target is, in place of what was said of its name before.
    pub(crate) fn put(&mut self, name: &crate::TargetName, bytes: &[u8]) {
        let sha256 = flagstone_artifact::Sha256Digest::of(bytes);
        let file = TargetFile { length: bytes.len() as u64, hashes: Hashes { sha256 } };
        self.targets.insert(name.to_string(), file);
    }
}

/// What a target must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetFile {
    pub(crate) length: u64,
    pub(crate) hashes: Hashes,
}
