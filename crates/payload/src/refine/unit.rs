use std::ops::Range;

use flagstone_image::erofs::read::Part;

use crate::patch::NewSegment;

/// A part of the new image that changed, and that a patch can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Where it lies in the image, in bytes.
    pub(super) range: Range<u64>,
    /// What it is made of.
    pub(super) segment: NewSegment,
    /// How the image has that, if it is compressed.
    pub(super) parts: Vec<Part>,
}

impl Unit {
    pub(super) fn stored(&self) -> u64 {
        self.range.end - self.range.start
    }
}
