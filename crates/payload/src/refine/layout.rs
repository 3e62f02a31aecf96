use std::collections::BTreeMap;
use std::ops::Range;

use flagstone_image::ReadError;
use flagstone_image::erofs::ClusterSize;
use flagstone_image::erofs::read::{Image, Node, NodeKind, Part};

use super::frames::{Frame, frames};
use crate::patch::{OldSegment, Storage};
use crate::release_folder::Artifact;

/// How an image is stored.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// What is compressed, by the position of the first part: the parts of each file follow each other.
    pub(super) bodies: BTreeMap<u64, Vec<Part>>,
    /// How much is compressed together at most.
    pub(super) cluster: Option<ClusterSize>,
    /// zstd frames in what is no EROFS image, in order.
    pub(super) frames: Vec<Frame>,
    /// Bytes of whole blocks.
    pub(super) size: u64,
}

/// A part of the old image that can be read by itself.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The block with which it begins, in bytes.
    pub(super) position: u64,
    /// How whole blocks from there on are stored.
    pub(super) segments: Vec<OldSegment>,
}

/// How much of what is not compressed is taken as one place.
const PLAIN_BYTES: u64 = 256 << 10;

impl Layout {
    /// Looks into an image. What is no EROFS image, or a damaged one, is but bytes.
    pub(super) fn of(artifact: &Artifact, size: u64) -> Self {
        let mut layout = Self { size, ..Self::default() };
        if let Ok(image) = Image::open(&artifact.file) {
            layout.cluster = image.cluster();
            if layout.read(&image).is_err() {
                layout.bodies.clear();
            }
        } else {
            layout.frames = frames(artifact);
        }
        layout
    }

    fn read(&mut self, image: &Image<&std::fs::File>) -> Result<(), ReadError> {
        self.add(image.packed_parts()?);
        let mut folders = vec![image.root()?];
        while let Some(folder) = folders.pop() {
            for entry in image.entries(&folder)? {
                let node: Node = image.node(entry.nid)?;
                match node.kind {
                    NodeKind::Directory => folders.push(node),
                    NodeKind::File => self.add(image.parts(&node)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Adds a body, once; and none whose parts do not follow each other within the image.
    fn add(&mut self, parts: Vec<Part>) {
        let Some(first) = parts.first() else { return };
        let mut end = first.position;
        let follows = parts.iter().all(|part| {
            let follows = part.position == end;
            end = end.saturating_add(part.stored);
            follows && part.length > 0
        });
        if follows && end <= self.size {
            self.bodies.entry(first.position).or_insert(parts);
        }
    }

    /// Returns what is in no body.
    pub(super) fn plain(&self) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        let mut end = 0;
        for (&start, parts) in &self.bodies {
            if start > end {
                ranges.push(end..start);
            }
            end = parts.last().map_or(start, |part| part.position + part.stored).max(end);
        }
        if end < self.size {
            ranges.push(end..self.size);
        }
        ranges
    }

    /// Returns all places, in their order. A frame may be taken as it is, too, for one that moved.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for range in self.plain() {
            push_plain(range, &mut places);
        }
        for parts in self.bodies.values() {
            let mut blocks = 0..0;
            for part in parts {
                let storage = part.format.and_then(Storage::of_format);
                let segment =
                    storage.and_then(|storage| OldSegment::new(storage, part.stored, part.length));
                if let Some(segment) = segment {
                    places.push(Place { position: part.position, segments: vec![segment] });
                    continue;
                }
                if part.position != blocks.end {
                    push_plain(std::mem::take(&mut blocks), &mut places);
                    blocks.start = part.position;
                }
                blocks.end = part.position + part.stored;
            }
            push_plain(blocks, &mut places);
        }
        places.extend(self.frames.iter().filter_map(Frame::place));
        places.sort_by_key(|place| place.position);
        places
    }
}

impl Place {
    /// Returns the bytes that it takes in the image.
    pub(super) fn stored(&self) -> u64 {
        self.segments.iter().map(|segment| segment.stored as u64).sum()
    }

    /// Returns the bytes of its content.
    pub(super) fn length(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length as u64).sum()
    }

    /// Reads it: as it is stored, and its content.
    pub(super) fn read(&self, image: &Artifact) -> Option<(Vec<u8>, Vec<u8>)> {
        let end = self.position.checked_add(self.stored())?;
        let stored = image.read_whole(self.position..end)?;
        let (mut rest, mut content) = (stored.as_slice(), Vec::new());
        for segment in &self.segments {
            let (bytes, after) = rest.split_at_checked(segment.stored)?;
            segment.unfold(bytes, &mut content)?;
            rest = after;
        }
        Some((stored, content))
    }
}

fn push_plain(range: Range<u64>, places: &mut Vec<Place>) {
    let mut start = range.start;
    while start < range.end {
        let length = PLAIN_BYTES.min(range.end - start);
        let segments = OldSegment::new(Storage::Plain, length, length).into_iter().collect();
        places.push(Place { position: start, segments });
        start += length;
    }
}
