use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use flagstone_artifact::{Architecture, ImageId, ParseError, Sha256Digest};
use flagstone_fetch::{Transport, Url};

use crate::datastore::Datastore;
use crate::download::{check, download};
use crate::session::{Session, State};
use crate::targets::TargetFile;
use crate::{CHANNEL_FILE_MAX, Channel, Offer, RepositoryError, TargetName, UtcTime};

/// A repository whose metadata were verified: what they say can be relied on.
pub struct Repository<'a> {
    transport: &'a dyn Transport,
    /// The folder `targets`.
    targets: Url,
    state: State,
}

/// Where a target lies, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetLocation {
    /// Its address. Under it the bytes never change.
    pub url: Url,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
}

impl<'a> Repository<'a> {
    /// Reads and verifies the metadata of the repository at `url`, by this machine's clock.
    ///
    /// `trusted_root` are the root metadata that the machine starts from. `datastore` is a folder that
    /// keeps the newest metadata that were seen, so that older ones are refused later; it is made if it
    /// is not there, and belongs to one process at a time.
    ///
    /// # Errors
    /// Any [`RepositoryError`]. After [`RepositoryError::Datastore`] and [`RepositoryError::Damaged`], too,
    /// nothing was believed that could not be verified.
    pub fn open(
        trusted_root: &[u8],
        url: &Url,
        transport: &'a dyn Transport,
        datastore: &Path,
    ) -> Result<Self, RepositoryError> {
        Self::open_at(trusted_root, url, transport, datastore, SystemTime::now())
    }

    /// Does what [`Self::open`] does, by a clock of the caller's.
    ///
    /// On a machine without a clock of its own, pass what is later: its clock, or the date of the image
    /// that runs. Metadata that had expired before the image was made are then refused, whatever the
    /// clock says.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at(
        trusted_root: &[u8],
        url: &Url,
        transport: &'a dyn Transport,
        datastore: &Path,
        now: SystemTime,
    ) -> Result<Self, RepositoryError> {
        let below = |folder| url.join(folder).map_err(|source| RepositoryError::Url { source });
        let session = Session {
            transport,
            metadata: below("metadata")?,
            seen: Some(Datastore::open(datastore)?),
            now: UtcTime::of(now),
        };
        let state = session.load(trusted_root)?;
        Ok(Self { transport, targets: below("targets")?, state })
    }

    /// Returns what a channel has for an image now; none if the channel has no such image.
    ///
    /// # Errors
    /// [`RepositoryError::Word`] for what is no channel or image id; those of [`Self::target`] and of
    /// [`Offer::parse`]; [`RepositoryError::Unreachable`], [`RepositoryError::WrongSize`],
    /// [`RepositoryError::WrongDigest`], [`RepositoryError::NotFound`] if the channel's file is not there
    /// although it should be.
    pub fn offer(
        &self,
        channel: &str,
        id: &str,
        architecture: Architecture,
    ) -> Result<Option<Offer>, RepositoryError> {
        let channel: Channel = channel.parse().map_err(word)?;
        let id: ImageId = id.parse().map_err(word)?;
        let name = channel.file_for(&id, architecture);
        let Some(file) = self.find(&name) else { return Ok(None) };
        let location = self.locate(&name, file)?;
        let bytes = self.read(&name, &location)?;
        let offer = Offer::parse(name.as_str(), &bytes)?;
        if !offer.is_for(&channel, &id, architecture) {
            return Err(RepositoryError::format(name.as_str(), "it is about what its name says"));
        }
        Ok(Some(offer))
    }

    /// Returns where a target lies and what it must be, for a reader that can continue where it stopped.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is none of this name, [`RepositoryError::Word`].
    pub fn target(&self, name: &str) -> Result<TargetLocation, RepositoryError> {
        let name: TargetName = name.parse().map_err(word)?;
        let file = self.find(&name);
        let file = file.ok_or_else(|| RepositoryError::NotFound { name: name.to_string() })?;
        self.locate(&name, file)
    }

    /// Returns the version of the newest root metadata.
    pub fn root_version(&self) -> u64 {
        self.state.root.version
    }

    /// Returns until when what was read is good: the earliest end of all metadata.
    pub fn expires(&self) -> UtcTime {
        let State { root, timestamp, snapshot, targets } = &self.state;
        root.expires.min(timestamp.expires).min(snapshot.expires).min(targets.expires)
    }

    fn find(&self, name: &TargetName) -> Option<&TargetFile> {
        self.state.targets.content.targets.get(name.as_str())
    }

    fn locate(
        &self,
        name: &TargetName,
        file: &TargetFile,
    ) -> Result<TargetLocation, RepositoryError> {
        let sha256 = file.hashes.sha256;
        let url = self.targets.join(&name.path(sha256));
        let url = url.map_err(|source| RepositoryError::Url { source })?;
        Ok(TargetLocation { url, size_bytes: file.length, sha256 })
    }

    /// Reads a small target whole.
    fn read(&self, name: &TargetName, at: &TargetLocation) -> Result<Vec<u8>, RepositoryError> {
        let limit = at.size_bytes.min(CHANNEL_FILE_MAX);
        let bytes = download(self.transport, &at.url, name.as_str(), limit)?;
        let bytes = bytes.ok_or_else(|| RepositoryError::NotFound { name: name.to_string() })?;
        check(name.as_str(), &bytes, Some(at.size_bytes), Some(at.sha256))?;
        Ok(bytes)
    }
}

fn word(source: ParseError) -> RepositoryError {
    RepositoryError::Word { source }
}

impl fmt::Debug for Repository<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport: _, targets, state } = self;
        f.debug_struct("Repository").field("targets", targets).field("state", state).finish()
    }
}
