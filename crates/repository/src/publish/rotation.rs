use flagstone_signature::{KeyId, PublicKey};

use super::new_root::check_threshold;
use super::publisher::{ROOT_DAYS, commit};
use super::signer::{Signer, Versions};
use super::signing_keys::NewMetadata;
use super::{PublishError, Published, Publisher, SigningKeys, Terms};
use crate::Role;
use crate::key::Key;
use crate::root::Root;

/// One change of the keys of a role.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// A further key may sign.
    Add {
        /// Whose key it becomes.
        role: Role,
        /// The key.
        key: Box<PublicKey>,
    },
    /// A key may sign no more.
    Remove {
        /// Whose key it is.
        role: Role,
        /// The key.
        key: KeyId,
    },
    /// So many keys must sign.
    Threshold {
        /// Of which role.
        role: Role,
        /// How many.
        threshold: u32,
    },
}

impl Publisher {
    /// Publishes the next root metadata, signed by enough of the old root keys and of the new ones. Without
    /// changes it has the same keys, and a new end of its time.
    ///
    /// What roles with other keys have signed is signed anew, by old keys too as far as they are here, and
    /// written before the root: so there is no moment at which a reader finds signatures that it cannot check.
    ///
    /// # Errors
    /// [`PublishError::Threshold`], [`PublishError::NoSuchKey`], [`PublishError::MissingKeys`],
    /// [`PublishError::File`].
    pub fn rotate(
        &mut self,
        changes: &[KeyChange],
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Published, PublishError> {
        let old = &self.state.root.content;
        let new = changed(old, changes)?;
        let version = self.state.root.version + 1;
        let expires = terms.days_from_now(ROOT_DAYS);
        let metadata = NewMetadata { role: Role::Root, version, expires, content: &new };
        let root_bytes = keys.sign(&metadata, &[old, &new], &[])?;
        let signer = Signer { keys, root: &new, old: Some(old), terms };
        let differs = |role| old.roles.get(role) != new.roles.get(role);
        let versions = Versions::of(&self.state);
        commit(&*self.store, versions, |versions| {
            if differs(Role::Targets) {
                signer.targets(versions, &self.state.targets.content)
            } else if differs(Role::Snapshot) || differs(Role::Timestamp) {
                signer.snapshot(versions, self.state.snapshot.content.meta.targets.clone())
            } else {
                Ok(Vec::new())
            }
        })?;
        self.store.put_metadata(&format!("{version}.root.json"), &root_bytes)?;
        self.reread()?;
        Ok(self.published(Vec::new()))
    }
}

/// Returns the root with other keys. Keys that no role has any more are gone.
fn changed(old: &Root, changes: &[KeyChange]) -> Result<Root, PublishError> {
    let mut root = old.clone();
    for change in changes {
        match change {
            KeyChange::Add { role, key } => {
                let key = Key::of(key);
                let role = root.roles.get_mut(*role);
                if !role.keyids.contains(&key.id()) {
                    role.keyids.push(key.id());
                    role.keyids.sort();
                }
                root.keys.insert(key.id(), key);
            }
            KeyChange::Remove { role, key } => {
                let is_it = |id: &String| {
                    let public = root.keys.get(id).and_then(Key::public);
                    public.is_some_and(|public| public.id() == *key)
                };
                let ids = &mut root.roles.get_mut(*role).keyids;
                let place = ids.iter().position(is_it);
                let place = place.ok_or(PublishError::NoSuchKey { role: *role, key: *key })?;
                ids.remove(place);
            }
            KeyChange::Threshold { role, threshold } => {
                root.roles.get_mut(*role).threshold = *threshold;
            }
        }
    }
    for role in Role::ALL {
        let keys = root.roles.get(role);
        check_threshold(role, &keys.keyids, keys.threshold)?;
    }
    let roles = &root.roles;
    root.keys.retain(|id, _| Role::ALL.into_iter().any(|role| roles.get(role).keyids.contains(id)));
    Ok(root)
}
