use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flagstone_fetch::Url;
use flagstone_signature::TrustedKeys;

use super::bucket::Bucket;
use super::candidate::Candidate;
use super::extension::Extension;
use super::folder::Folder;
use super::plan::{add_file, plan};
use super::signer::{Files, Signer, Versions};
use super::signing_keys::NewMetadata;
use super::store::Store;
use super::{NewRoot, Publication, PublishError, SigningKeys};
use crate::download::{check, download};
use crate::session::{Session, State};
use crate::targets::Targets;
use crate::{CHANNEL_FILE_MAX, Offer, RepositoryError, Role, TargetName, UtcTime};

/// The root that a repository began with.
const FIRST_ROOT: &str = "1.root.json";
const DAY: Duration = Duration::from_hours(24);
/// How long roots are good: whoever forgets them for longer has lost the keys.
pub(super) const ROOT_DAYS: u32 = 3 * 365;
/// How long targets are good; who has their keys is a person, who is needed once a year.
pub(super) const TARGETS_DAYS: u32 = 365;

/// When something is published, and for how long that is the newest at least.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The time of the publication.
    pub now: SystemTime,
    /// For how many days `timestamp.json` and the snapshot are good. Until then they have to be
    /// refreshed, and for so long an old state can be passed off as the newest.
    pub days: u32,
}

/// How many versions are passed over that others have taken.
const SKIPS_MAX: usize = 64;

/// A repository, in a folder of this machine that is locked against other publishers, or in an object store.
#[derive(Debug)]
pub struct Publisher {
    pub(super) store: Box<dyn Store>,
    pub(super) state: State,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What channels have now, as far as it was published just now.
    pub offers: Vec<Offer>,
    /// Until when metadata are good, with the versions of their files, in the order of [`Role::ALL`].
    pub metadata: Vec<(Role, u64, UtcTime)>,
}

impl Publisher {
    /// Opens the repository in a folder, all metadata of which are verified; none if there is none.
    ///
    /// # Errors
    /// [`PublishError::Repository`], [`PublishError::Busy`], [`PublishError::File`].
    pub fn open(path: &Path) -> Result<Option<Self>, PublishError> {
        if !path.join("metadata").is_dir() {
            return Ok(None);
        }
        Self::open_store(Box::new(Folder::open(path)?))
    }

    /// Does what [`Self::open`] does, in an object store.
    ///
    /// # Errors
    /// [`PublishError::Repository`], [`PublishError::Store`], [`PublishError::Unconditional`].
    pub fn open_bucket(bucket: Bucket) -> Result<Option<Self>, PublishError> {
        Self::open_store(Box::new(bucket))
    }

    fn open_store(store: Box<dyn Store>) -> Result<Option<Self>, PublishError> {
        let Some(root) = store.read_metadata(FIRST_ROOT)? else { return Ok(None) };
        store.check(&root)?;
        let state = read(&*store, &root)?;
        Ok(Some(Self { store, state }))
    }

