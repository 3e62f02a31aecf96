use std::io;
use std::path::PathBuf;

use flagstone_artifact::{ParseError, Sha256Digest};
use flagstone_image::VerityError;
use flagstone_signature::{Purpose, SignatureError};

use crate::PartitionName;

/// What can be wrong with a payload, or with what it is made of or written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The first 24 bytes are not those of a payload that is known.
    #[error("the header is wrong: {rule}")]
    Header {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A signature is not spelled as it must be.
    #[error("signature {slot} for {purpose} is wrong: {rule}")]
    Slot {
        /// What the signatures are for.
        purpose: Purpose,
        /// Which one, from 1.
        slot: usize,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There are more signatures than the payload has room for.
    #[error("the payload has room for {slots} signatures, and all of it is taken")]
    NoSlot {
        /// How many.
        slots: usize,
    },
    /// The signatures do not suffice.
    #[error("the signatures for {purpose} do not vouch for the payload")]
    Signature {
        /// What they are for.
        purpose: Purpose,
        /// Why not.
        #[source]
        source: SignatureError,
    },
    /// The manifest is no message of the schema.
    #[error("the manifest is no protobuf message of the schema")]
    Protobuf {
        /// Where it is not.
        #[source]
        source: prost::DecodeError,
    },
    /// The manifest says what no payload of this program says.
    #[error("{place} of the manifest is wrong: {rule}")]
    Manifest {
        /// Which part: `operation 3 of usr`.
        place: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A word in the manifest is none.
    #[error("the manifest names something that cannot be")]
    Word {
        /// The word.
        #[source]
        source: ParseError,
    },
    /// The payload cannot be read.
    #[error("failed to read the payload at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system said; `UnexpectedEof` if it is cut off.
        #[source]
        source: io::Error,
    },
    /// There is more than the manifest says.
    #[error("the payload goes on after its end at byte {end}")]
    Trailing {
        /// Where it should end.
        end: u64,
    },
    /// The data of an operation has another digest.
    #[error(
        "operation {operation} of {partition} has the wrong data: expected sha256 {expected}, got {actual}"
    )]
    Data {
        /// The partition.
        partition: PartitionName,
        /// Which operation, from 1.
        operation: usize,
        /// What the manifest says.
        expected: Sha256Digest,
        /// What came.
        actual: Sha256Digest,
    },
    /// The data of an operation does not give what it should.
    #[error("operation {operation} of {partition} does not unpack to {expected} bytes")]
    Unpack {
        /// The partition.
        partition: PartitionName,
        /// Which operation, from 1.
        operation: usize,
        /// How many bytes it should give.
        expected: u64,
    },
    /// The data of an operation is no patch, or none for the old content.
    #[error("operation {operation} of {partition} does not patch: {rule}")]
    Patch {
        /// The partition.
        partition: PartitionName,
        /// Which operation, from 1.
        operation: usize,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A delta has to be compressed by a library that this program does not have.
    #[error(
        "the delta is for another compressor: expected library version {expected} and format {expected_format}, got {actual} and {actual_format}"
    )]
    Library {
        /// The library's version that made it.
        expected: u32,
        /// The version of how images were written.
        expected_format: u32,
        /// The library's version here.
        actual: u32,
        /// The version of how images are written.
        actual_format: u32,
    },
    /// A target has too little room.
    #[error("the target of {partition} is too small: it has {actual} bytes, {expected} are needed")]
    TooSmall {
        /// The partition.
        partition: PartitionName,
        /// Bytes that are needed.
        expected: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// A target cannot be written, or read back.
    #[error("failed to {action} the target of {partition} at byte {offset}")]
    Target {
        /// What was tried: "write".
        action: &'static str,
        /// The partition.
        partition: PartitionName,
        /// Where.
        offset: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was written is not durable.
    #[error("the target of {partition} did not keep what was written")]
    Sync {
        /// The partition.
        partition: PartitionName,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The hash tree cannot be kept.
    #[error("failed to write the hash tree")]
    Tree {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The hash tree needs more room.
    #[error(
        "the target of the hash tree is too small: it has {actual} bytes, {expected} are needed"
    )]
    TreeTooLarge {
        /// Bytes that are needed.
        expected: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// A delta without what it is made from.
    #[error("the payload is a delta: it needs the images that it is made from")]
    NoSource,
    /// A checkpoint of something else.
    #[error("the checkpoint was not taken of this payload")]
    Checkpoint,
    /// What a delta is made from cannot be read.
    #[error("failed to read the old {partition} at byte {offset}")]
    Source {
        /// The partition.
        partition: PartitionName,
        /// Where.
        offset: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What a delta is made from is another image.
    #[error(
        "operation {operation} of {partition} finds another old image: expected sha256 {expected}, got {actual}"
    )]
    OldData {
        /// The partition.
        partition: PartitionName,
        /// Which operation, from 1.
        operation: usize,
        /// What the manifest says.
        expected: Sha256Digest,
        /// What was read.
        actual: Sha256Digest,
    },
    /// What a target holds is not what was to be written.
    #[error(
        "{partition} has the wrong digest as it was written: expected sha256 {expected}, got {actual}"
    )]
    Written {
        /// The partition.
        partition: PartitionName,
        /// What the manifest says.
        expected: Sha256Digest,
        /// What was read back.
        actual: Sha256Digest,
    },
    /// The hash tree of what was written has another root.
    #[error("the hash tree of usr has the wrong root: expected {expected}, got {actual}")]
    RootHash {
        /// What the manifest says.
        expected: Sha256Digest,
        /// What was computed.
        actual: Sha256Digest,
    },
    /// The hash tree cannot be computed.
    #[error("failed to compute the hash tree of usr")]
    Verity {
        /// Why.
        #[source]
        source: VerityError,
    },
    /// A release's file cannot be read.
    #[error("failed to read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder holds no release.
    #[error("{} is not the folder of one build: {rule}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is amiss.
        rule: &'static str,
    },
    /// A release's list of digests or hash tree is none.
    #[error("failed to understand {}", path.display())]
    Understand {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A release's file is not the one that its list of digests names.
    #[error("{} has the wrong digest: expected sha256 {expected}, got {actual}", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What the list says.
        expected: Sha256Digest,
        /// What it is.
        actual: Sha256Digest,
    },
    /// A file is longer than a payload can carry.
    #[error("{} has {actual} bytes: a payload carries 1 byte to {limit}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The most.
        limit: u64,
        /// Its length.
        actual: u64,
    },
    /// What is compressed cannot be kept, or the payload cannot be written.
    #[error("failed to write the payload")]
    Write {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A compressor failed.
    #[error("failed to compress")]
    Compress {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl PayloadError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Signature { source: SignatureError::BadSignature(_), .. }
            | Self::Trailing { .. }
            | Self::Data { .. }
            | Self::Slot { .. } => "the payload was changed or cut: get it anew",
            Self::Read { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                "the payload is cut off: get it anew"
            }
            Self::Signature { source, .. } => return source.hint(),
            Self::Header { .. } => "name a file that `flagstone payload create` wrote",
            Self::NoSlot { .. } => "create it with --slots and the number of all keys that sign",
            Self::TooSmall { .. } | Self::TreeTooLarge { .. } => "use a larger partition",
            Self::Library { .. } | Self::Patch { .. } => "use the full payload of the release",
            Self::NoSource | Self::OldData { .. } => {
                "name the images of the old release, or use a full payload"
            }
            Self::Checkpoint => "begin anew",
            Self::Written { .. } | Self::RootHash { .. } | Self::Target { .. } => {
                "the disk may be failing: look at `dmesg`"
            }
            Self::Folder { .. } => "name the folder that `flagstone build` wrote",
            Self::Artifact { .. } => "build anew: no payload was written",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(crate) fn manifest(place: impl Into<String>, rule: &'static str) -> Self {
        Self::Manifest { place: place.into(), rule }
    }
}
