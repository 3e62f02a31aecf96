use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ImageId, ImageName, ImageVersion};
use flagstone_fetch::TransportError;
use flagstone_payload::PayloadError;
use flagstone_signature::{KeyId, SignatureError};

use crate::{Channel, RepositoryError, Role, TargetName};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// What lies in the folder is not a repository that a machine would believe.
    #[error("the repository in {} cannot be continued", path.display())]
    Repository {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<RepositoryError>,
    },
    /// A repository would be made where one is.
    #[error("there is a repository in {} already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Somebody else writes to the repository.
    #[error("the repository in {} is being written to", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file of metadata is there already, of a publication that was cut off or is under way.
    #[error("{} is there already", place.display())]
    Taken {
        /// The file.
        place: PathBuf,
    },
    /// An object store replaces what it was told to leave.
    #[error("the store of {} passes over conditions", place.display())]
    Unconditional {
        /// The repository.
        place: PathBuf,
    },
    /// An object store did not do what it was asked for.
    #[error("failed to {action} {}", place.display())]
    Store {
        /// What was tried: "write".
        action: &'static str,
        /// The object.
        place: PathBuf,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// A new repository has no key for a role.
    #[error("there is no key for the role {role}")]
    NoRoleKeys {
        /// The role.
        role: Role,
    },
    /// Too few of a role's private keys are here.
    #[error("{needed} keys of the role {role} have to sign, and {given} are here")]
    MissingKeys {
        /// The role.
        role: Role,
        /// How many must sign.
        needed: u32,
        /// How many can.
        given: usize,
    },
    /// A threshold that no signatures, or all of them, would meet.
    #[error("a threshold of {threshold} for the role {role} cannot be met by {keys} keys")]
    Threshold {
        /// The role.
        role: Role,
        /// How many must sign.
        threshold: u32,
        /// How many keys there are.
        keys: usize,
    },
    /// A key is to go that is not there.
    #[error("the role {role} has no key {key}")]
    NoSuchKey {
        /// The role.
        role: Role,
        /// The key.
        key: KeyId,
    },
    /// A key could not be read.
    #[error("a key cannot be used")]
    Key {
        /// What is wrong.
        #[source]
        source: SignatureError,
    },
    /// A payload is not what its signers signed, or none of the trusted keys signed it.
    #[error("{} is not published", path.display())]
    Payload {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<PayloadError>,
    },
    /// A payload lies under the name of another one.
    #[error("{} is the payload of {actual}, not what its name says", path.display())]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The release in it.
        actual: ImageName,
    },
    /// Nothing to publish was given.
    #[error("there is no payload in {}", path.display())]
    NoPayload {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is no extension of what is published.
    #[error("{} is not called like an extension of a release that is published", path.display())]
    OtherExtension {
        /// The file.
        path: PathBuf,
    },
    /// A release has deltas, but nothing for machines that run something else.
    #[error("{image} has no full payload")]
    NoFullPayload {
        /// The release.
        image: ImageName,
    },
    /// Payloads of one image that are not of one release.
    #[error("payloads of two releases of {id} were given: {one} and {other}")]
    TwoReleases {
        /// The image.
        id: ImageId,
        /// One of them.
        one: ImageVersion,
        /// The other one; if it has the same version, another content.
        other: ImageVersion,
    },
    /// A target of this name is published with other bytes.
    #[error("{name} is published already, with other bytes")]
    TargetDiffers {
        /// The target.
        name: TargetName,
    },
    /// A channel would go back.
    #[error("channel {channel} has version {published} already, and {given} is older")]
    Older {
        /// The channel.
        channel: Channel,
        /// What it has.
        published: ImageVersion,
        /// What was to be published.
        given: ImageVersion,
    },
    /// A channel file would break a rule.
    #[error("the channel cannot have this")]
    Offer {
        /// Which one.
        #[source]
        source: Box<RepositoryError>,
    },
    /// A file could not be read or written.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried: "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl PublishError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Repository { .. } => {
                "restore the folder as it was published last; machines keep what they have meanwhile"
            }
            Self::Exists { .. } => "publish into it, or choose another folder",
            Self::Busy { .. } => "wait until the other `flagstone publish` is done",
            Self::Taken { .. } => {
                "wait until the other `flagstone publish` is done; if there is none, remove what it left"
            }
            Self::Unconditional { .. } => {
                "take a store that knows If-None-Match and If-Match when objects are written: two \
                 publishers would mix what they write"
            }
            Self::Store { source: TransportError::Status(401 | 403), .. } => {
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION say who asks; who publishes may \
                 list, get and put"
            }
            Self::Store { .. } => "AWS_ENDPOINT_URL says where the store is",
            Self::NoRoleKeys { .. } => {
                "make keys and repository with `flagstone publish init`; keys are called after \
                 their roles: root, targets, snapshot, timestamp"
            }
            Self::MissingKeys { .. } => "name the folder, or the files, of further private keys",
            Self::Threshold { .. } => "a threshold is at least 1 and at most the number of keys",
            Self::NoSuchKey { .. } => "`flagstone keys show` tells the ids of keys",
            Self::Key { source } => return source.hint(),
            Self::Payload { source, .. } => return source.hint(),
            Self::WrongName { .. } => "give the file its own name back",
            Self::NoPayload { .. } => "make one with `flagstone payload create`",
            Self::OtherExtension { .. } => {
                "give the file its own name back: the release's, and `.<id>.sysext.raw`"
            }
            Self::NoFullPayload { .. } => "publish the full payload with, or before, its deltas",
            Self::TwoReleases { .. } => "publish one release of an image at a time",
            Self::TargetDiffers { .. } => {
                "what was published never changes: build with another version"
            }
            Self::Older { .. } => {
                "publish a newer version, or say --older; machines that run the newer one keep it"
            }
            Self::Offer { .. } | Self::File { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