    /// Makes an empty repository.
    ///
    /// # Errors
    /// [`PublishError::Exists`], [`PublishError::NoRoleKeys`], [`PublishError::Threshold`],
    /// [`PublishError::MissingKeys`], [`PublishError::File`].
    pub fn create(
        path: &Path,
        new: &NewRoot,
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Self, PublishError> {
        Self::create_store(|| Ok(Box::new(Folder::open(path)?)), new, keys, terms)
    }

    /// Does what [`Self::create`] does, in an object store.
    ///
    /// # Errors
    /// Those of [`Self::create`]; [`PublishError::Store`], [`PublishError::Unconditional`].
    pub fn create_in_bucket(
        bucket: Bucket,
        new: &NewRoot,
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Self, PublishError> {
        Self::create_store(|| Ok(Box::new(bucket)), new, keys, terms)
    }

    fn create_store(
        open: impl FnOnce() -> Result<Box<dyn Store>, PublishError>,
        new: &NewRoot,
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Self, PublishError> {
        let root = new.to_root()?;
        let expires = terms.days_from_now(ROOT_DAYS);
        let metadata = NewMetadata { role: Role::Root, version: 1, expires, content: &root };
        let root_bytes = keys.sign(&metadata, &[&root], &[])?;
        // What cannot be signed is noticed before there is a folder.
        let signer = Signer { keys, root: &root, old: None, terms };
        let make = |versions| signer.targets(versions, &Targets::default());
        make(Versions::default())?;
        let store = open()?;
        if store.read_metadata(FIRST_ROOT)?.is_some() {
            return Err(PublishError::Exists { path: store.place().to_owned() });
        }
        // The first root comes last: without it the place is no repository yet.
        commit(&*store, Versions::default(), make)?;
        store.put_metadata(FIRST_ROOT, &root_bytes)?;
        store.check(&root_bytes)?;
        let state = read(&*store, &root_bytes)?;
        Ok(Self { store, state })
    }

    /// Verifies payloads and publishes them: first targets, then metadata, `timestamp.json` last.
    ///
    /// # Errors
    /// Any [`PublishError`]; a reader then sees what was published before.
    pub fn publish(
        &mut self,
        publication: &Publication,
        payload_keys: &TrustedKeys,
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Published, PublishError> {
        let candidates = Candidate::read_all(&publication.payloads, payload_keys)?;
        let read = |path: &PathBuf| Extension::read(path, &candidates);
        let extensions = publication.extensions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut targets = self.state.targets.content.clone();
        for Extension { name, size_bytes, sha256, .. } in &extensions {
            add_file(&mut targets, name, *size_bytes, *sha256)?;
        }
        let current = |name: &TargetName| self.offer(name);
        let offers = plan(publication, &candidates, &mut targets, UtcTime::of(terms.now), current)?;
        for offer in &offers {
            targets.put(&offer.file(), &offer.to_bytes());
        }
        let (signer, versions) = (self.signer(keys, terms), Versions::of(&self.state));
        let make = |versions| signer.targets(versions, &targets);
        // What cannot be signed is noticed before anything is written.
        make(versions)?;
        for Candidate { name, path, size_bytes, sha256, .. } in &candidates {
            self.store.copy_target(name, path, *size_bytes, *sha256)?;
        }
        for Extension { path, name, size_bytes, sha256 } in &extensions {
            self.store.copy_target(name, path, *size_bytes, *sha256)?;
        }
        for offer in &offers {
            self.store.put_target(&offer.file(), &offer.to_bytes())?;
        }
        commit(&*self.store, versions, make)?;
        self.reread()?;
        Ok(self.published(offers))
    }

    /// Signs snapshot and `timestamp.json` anew, with a new end of their time. Targets too, if they end
    /// sooner than the new time does.
    ///
    /// # Errors
    /// [`PublishError::MissingKeys`], [`PublishError::File`].
    pub fn refresh(&mut self, keys: &SigningKeys, terms: Terms) -> Result<Published, PublishError> {
        let (signer, versions) = (self.signer(keys, terms), Versions::of(&self.state));
        commit(&*self.store, versions, |versions| {
            if self.state.targets.expires < terms.days_from_now(terms.days) {
                signer.targets(versions, &self.state.targets.content)
            } else {
                signer.snapshot(versions, self.state.snapshot.content.meta.targets.clone())
            }
        })?;
        self.reread()?;
        Ok(self.published(Vec::new()))
    }

    /// Tells what is published, without changing anything.
    pub fn status(&self) -> Published {
        self.published(Vec::new())
    }

    /// Returns the root metadata that new machines are to start from.
    ///
    /// # Errors
    /// [`PublishError::File`].
    pub fn root(&self) -> Result<Vec<u8>, PublishError> {
        let name = format!("{}.root.json", self.state.root.version);
        Ok(self.store.read_metadata(&name)?.unwrap_or_default())
    }

    pub(super) fn published(&self, offers: Vec<Offer>) -> Published {
        let State { root, targets, snapshot, timestamp } = &self.state;
        let metadata = vec![
            (Role::Root, root.version, root.expires),
            (Role::Targets, targets.version, targets.expires),
            (Role::Snapshot, snapshot.version, snapshot.expires),
            (Role::Timestamp, timestamp.version, timestamp.expires),
        ];
        Published { offers, metadata }
    }

    /// Reads the repository again, as a machine would: what was written has to be what was meant.
    pub(super) fn reread(&mut self) -> Result<(), PublishError> {
        let first = self.store.read_metadata(FIRST_ROOT)?.unwrap_or_default();
        self.state = read(&*self.store, &first)?;
        Ok(())
    }

    fn signer<'a>(&'a self, keys: &'a SigningKeys, terms: Terms) -> Signer<'a> {
        Signer { keys, root: &self.state.root.content, old: None, terms }
    }

    /// Reads what a channel has.
    fn offer(&self, name: &TargetName) -> Result<Option<Offer>, PublishError> {
        let Some(file) = self.state.targets.content.targets.get(name.as_str()) else {
            return Ok(None);
        };
        let sha256 = file.hashes.sha256;
        let read = || {
            let url: Url = format!("file:///targets/{}", name.path(sha256))
                .parse()
                .map_err(|source| RepositoryError::Url { source })?;
            let bytes = download(&*self.store, &url, name.as_str(), CHANNEL_FILE_MAX)?;
            let bytes =
                bytes.ok_or_else(|| RepositoryError::NotFound { name: name.to_string() })?;
            check(name.as_str(), &bytes, Some(file.length), Some(sha256))?;
            Offer::parse(name.as_str(), &bytes)
        };
        read().map(Some).map_err(|source| repository(&*self.store, source))
    }
}

impl Terms {
    pub(super) fn days_from_now(self, days: u32) -> UtcTime {
        UtcTime::of(self.now).after(DAY.saturating_mul(days))
    }
}

/// Writes metadata in their order. Versions that are taken are passed over: those of a publication that was cut
/// off stay unread, and of two at a time one replaces the timestamp.
pub(super) fn commit(
    store: &dyn Store,
    mut before: Versions,
    make: impl Fn(Versions) -> Result<Files, PublishError>,
) -> Result<(), PublishError> {
    for _ in 0..SKIPS_MAX {
        let files = make(before)?;
        match files.iter().try_for_each(|(name, bytes)| store.put_metadata(name, bytes)) {
            Err(PublishError::Taken { .. }) => before = before.skip(),
            done => return done,
        }
    }
    Err(PublishError::Busy { path: store.place().to_owned() })
}

fn repository(store: &dyn Store, source: RepositoryError) -> PublishError {
    PublishError::Repository { path: store.place().to_owned(), source: Box::new(source) }
}

fn read(store: &dyn Store, first_root: &[u8]) -> Result<State, PublishError> {
    let metadata = "file:///metadata".parse().expect("this is a URL");
    // What has expired can still be refreshed.
    let now = UtcTime::of(SystemTime::UNIX_EPOCH);
    let session = Session { transport: store, metadata, seen: None, now };
    session.load(first_root).map_err(|source| repository(store, source))
}
