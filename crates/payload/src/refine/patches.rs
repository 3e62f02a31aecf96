use std::ops::Range;

use flagstone_artifact::Sha256Digest;
use rayon::prelude::*;

use super::frames::frame_units;
use super::groups::{Group, groups};
use super::kin::Kin;
use super::layout::{Layout, Place};
use super::levels::method_of;
use super::pieces::{pieces, read_cluster};
use super::unit::{Unit, push_plain};
use crate::extent::BLOCK;
use crate::patch::{Method, OLD_MAX, Patch, PatchLengths, SEGMENTS_MAX, compare, rebuild};
use crate::release_folder::Artifact;
use crate::{Extent, METHODS_MAX, PayloadError};

/// An operation that patches, and its data.
pub(crate) struct Patched {
    pub(crate) source: Vec<Extent>,
    pub(crate) source_digest: Sha256Digest,
    pub(crate) target: Vec<Extent>,
    pub(crate) lengths: PatchLengths,
    pub(crate) data: Vec<u8>,
}

/// Makes patches for what changed: `changed` tells it of each block of the new image. Methods that are
/// needed are added. What is not patched, because nothing old resembles it or the patch would be no
/// shorter, is left to others.
pub(crate) fn patches(
    [old, new]: [&Artifact; 2],
    changed: &[bool],
    methods: &mut Vec<Method>,
) -> Result<Vec<Patched>, PayloadError> {
    if !changed.contains(&true) {
        return Ok(Vec::new());
    }
    let new_layout = Layout::of(new, changed.len() as u64 * BLOCK);
    let old_layout = Layout::of(old, old.size.next_multiple_of(BLOCK));
    let units = if new_layout.bodies.is_empty() {
        let mut number_of = |method| number_of(method, methods);
        frame_units([old, new], [&old_layout, &new_layout], changed, &mut number_of)
    } else {
        units(new, &new_layout, changed, methods)
    };
    let places = old_layout.places();
    let read = |place: &Place| place.read(old).map(|(_, content)| content);
    let kin = Kin::new(&places, &read);
    let maker = Maker { old, new, places: &places, kin: &kin, methods };
    let made = groups(units).into_par_iter().with_max_len(1).map(|group| maker.make(&group));
    Ok(made.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Finds what changed and can be made, in the order of the image.
fn units(
    new: &Artifact,
    layout: &Layout,
    changed: &[bool],
    methods: &mut Vec<Method>,
) -> Vec<Unit> {
    let index = |at: u64| usize::try_from(at / BLOCK).unwrap_or(usize::MAX);
    let touched = |range: &Range<u64>| {
        changed.get(index(range.start)..index(range.end)).is_none_or(|part| part.contains(&true))
    };
    let mut units = plain_units(&layout.plain(), changed);
    if let Some(method) = method_of(new, layout)
        && let Some(number) = number_of(method, methods)
    {
        let bodies: Vec<_> = layout.bodies.values().collect();
        let found = bodies
            .par_iter()
            .flat_map_iter(|parts| pieces(new, (number, &method), parts, &touched));
        units.par_extend(found);
    }
    units.sort_unstable_by_key(|unit| unit.range.start);
    units
}

/// Returns a method's number, under which it is added if it is new.
fn number_of(method: Method, methods: &mut Vec<Method>) -> Option<usize> {
    let known = methods.iter().position(|known| *known == method);
    known.or_else(|| {
        (methods.len() < METHODS_MAX).then(|| {
            methods.push(method);
            methods.len() - 1
        })
    })
}

/// Joins changed blocks that follow each other, as far as they are stored as they are.
fn plain_units(ranges: &[Range<u64>], changed: &[bool]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for range in ranges {
        for block in range.start / BLOCK..range.end / BLOCK {
            let is_changed = usize::try_from(block).ok().and_then(|index| changed.get(index));
            if is_changed != Some(&true) {
                continue;
            }
            push_plain(block * BLOCK..(block + 1) * BLOCK, &mut units);
        }
    }
    units
}

struct Maker<'a> {
    old: &'a Artifact,
    new: &'a Artifact,
    places: &'a [Place],
    kin: &'a Kin,
    methods: &'a [Method],
}

impl Maker<'_> {
    /// Makes the patch of one operation; none if there is nothing to make it of.
    fn make(&self, group: &Group) -> Result<Option<Patched>, PayloadError> {
        let Some((stored, content)) = self.read_new(&group.units) else { return Ok(None) };
        let skip = usize::try_from(group.skip).expect("less than a block");
        let chosen = self.choose(&content);
        let Some((old_stored, old_content)) = self.read_old(&chosen) else { return Ok(None) };
        let lengths = PatchLengths::new(old_content.len() as u64, content.len() as u64);
        let Some(lengths) = lengths else { return Ok(None) };
        let Some((steps, differences, fresh)) = compare(&old_content, &content) else {
            return Ok(None);
        };
        let patch = Patch {
            old: chosen.iter().flat_map(|place| place.segments.iter().copied()).collect(),
            new: group.units.iter().map(|unit| unit.segment).collect(),
            skip,
            steps,
            differences,
            fresh,
        };
        let data = patch.encode().map_err(|source| PayloadError::Compress { source })?;
        // It is taken only if it gives what it should, and so is bounded as it should be.
        let stored = &stored[skip..];
        let made = rebuild(&data, &old_stored, lengths, self.methods, stored.len());
        let is_right = made.is_ok_and(|made| made == stored);
        let source = chosen.iter().map(|place| place.position..place.position + place.stored());
        Ok((is_right && data.len() < stored.len()).then(|| Patched {
            source: extents(source),
            source_digest: Sha256Digest::of(&old_stored),
            target: extents(group.target().into_iter()),
            lengths,
            data,
        }))
    }

    /// Reads what is to be made: as it is stored, and its content.
    fn read_new(&self, group: &[Unit]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut stored, mut content) = (Vec::new(), Vec::new());
        for unit in group {
            let bytes = self.new.read_whole(unit.range.clone())?;
            match unit.segment.method {
                None => content.extend_from_slice(&bytes),
                Some(_) if unit.parts.is_empty() => {
                    content.extend(zstd::bulk::decompress(&bytes, unit.segment.length).ok()?);
                }
                Some(_) => {}
            }
            for part in &unit.parts {
                content.extend(read_cluster(self.new, &[*part])?.1);
            }
            stored.extend(bytes);
        }
        Some((stored, content))
    }

    /// Chooses old places for a content, as much as a patch may read.
    fn choose(&self, content: &[u8]) -> Vec<&Place> {
        let (mut stored, mut length) = (0, 0);
        let mut chosen = Vec::new();
        for index in self.kin.of(content).into_iter().take(SEGMENTS_MAX / 2) {
            let Some(place) = self.places.get(index) else { continue };
            let more = (stored + place.stored(), length + place.length());
            if more.0 <= OLD_MAX && more.1 <= OLD_MAX {
                (stored, length) = more;
                chosen.push(place);
            }
        }
        chosen.sort_by_key(|place| place.position);
        chosen
    }

    fn read_old(&self, chosen: &[&Place]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut stored, mut content) = (Vec::new(), Vec::new());
        for place in chosen {
            let (bytes, unfolded) = place.read(self.old)?;
            stored.extend(bytes);
            content.extend(unfolded);
        }
        Some((stored, content))
    }
}

/// Returns whole blocks as extents, those that follow each other joined.
fn extents(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for range in ranges {
        let (start, end) = (range.start / BLOCK, range.end / BLOCK);
        match extents.last_mut() {
            Some(last) if last.end() == start => last.blocks += end - start,
            _ => extents.push(Extent { start, blocks: end - start }),
        }
    }
    extents
}
