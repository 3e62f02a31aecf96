use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ParseError, Sha256Digest};
use flagstone_disk::{DiskError, FatError};
use flagstone_fetch::{FetchError, TransportError, Url};
use flagstone_signature::SignatureError;

use crate::Location;

/// What can go wrong with an installation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A text is no URL.
    #[error("the location cannot be used")]
    Url {
        /// Why.
        #[source]
        source: FetchError,
    },
    /// A URL names no file in a folder.
    #[error("{url} names no file")]
    NoFolder {
        /// The URL.
        url: Url,
    },
    /// A file cannot be had.
    #[error("failed to get {location}")]
    Fetch {
        /// Where it should be.
        location: Location,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// A file that must be there is not.
    #[error("there is no {location}")]
    Missing {
        /// Where it should be.
        location: Location,
    },
    /// There are no signatures.
    #[error("the image is not signed: there is no {location}")]
    Unsigned {
        /// Where they should be.
        location: Location,
    },
    /// A file is longer than any of its kind.
    #[error("{location} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        location: Location,
        /// The limit.
        limit: u64,
    },
    /// The server does not say how long an image is.
    #[error("the server does not say how long {location} is")]
    NoLength {
        /// The image.
        location: Location,
    },
    /// The trusted keys cannot be used.
    #[error("there are no keys to check the image with")]
    Keys {
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The signatures do not suffice.
    #[error("{location} does not vouch for the image")]
    Signature {
        /// The file of signatures.
        location: Location,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The list of digests is none.
    #[error("failed to understand {location}")]
    Sums {
        /// The list.
        location: Location,
        /// Why.
        #[source]
        source: ParseError,
    },
    /// The list of digests does not name the image.
    #[error("{sums} does not list {image}")]
    NotListed {
        /// The image.
        image: Location,
        /// The list.
        sums: Location,
    },
    /// The image is another one.
    #[error("the image has the wrong digest: expected sha256 {expected}, got {actual}")]
    WrongDigest {
        /// What was signed.
        expected: Sha256Digest,
        /// What came.
        actual: Sha256Digest,
    },
    /// The image is shorter or longer than was said.
    #[error("the image has not the length of {expected} bytes that was said")]
    Length {
        /// What was said.
        expected: u64,
        /// What was read of the last piece; `None` if there is more.
        actual: Option<u64>,
    },
    /// A length that no disk image has.
    #[error("a file of {image_bytes} bytes is no disk image")]
    ImageSize {
        /// The length.
        image_bytes: u64,
    },
    /// The image has no partition table, or one that does not fit.
    #[error("the image has no partition table that can be used")]
    Table {
        /// Why.
        #[source]
        source: DiskError,
    },
    /// A partition of the image reaches to where its backup table is.
    #[error("the partition {label} reaches over the end of the image")]
    Beyond {
        /// The partition's label.
        label: String,
    },
    /// The image has no OEM partition.
    #[error("the image has no partition OEM for the Ignition file and the platform")]
    NoOem,
    /// The files do not fit the OEM partition.
    #[error("failed to make the file system of the OEM partition")]
    OemContent {
        /// Why.
        #[source]
        source: FatError,
    },
    /// The Ignition file is none.
    #[error("the Ignition file is not JSON with an ignition.version")]
    Ignition {
        /// Where it is not JSON, if it is not.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The Ignition file is another one.
    #[error("the Ignition file has the wrong digest: expected sha256 {expected}, got {actual}")]
    IgnitionDigest {
        /// What was asked for.
        expected: Sha256Digest,
        /// What came.
        actual: Sha256Digest,
    },
    /// A path is neither a block device nor a regular file.
    #[error("{} is not a disk", disk.display())]
    NoDisk {
        /// The path.
        disk: PathBuf,
    },
    /// A block device is a part of a disk.
    #[error("{} is not a whole disk: {reason}", disk.display())]
    NotWholeDisk {
        /// The path.
        disk: PathBuf,
        /// What it is.
        reason: String,
    },
    /// A disk cannot be written.
    #[error("{} is read-only", disk.display())]
    ReadOnly {
        /// The path.
        disk: PathBuf,
    },
    /// A disk is in use.
    #[error("{} is in use: {reason}", disk.display())]
    InUse {
        /// The path.
        disk: PathBuf,
        /// By what.
        reason: String,
    },
    /// A disk holds the system that runs.
    #[error("{} holds the root of the running system", disk.display())]
    RunningRoot {
        /// The path.
        disk: PathBuf,
    },
    /// A disk has other sectors than the image.
    #[error("{} has sectors of {actual} bytes, the image is made for 512", disk.display())]
    Sectors {
        /// The path.
        disk: PathBuf,
        /// The size of its sectors.
        actual: u32,
    },
    /// A disk is smaller than the image.
    #[error("the disk is too small: it has {disk_bytes} bytes, the image {image_bytes}")]
    TooSmall {
        /// The length of the image.
        image_bytes: u64,
        /// The size of the disk.
        disk_bytes: u64,
    },
    /// A disk cannot be opened.
    #[error("failed to open {}", disk.display())]
    OpenDisk {
        /// The path.
        disk: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel does not tell about a disk.
    #[error("failed to find out whether the disk is in use: {}", path.display())]
    Inspect {
        /// What should have told.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A write failed.
    #[error("failed to write the disk at byte {offset}")]
    Write {
        /// Where.
        offset: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was written is not durable.
    #[error("the disk did not keep what was written")]
    Sync {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An installation that had begun was given up.
    #[error("nothing is installed, and the disk {}", left(*cleared))]
    Stopped {
        /// Whether both ends of the disk could be cleared.
        cleared: bool,
        /// Why.
        #[source]
        source: Box<InstallError>,
    },
}

fn left(cleared: bool) -> &'static str {
    if cleared { "has no partition table now" } else { "could not be cleared either" }
}

impl InstallError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Stopped { source, .. } => return source.hint(),
            Self::Keys { .. } => {
                "put the public keys of who signs into a folder and name it with --keys, or say \
                 --no-signature to install what nobody vouches for"
            }
            Self::Unsigned { .. } => {
                "sign the image's folder with `flagstone sign`, or say --no-signature to install \
                 what nobody vouches for"
            }
            Self::Signature { source, .. } => return source.hint(),
            Self::NotListed { .. } => {
                "build it with `flagstone build`, without --no-disk-sum (`flagstone run` leaves the digest \
                 out, too), or name an image that the list has"
            }
            Self::WrongDigest { .. } | Self::Length { .. } => {
                "the image was changed or cut on its way: get it from another place"
            }
            Self::Fetch { .. } => "check the address and the connection",
            Self::NoLength { .. } => "use a server that says Content-Length",
            Self::Ignition { .. } => "make it from Butane with `flagstone ignition translate`",
            Self::NotWholeDisk { .. } => "name the whole disk; `lsblk` shows which there are",
            Self::NoDisk { .. } => "name a disk such as /dev/sda; `lsblk` shows which there are",
            Self::InUse { .. } => "unmount and close what uses it, or name another disk",
            Self::RunningRoot { .. } => "boot from the network, or from another disk",
            Self::TooSmall { .. } => "use a larger disk, or smaller partitions in the recipe",
            Self::Write { .. } | Self::Sync { .. } => "the disk may be failing: look at `dmesg`",
            Self::OpenDisk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as root"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
