use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flagstone_signature::PublicKey;

use super::signing_keys::files_ending;
use super::{PublishError, SigningKeys};
use crate::Role;
use crate::key::Key;
use crate::root::{Roles, Root};
use crate::signed::RoleKeys;

/// What ends the name of a public key's file.
const PUBLIC: &str = "pub";

/// The keys of a repository that is to be made, and how many of each role must sign.
#[derive(Clone, Debug)]
pub struct NewRoot {
    keys: BTreeMap<Role, Vec<PublicKey>>,
    thresholds: BTreeMap<Role, u32>,
}

impl NewRoot {
    /// Takes keys by their names: `root`, `targets`, `snapshot` and `timestamp`, or one of them with a
    /// dash and anything behind (`root-2`, `targets-alice`). Others are left out. Where no threshold is
    /// given it is 1.
    pub fn by_name(
        keys: impl IntoIterator<Item = PublicKey>,
        thresholds: BTreeMap<Role, u32>,
    ) -> Self {
        let mut by_role: BTreeMap<Role, Vec<PublicKey>> = BTreeMap::new();
        for key in keys {
            let word = key.name().as_str().split('-').next().unwrap_or_default();
            if let Ok(role) = word.parse() {
                let keys = by_role.entry(role).or_default();
                if keys.iter().all(|other| other.as_bytes() != key.as_bytes()) {
                    keys.push(key);
                }
            }
        }
        Self { keys: by_role, thresholds }
    }

    /// Takes the public keys (`*.pub`) in folders and those of private keys, by their names.
    ///
    /// # Errors
    /// [`PublishError::Key`], [`PublishError::File`].
    pub fn read(
        folders: &[PathBuf],
        signing: &SigningKeys,
        thresholds: BTreeMap<Role, u32>,
    ) -> Result<Self, PublishError> {
        let mut keys: Vec<_> =
            signing.iter().map(flagstone_signature::PrivateKey::public).collect();
        for folder in folders {
            for path in files_ending(folder, PUBLIC)? {
                keys.push(read_public(&path)?);
            }
        }
        Ok(Self::by_name(keys, thresholds))
    }

    /// Tells whether a role has a key.
    pub fn has(&self, role: Role) -> bool {
        self.keys.contains_key(&role)
    }

    pub(super) fn to_root(&self) -> Result<Root, PublishError> {
        let role_keys = |role| {
            let keys = self.keys.get(&role).ok_or(PublishError::NoRoleKeys { role })?;
            let mut keyids: Vec<_> = keys.iter().map(|key| Key::of(key).id()).collect();
            keyids.sort();
            let threshold = self.thresholds.get(&role).copied().unwrap_or(1);
            check_threshold(role, &keyids, threshold)?;
            Ok(RoleKeys { keyids, threshold })
        };
        let keys = self.keys.values().flatten().map(Key::of).map(|key| (key.id(), key)).collect();
        let roles = Roles {
            root: role_keys(Role::Root)?,
            targets: role_keys(Role::Targets)?,
            snapshot: role_keys(Role::Snapshot)?,
            timestamp: role_keys(Role::Timestamp)?,
        };
        Ok(Root { consistent_snapshot: true, keys, roles })
    }
}

/// Refuses a threshold that nobody has to meet, or nobody can.
pub(super) fn check_threshold(
    role: Role,
    keyids: &[String],
    threshold: u32,
) -> Result<(), PublishError> {
    let keys = keyids.len();
    if threshold >= 1 && usize::try_from(threshold).is_ok_and(|threshold| threshold <= keys) {
        return Ok(());
    }
    Err(PublishError::Threshold { role, threshold, keys })
}

fn read_public(path: &Path) -> Result<PublicKey, PublishError> {
    PublicKey::read(path).map_err(|source| PublishError::Key { source })
}
