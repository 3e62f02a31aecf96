use flagstone_fetch::{Transport, Url};
use serde::de::DeserializeOwned;

use crate::datastore::Datastore;
use crate::download::{check, download};
use crate::root::Root;
use crate::signed::{Signed, Verified};
use crate::snapshot::{FileVersion, Snapshot};
use crate::targets::Targets;
use crate::timestamp::Timestamp;
use crate::{RepositoryError, Role, UtcTime};

/// How many new roots are followed at once.
const NEW_ROOTS_MAX: usize = 256;

/// One reading of a repository's metadata, in the order of TUF 1.0, section 5.
pub(crate) struct Session<'a> {
    pub(crate) transport: &'a dyn Transport,
    /// The folder `metadata`.
    pub(crate) metadata: Url,
    /// What was seen before; none for whoever publishes, since what lies there is the newest.
    pub(crate) seen: Option<Datastore>,
    pub(crate) now: UtcTime,
}

/// All metadata of a repository, verified against each other.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) root: Verified<Root>,
    pub(crate) timestamp: Verified<Timestamp>,
    pub(crate) snapshot: Verified<Snapshot>,
    pub(crate) targets: Verified<Targets>,
}

impl Session<'_> {
    /// Reads and verifies everything, and keeps what is newer than what was seen.
    pub(crate) fn load(&self, trusted_root: &[u8]) -> Result<State, RepositoryError> {
        let root = self.root(trusted_root)?;
        let timestamp = self.timestamp(&root)?;
        let snapshot = self.snapshot(&root, &timestamp.content.meta.snapshot)?;
        let meta = &snapshot.content.meta.targets;
        let (targets, bytes) = self.named(&root, Role::Targets, meta)?;
        self.keep(Role::Targets.file(), &bytes)?;
        Ok(State { root, timestamp, snapshot, targets })
    }

    /// Follows the roots from the trusted one to the newest: those that were seen, then the repository's.
    ///
    /// A kept root that the one before does not vouch for belongs to another repository, and is passed
    /// over: what the image brings decides.
    fn root(&self, trusted: &[u8]) -> Result<Verified<Root>, RepositoryError> {
        let mut root = Root::trusted(Role::Root.file(), trusted)?;
        loop {
            let file = format!("{}.root.json", root.version.saturating_add(1));
            let Some(bytes) = self.kept(&file, Role::Root)? else { break };
            match Root::next(&root, &file, &bytes) {
                Ok(next) => root = next,
                Err(RepositoryError::BadSignature { .. }) => break,
                Err(error) => return Err(self.damaged(&file, error)),
            }
        }
        for _ in 0..NEW_ROOTS_MAX {
            let file = format!("{}.root.json", root.version.saturating_add(1));
            let url = self.url(&file)?;
            let Some(bytes) = download(self.transport, &url, &file, Role::Root.limit())? else {
                root.check_expiry(Role::Root.file(), self.now)?;
                return Ok(root);
            };
            root = Root::next(&root, &file, &bytes)?;
            self.keep(&file, &bytes)?;
        }
        Err(RepositoryError::format(Role::Root.file(), "there are at most 256 new ones at once"))
    }

    fn timestamp(&self, root: &Verified<Root>) -> Result<Verified<Timestamp>, RepositoryError> {
        let file = Role::Timestamp.file();
        let seen: Option<Verified<Timestamp>> = self.seen(root, Role::Timestamp)?;
        let url = self.url(file)?;
        let bytes = download(self.transport, &url, file, Role::Timestamp.limit())?;
        let bytes = bytes.ok_or_else(|| not_found(file))?;
        let mut timestamp: Verified<Timestamp> = verify(root, Role::Timestamp, file, &bytes)?;
        if let Some(seen) = seen {
            timestamp.check_version(file, seen.version)?;
            let versions =
                |timestamp: &Verified<Timestamp>| timestamp.content.meta.snapshot.version;
            not_older(Role::Snapshot, versions(&seen), versions(&timestamp))?;
            if timestamp.version == seen.version {
                // Two texts of one version are a mistake of the repository's; the first one holds.
                timestamp = seen;
            }
        }
        timestamp.check_expiry(file, self.now)?;
        self.keep(file, &bytes)?;
        Ok(timestamp)
    }

    fn snapshot(
        &self,
        root: &Verified<Root>,
        meta: &FileVersion,
    ) -> Result<Verified<Snapshot>, RepositoryError> {
        let seen: Option<Verified<Snapshot>> = self.seen(root, Role::Snapshot)?;
        let (snapshot, bytes): (Verified<Snapshot>, _) = self.named(root, Role::Snapshot, meta)?;
        if let Some(seen) = seen {
            let versions = |snapshot: &Verified<Snapshot>| snapshot.content.meta.targets.version;
            not_older(Role::Targets, versions(&seen), versions(&snapshot))?;
        }
        self.keep(Role::Snapshot.file(), &bytes)?;
        Ok(snapshot)
    }

    /// Reads a file whose version, and perhaps length and digest, other metadata name.
    fn named<T: DeserializeOwned>(
        &self,
        root: &Verified<Root>,
        role: Role,
        meta: &FileVersion,
    ) -> Result<(Verified<T>, Vec<u8>), RepositoryError> {
        let file = format!("{}.{}", meta.version, role.file());
        let sha256 = meta.hashes.as_ref().map(|hashes| hashes.sha256);
        let fits = |bytes: &Vec<u8>| check(&file, bytes, meta.length, sha256).is_ok();
        let kept = self.kept(role.file(), role)?.filter(|bytes| sha256.is_some() && fits(bytes));
        let bytes = if let Some(bytes) = kept {
            bytes
        } else {
            let limit = meta.length.unwrap_or(u64::MAX).min(role.limit());
            let bytes = download(self.transport, &self.url(&file)?, &file, limit)?;
            bytes.ok_or_else(|| not_found(&file))?
        };
        check(&file, &bytes, meta.length, sha256)?;
        let verified: Verified<T> = verify(root, role, &file, &bytes)?;
        if verified.version != meta.version {
            return Err(RepositoryError::format(&file, "its version is that of its name"));
        }
        verified.check_expiry(&file, self.now)?;
        Ok((verified, bytes))
    }

    /// Returns what was seen of a role, if the keys that the role has now vouch for it. Those of another
    /// repository and those from before a rotation are passed over, so that a version that a thief made too
    /// high does not last (TUF 1.0, 5.3.11).
    fn seen<T: DeserializeOwned>(
        &self,
        root: &Verified<Root>,
        role: Role,
    ) -> Result<Option<Verified<T>>, RepositoryError> {
        let Some(bytes) = self.kept(role.file(), role)? else { return Ok(None) };
        match verify(root, role, role.file(), &bytes) {
            Ok(seen) => Ok(Some(seen)),
            Err(RepositoryError::BadSignature { .. }) => Ok(None),
            Err(error) => Err(self.damaged(role.file(), error)),
        }
    }

    fn kept(&self, file: &str, role: Role) -> Result<Option<Vec<u8>>, RepositoryError> {
        self.seen.as_ref().map_or(Ok(None), |seen| seen.get(file, role))
    }

    /// Keeps a file, unless it is the one that is kept.
    fn keep(&self, file: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        let Some(seen) = &self.seen else { return Ok(()) };
        if seen.get(file, Role::Targets).ok().flatten().is_some_and(|kept| kept == bytes) {
            return Ok(());
        }
        seen.put(file, bytes)
    }

    fn damaged(&self, file: &str, source: RepositoryError) -> RepositoryError {
        match &self.seen {
            Some(seen) => seen.damaged(file, source),
            None => source,
        }
    }

    fn url(&self, file: &str) -> Result<Url, RepositoryError> {
        self.metadata.join(file).map_err(|source| RepositoryError::Url { source })
    }
}

/// Reads metadata that the keys of their role have signed.
fn verify<T: DeserializeOwned>(
    root: &Verified<Root>,
    role: Role,
    file: &str,
    bytes: &[u8],
) -> Result<Verified<T>, RepositoryError> {
    let signed = Signed::parse(role, file, bytes)?;
    signed.check(&root.content.keys, root.content.roles.get(role))?;
    signed.read()
}

fn not_older(role: Role, seen: u64, found: u64) -> Result<(), RepositoryError> {
    if found >= seen {
        return Ok(());
    }
    Err(RepositoryError::Rollback { file: role.file().to_owned(), seen, found })
}

fn not_found(file: &str) -> RepositoryError {
    RepositoryError::NotFound { name: file.to_owned() }
}
