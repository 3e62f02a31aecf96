use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ImageId, ImageName, ImageVersion, Sha256Digest};
use flagstone_disk::DiskError;
use flagstone_payload::PayloadError;
use flagstone_repository::RepositoryError;
use flagstone_signature::SignatureError;

use super::Refusal;
use crate::InstallError;

/// What can go wrong with an update. Whatever it is, what runs and what the loader would start stay
/// as they are, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The system does not say what it is.
    #[error("{path} does not say what this system is: {rule}")]
    System {
        /// What was read.
        path: PathBuf,
        /// What it lacks.
        rule: &'static str,
    },
    /// A file of the kernel's or of the system cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system runs from memory.
    #[error("this system runs from memory: there is no disk to update")]
    NoDisk,
    /// The disk has not the two slots that it should have.
    #[error("the slots of the disk are not as they should be: {rule}")]
    Slots {
        /// The rule that they break.
        rule: &'static str,
    },
    /// The partition table cannot be read or changed.
    #[error("failed to use the partition table")]
    Table {
        /// Why.
        #[source]
        source: DiskError,
    },
    /// The disk cannot be written.
    #[error("failed to write the partition table")]
    WriteTable {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A slot cannot be opened for this alone.
    #[error("failed to open partition {number}")]
    Open {
        /// Its number.
        number: u32,
        /// What the system said; `ResourceBusy` if something uses it.
        #[source]
        source: io::Error,
    },
    /// The EFI system partition cannot be mounted.
    #[error("failed to mount the EFI system partition")]
    Mount {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The EFI system partition cannot be read or written.
    #[error("failed to {action} {folder}")]
    Esp {
        /// What was tried.
        action: &'static str,
        /// The folder of kernel images.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The EFI system partition has no room for one more kernel image.
    #[error(
        "the EFI system partition is full: it has {free_bytes} bytes left, {needed_bytes} are needed"
    )]
    EspFull {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that are needed.
        needed_bytes: u64,
    },
    /// The kernel image of the running system is not where the loader would find it again.
    #[error("the EFI system partition has no {stem}.efi: there would be nothing to fall back to")]
    NothingToFallBackTo {
        /// The entry that lacks.
        stem: String,
    },
    /// The running system has not been found good yet.
    #[error("version {version} is still on trial: it is not known whether it is good")]
    OnTrial {
        /// The version that runs.
        version: ImageVersion,
    },
    /// There are no keys to trust.
    #[error("there are no keys to check updates with")]
    Keys {
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The update cannot be had.
    #[error("failed to get the update")]
    Fetch {
        /// Why.
        #[source]
        source: InstallError,
    },
    /// The update is wrong, or cannot be written.
    #[error("the update was not applied")]
    Payload {
        /// Why.
        #[source]
        source: PayloadError,
    },
    /// The update is for something else.
    #[error("the update is {actual}, this machine runs {id} for {architecture}")]
    OtherImage {
        /// What it is.
        actual: Box<ImageName>,
        /// What the machine runs.
        id: ImageId,
        /// The machine's architecture.
        architecture: flagstone_artifact::Architecture,
    },
    /// The update is a delta from something else.
    #[error("the update is made from root hash {expected}, this machine runs {actual}")]
    OtherBase {
        /// What it needs.
        expected: Sha256Digest,
        /// What runs.
        actual: Sha256Digest,
    },
    /// The update is not to be installed.
    #[error("version {version} is not installed: {refusal}")]
    Refused {
        /// The version.
        version: ImageVersion,
        /// Why not.
        refusal: Refusal,
    },
    /// There is nothing to go back to.
    #[error("there is no other version on this machine to go back to: {reason}")]
    NoRollback {
        /// Why.
        reason: String,
    },
    /// Another update is under way.
    #[error("another update is under way")]
    Busy,
    /// Nobody says where updates come from.
    #[error("there is no address of a repository")]
    NoUrl,
    /// The address is none.
    #[error("the address of the repository cannot be used")]
    Url {
        /// Why.
        #[source]
        source: flagstone_fetch::FetchError,
    },
    /// The repository is not to be believed, or cannot be had.
    #[error("failed to ask the repository for updates")]
    Repository {
        /// Why.
        #[source]
        source: RepositoryError,
    },
    /// An extension of this machine is not there for the next version.
    #[error("there is no extension {id} for version {version}")]
    NoExtension {
        /// The extension.
        id: String,
        /// The version.
        version: ImageVersion,
    },
    /// What was fetched is not the extension that the repository has.
    #[error("{name} is not what the repository says")]
    ExtensionDiffers {
        /// Its name.
        name: String,
    },
    /// The agent's own files cannot be kept.
    #[error("failed to keep {path}")]
    State {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of settings is wrong.
    #[error("{path} is wrong: {reason}")]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A program of the system that is needed failed.
    #[error("failed to run {program}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl From<PayloadError> for UpdateError {
    fn from(source: PayloadError) -> Self {
        Self::Payload { source }
    }
}

impl UpdateError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Keys { .. } => Some(
                "keys come with the image: name them in its recipe, as [update] keys".to_owned(),
            ),
            Self::OnTrial { .. } => Some(
                "wait until boot-complete.target is reached; systemctl list-jobs says what lacks"
                    .to_owned(),
            ),
            Self::EspFull { .. } => {
                Some("remove what else lies there; its size comes from [disk] esp".to_owned())
            }
            Self::OtherBase { .. } => Some("use the full payload".to_owned()),
            Self::Refused { refusal, .. } => refusal.hint(),
            Self::NoExtension { id, .. } => Some(format!(
                "publish it with the release (`flagstone publish --extension`), or remove {id} from \
                 /var/lib/extensions"
            )),
            Self::NoDisk => Some("restart the machine from a newer image".to_owned()),
            Self::Fetch { source } => source.hint(),
            Self::NoUrl => Some(
                "write url = \"…\" into /etc/flagstone/update.toml, or [update] url into the recipe"
                    .to_owned(),
            ),
            Self::Repository { source } => source.hint(),
            _ => None,
        }
    }
}
