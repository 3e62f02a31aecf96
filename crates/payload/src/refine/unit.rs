use std::ops::Range;

use flagstone_image::erofs::read::Part;

use crate::patch::NewSegment;

/// How much of what is not compressed is made as one unit.
const PLAIN_BYTES: u64 = 256 << 10;

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

/// Adds bytes that are made as they are.
pub(super) fn push_plain(range: Range<u64>, units: &mut Vec<Unit>) {
    let length = usize::try_from(range.end - range.start).expect("at most a block");
    match units.last_mut() {
        Some(unit)
            if unit.segment.method.is_none()
                && unit.range.end == range.start
                && unit.stored() < PLAIN_BYTES =>
        {
            unit.range.end = range.end;
            unit.segment.length += length;
        }
        _ => {
            let segment = NewSegment { method: None, length };
            units.push(Unit { range, segment, parts: Vec::new() });
        }
    }
}
