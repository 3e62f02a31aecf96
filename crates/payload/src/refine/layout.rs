use std::collections::BTreeMap;
use std::ops::Range;

use flagstone_image::ReadError;
use flagstone_image::erofs::ClusterSize;
use flagstone_image::erofs::read::{Image, Node, NodeKind, Part};

use crate::patch::{OldSegment, Storage};
use crate::release_folder::Artifact;

/// How an image is stored.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// What is compressed, by the position of the first part: the parts of each file follow each other.
    pub(super) bodies: BTreeMap<u64, Vec<Part>>,
    /// How much is compressed together at most.
    pub(super) cluster: Option<ClusterSize>,
    /// Bytes of whole blocks.
    pub(super) size: u64,
}

/// A part of the old image that can be read by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where it begins.
    pub(super) position: u64,
    /// How it is stored; its content may be at most a cluster.
    pub(super) segment: OldSegment,
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

    /// Returns all places, in their order.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for range in self.plain() {
            push_plain(range, &mut places);
        }
        for parts in self.bodies.values() {
            for part in parts {
                let storage = part.format.and_then(Storage::of_format);
                let size = |bytes: u64| usize::try_from(bytes).ok();
                let segment = storage.zip(size(part.stored)).zip(size(part.length));
                match segment {
                    Some(((storage, stored), length)) => places.push(Place {
                        position: part.position,
                        segment: OldSegment { storage, stored, length },
                    }),
                    None => push_plain(part.position..part.position + part.stored, &mut places),
                }
            }
        }
        places.sort_unstable_by_key(|place| place.position);
        join_plain(places)
    }
}

fn push_plain(range: Range<u64>, places: &mut Vec<Place>) {
    let mut start = range.start;
    while start < range.end {
        let length = PLAIN_BYTES.min(range.end - start);
        let stored = usize::try_from(length).expect("at most 256 KiB");
        let segment = OldSegment { storage: Storage::Plain, stored, length: stored };
        places.push(Place { position: start, segment });
        start += length;
    }
}

/// Joins single blocks that follow each other.
fn join_plain(places: Vec<Place>) -> Vec<Place> {
    let mut joined: Vec<Place> = Vec::with_capacity(places.len());
    for place in places {
        if let Some(last) = joined.last_mut()
            && last.segment.storage == Storage::Plain
            && place.segment.storage == Storage::Plain
            && last.position + last.segment.stored as u64 == place.position
            && (last.segment.stored + place.segment.stored) as u64 <= PLAIN_BYTES
        {
            last.segment.stored += place.segment.stored;
            last.segment.length = last.segment.stored;
        } else {
            joined.push(place);
        }
    }
    joined
}
