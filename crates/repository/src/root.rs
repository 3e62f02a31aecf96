use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::signed::{RoleKeys, Signed, Verified};
use crate::{RepositoryError, Role};

/// Which keys there are, and which role has them (TUF 1.0, 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) consistent_snapshot: bool,
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) roles: Roles,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roles {
    pub(crate) root: RoleKeys,
    pub(crate) targets: RoleKeys,
    pub(crate) snapshot: RoleKeys,
    pub(crate) timestamp: RoleKeys,
}

impl Roles {
    pub(crate) fn get(&self, role: Role) -> &RoleKeys {
        match role {
            Role::Root => &self.root,
            Role::Targets => &self.targets,
            Role::Snapshot => &self.snapshot,
            Role::Timestamp => &self.timestamp,
        }
    }

    #[cfg(feature = "publish")]
    pub(crate) fn get_mut(&mut self, role: Role) -> &mut RoleKeys {
        match role {
            Role::Root => &mut self.root,
            Role::Targets => &mut self.targets,
            Role::Snapshot => &mut self.snapshot,
            Role::Timestamp => &mut self.timestamp,
        }
    }
}

impl Root {
    /// Reads root metadata that are trusted because of where they lie. They have to be signed by their
    /// own keys nevertheless: anything else is a mistake.
    pub(crate) fn trusted(file: &str, bytes: &[u8]) -> Result<Verified<Self>, RepositoryError> {
        let signed = Signed::parse(Role::Root, file, bytes)?;
        Self::read(file, &signed)
    }

    /// Reads the next root metadata, which the keys of these have to vouch for, and their own.
    pub(crate) fn next(
        current: &Verified<Self>,
        file: &str,
        bytes: &[u8],
    ) -> Result<Verified<Self>, RepositoryError> {
        let signed = Signed::parse(Role::Root, file, bytes)?;
        signed.check(&current.content.keys, &current.content.roles.root)?;
        let next = Self::read(file, &signed)?;
        if next.version != current.version + 1 {
            return Err(RepositoryError::format(file, "its version is that of its name"));
        }
        Ok(next)
    }

    /// Reads what is said, and checks that the keys in it have signed it.
    fn read(file: &str, signed: &Signed) -> Result<Verified<Self>, RepositoryError> {
        let root: Verified<Self> = signed.read()?;
        let Self { consistent_snapshot, keys, roles } = &root.content;
        signed.check(keys, &roles.root)?;
        if !consistent_snapshot {
            return Err(RepositoryError::format(file, "snapshots are consistent"));
        }
        if Role::ALL.into_iter().any(|role| roles.get(role).threshold == 0) {
            return Err(RepositoryError::format(file, "each role has a threshold of at least 1"));
        }
        Ok(root)
    }
}

/// Checks that bytes are root metadata that a machine can start from, and returns their version. Expiry
/// does not matter: a machine looks for newer ones first.
///
/// # Errors
/// [`RepositoryError::Json`], [`RepositoryError::Format`], [`RepositoryError::BadSignature`],
/// [`RepositoryError::TooLong`].
pub fn check_root(bytes: &[u8]) -> Result<u64, RepositoryError> {
    let (file, limit) = (Role::Root.file(), Role::Root.limit());
    if bytes.len() as u64 > limit {
        return Err(RepositoryError::TooLong { file: file.to_owned(), limit });
    }
    Ok(Root::trusted(file, bytes)?.version)
}
