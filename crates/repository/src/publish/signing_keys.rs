use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flagstone_signature::{Document, PrivateKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::PublishError;
use super::role_key::to_hex;
use crate::canonical::canonical;
use crate::key::Key;
use crate::root::Root;
use crate::{Role, UtcTime};

/// The version of TUF that is followed.
const SPEC_VERSION: &str = "1.0.31";
/// What ends the name of a private key's file.
const PRIVATE: &str = "key";

/// The private keys that are at hand. Which of them signs what, root metadata say.
#[derive(Debug, Default)]
pub struct SigningKeys {
    keys: Vec<PrivateKey>,
}

impl SigningKeys {
    /// Takes keys.
    pub fn new(keys: Vec<PrivateKey>) -> Self {
        Self { keys }
    }

    /// Reads the private keys (`*.key`) in folders, and those in files.
    ///
    /// # Errors
    /// [`PublishError::Key`], [`PublishError::File`].
    pub fn read(folders: &[PathBuf], files: &[PathBuf]) -> Result<Self, PublishError> {
        let mut paths = files.to_vec();
        for folder in folders {
            paths.extend(files_ending(folder, PRIVATE)?);
        }
        let read =
            |path: &PathBuf| PrivateKey::read(path).map_err(|source| PublishError::Key { source });
        Ok(Self { keys: paths.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Returns the keys.
    pub fn iter(&self) -> impl Iterator<Item = &PrivateKey> {
        self.keys.iter()
    }

    /// Signs metadata with all keys that the role has in any of the roots. Each root's threshold for the
    /// role has to be met, but for roots that `may_fall_short`.
    pub(super) fn sign(
        &self,
        metadata: &NewMetadata<impl Serialize>,
        must: &[&Root],
        may_fall_short: &[&Root],
    ) -> Result<Vec<u8>, PublishError> {
        let role = metadata.role;
        let mut signers = BTreeMap::new();
        for root in must.iter().chain(may_fall_short) {
            signers.extend(self.of_role(root, role));
        }
        for root in must {
            let needed = root.roles.get(role).threshold;
            let given = self.of_role(root, role).len();
            if u32::try_from(given).is_ok_and(|given| given < needed) {
                return Err(PublishError::MissingKeys { role, needed, given });
            }
        }
        let signed = metadata.to_value();
        let bytes = canonical(&signed).expect("metadata have whole numbers only");
        let document = Document::new(&bytes).expect("metadata are an object");
        let signatures: Vec<_> = signers
            .into_iter()
            .map(|(id, key)| {
                let signature = key.sign_document(document);
                json!({"keyid": id, "sig": to_hex(signature.as_bytes())})
            })
            .collect();
        let envelope = json!({"signatures": signatures, "signed": signed});
        let mut text = serde_json::to_vec_pretty(&envelope).expect("a value is JSON");
        text.push(b'\n');
        Ok(text)
    }

    fn of_role(&self, root: &Root, role: Role) -> BTreeMap<String, &PrivateKey> {
        let ids = &root.roles.get(role).keyids;
        let named = self.keys.iter().map(|key| (Key::of(&key.public()).id(), key));
        named.filter(|(id, _)| ids.contains(id) && root.keys.contains_key(id)).collect()
    }
}

/// Metadata before they are signed.
pub(super) struct NewMetadata<T> {
    pub(super) role: Role,
    pub(super) version: u64,
    pub(super) expires: UtcTime,
    pub(super) content: T,
}

impl<T: Serialize> NewMetadata<T> {
    fn to_value(&self) -> Value {
        let mut value = serde_json::to_value(&self.content).expect("metadata are JSON");
        let members = value.as_object_mut().expect("metadata are an object");
        members.insert("_type".to_owned(), json!(self.role.name()));
        members.insert("spec_version".to_owned(), json!(SPEC_VERSION));
        members.insert("version".to_owned(), json!(self.version));
        members.insert("expires".to_owned(), json!(self.expires));
        value
    }
}

/// Returns the files of a folder whose names end so, in order.
pub(super) fn files_ending(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, PublishError> {
    let failed = |source| PublishError::File { action: "read", path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
