//! Patches: new content made from old content that is stored compressed.
//!
//! A change of one byte changes all of the compressed cluster that it is in. So a patch speaks of what is
//! in the clusters: the old ones are decompressed, the new content is made from that, and compressed as
//! the image's writer did it. Where a library of another version would do that otherwise, nothing is
//! begun. docs/payload.md has the bytes.

mod blob;
mod compare;
mod method;
mod rebuild;
mod segment;
mod step;
mod suffixes;
mod varint;

pub use blob::Patch;
pub(crate) use compare::compare;
pub use method::{Compressor, METHODS_MAX, Method};
pub use rebuild::rebuild;
pub(crate) use segment::FRAME_BYTES;
pub use segment::{NewSegment, OldSegment, Storage};
pub use step::Step;

/// The most bytes of old content that a patch is made from, decompressed.
pub const OLD_MAX: u64 = 16 << 20;
/// The most bytes of new content that a patch makes, before they are compressed.
pub const NEW_MAX: u64 = 8 << 20;
/// The most bytes of directions: segments and steps.
pub const DIRECTIONS_MAX: usize = 1 << 20;
/// Bytes of made segments that may lie before what is written: less than a block.
pub const SKIP_MAX: usize = 4095;
/// The most segments on either side.
pub const SEGMENTS_MAX: usize = 8192;

/// Bytes of old and new content of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchLengths {
    /// What is decompressed, at most [`OLD_MAX`].
    pub old: usize,
    /// What is made of it, at most [`NEW_MAX`].
    pub new: usize,
}

impl PatchLengths {
    /// Checks lengths that were read.
    pub fn new(old: u64, new: u64) -> Option<Self> {
        let old = usize::try_from(old).ok().filter(|_| (1..=OLD_MAX).contains(&old))?;
        let new = usize::try_from(new).ok().filter(|_| (1..=NEW_MAX).contains(&new))?;
        Some(Self { old, new })
    }
}
