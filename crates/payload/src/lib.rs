//! Update payloads: written, signed, verified, applied.
//!
//! A payload brings one release to a machine: partition `usr`, the EROFS image, and partition `uki`,
//! the unified kernel image. The container is `update_engine`'s, major version 2 (`CrAU`), so that
//! public readers open it; what they do not know has numbers from 60,000 on (docs/payload.md).
//!
//! Order is a matter of safety, so it is one of types: [`Metadata`] are bytes of bounded length whose
//! digest and signatures are known and nothing else; [`Metadata::verify`] checks that enough keys signed
//! them and only then reads the manifest; and only what it returns, [`VerifiedMetadata`], can be
//! [applied](apply()). A manifest is refused unless its blobs follow each other without a gap and its
//! operations write every block of each partition once, so every byte of a payload is signed, or is a
//! signature. Signatures have places of a fixed size, so that keys on other machines can fill
//! them later; one for metadata and one for the payload, each for a purpose of its own.
//!
//! The hash tree is not part of a payload: it is computed from what was written, and has to have the
//! root hash that was signed. That is why the crate depends on `image`, which has dm-verity and reads
//! EROFS; what it brings along is small (rayon, zstd, LZ4, a tree of files), and the linker leaves out
//! of the machine's program what only a builder calls. It must not know of networks, of slots, or of
//! how a release was made.

mod apply;
mod blobs;
mod checkpoint;
mod create;
mod delta;
mod error;
mod extent;
mod header;
mod manifest;
mod metadata;
mod operation;
mod pack;
mod partition;
mod patch;
mod read_back;
mod refine;
mod release_folder;
mod schema;
mod signing;
mod slots;
mod source;
mod target;
mod unpack;
mod windows;

pub use apply::{Applied, Progress, Targets, apply, verify};
pub use checkpoint::Checkpoint;
pub use create::{CreateOptions, create};
pub use error::PayloadError;
pub use extent::{BLOCK, Extent};
pub use header::{HEADER_BYTES, Header, MANIFEST_MAX};
pub use manifest::{Manifest, Release};
pub use metadata::{Metadata, VerifiedMetadata};
pub use operation::{OPERATION_MAX, Operation, OperationKind};
pub use pack::Compression;
pub use partition::{OldPartition, PARTITION_MAX, Partition, PartitionInfo, PartitionName};
pub use patch::{
    Compressor, DIRECTIONS_MAX, METHODS_MAX, Method, NEW_MAX, NewSegment, OLD_MAX, OldSegment,
    Patch, PatchLengths, SEGMENTS_MAX, SKIP_MAX, Step, Storage, rebuild,
};
pub use release_folder::ReleaseFolder;
pub use signing::Signable;
pub use slots::{SLOT_BYTES, SLOTS_MAX};
pub use source::{Source, Sources};
pub use target::{FileTarget, Target};
