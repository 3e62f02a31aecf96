use std::collections::BTreeSet;
use std::ops::Range;

use flagstone_artifact::Sha256Digest;
use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

use super::layout::{Layout, Place};
use super::unit::{Unit, push_plain};
use crate::extent::BLOCK;
use crate::patch::{Compressor, FRAME_BYTES, Method, NewSegment, OldSegment, Storage};
use crate::release_folder::Artifact;

/// What a zstd frame begins with (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest file that is searched, all of which is read.
const FILE_MAX: u64 = 512 << 20;
/// Levels in the order in which they are tried; the first is that of an initrd.
const LEVELS: [u8; 9] = [6, 3, 1, 2, 4, 5, 7, 8, 9];

/// A zstd frame that says how long its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it lies in the file.
    pub(super) range: Range<u64>,
    /// Bytes of its content.
    pub(super) length: usize,
}

/// Finds frames in a file, as in the initrd of a unified kernel image.
pub(super) fn frames(artifact: &Artifact) -> Vec<Frame> {
    let data = (artifact.size <= FILE_MAX).then(|| artifact.read_whole(0..artifact.size)).flatten();
    data.map_or(Vec::new(), |data| frames_in(&data))
}

fn frames_in(data: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|rest| rest.len() >= MAGIC.len()) {
        let Some((stored, length)) = rest.starts_with(&MAGIC).then(|| measure(rest)).flatten()
        else {
            at += 1;
            continue;
        };
        frames.push(Frame { range: at as u64..(at + stored) as u64, length });
        at += stored;
    }
    frames
}

/// Returns the bytes of the frame that data begins with, and of its content.
fn measure(data: &[u8]) -> Option<(usize, usize)> {
    let length = get_frame_content_size(data).ok().flatten()?;
    let length = usize::try_from(length).ok().filter(|_| (1..=FRAME_BYTES).contains(&length))?;
    let stored = find_frame_compressed_size(data).ok()?;
    (1..=data.len()).contains(&stored).then_some((stored, length))
}

impl Frame {
    /// Returns the blocks that it lies in: where they begin, and bytes before and after it.
    pub(super) fn place(&self) -> Option<Place> {
        let Range { start, end } = self.range;
        let position = start / BLOCK * BLOCK;
        let plain = |bytes| OldSegment::new(Storage::Plain, bytes, bytes);
        let frame = OldSegment::new(Storage::ZstdFrame, end - start, self.length as u64)?;
        let segments =
            [plain(start - position), Some(frame), plain(end.next_multiple_of(BLOCK) - end)];
        Some(Place { position, segments: segments.into_iter().flatten().collect() })
    }

    fn digest(&self, image: &Artifact) -> Option<Sha256Digest> {
        image.read_whole(self.range.clone()).map(|data| Sha256Digest::of(&data))
    }

    fn blocks(&self) -> Range<usize> {
        let block = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        block(self.range.start / BLOCK)..block(self.range.end.div_ceil(BLOCK))
    }

    /// Tells whether the method makes it as it is.
    fn is_made_by(&self, method: &Method, image: &Artifact) -> bool {
        let Some(stored) = image.read_whole(self.range.clone()) else { return false };
        let Ok(content) = zstd::bulk::decompress(&stored, self.length) else { return false };
        let mut made = Vec::new();
        method.pack(&content, &mut made).is_ok() && made == stored
    }
}

/// Finds what changed in a file with frames, in its order: frames that the old file has not, and all else
/// as it is. Every run of units begins and ends with a block.
pub(super) fn frame_units(
    [old, new]: [&Artifact; 2],
    [old_layout, layout]: [&Layout; 2],
    changed: &[bool],
    number_of: &mut dyn FnMut(Method) -> Option<usize>,
) -> Vec<Unit> {
    let known: BTreeSet<_> = old_layout.frames.iter().map(|frame| frame.digest(old)).collect();
    let mut changed = changed.to_vec();
    let is_changed = |frame: &&Frame| {
        changed.get(frame.blocks()).is_some_and(|blocks| blocks.contains(&true))
            && !known.contains(&frame.digest(new))
    };
    let candidates: Vec<&Frame> = layout.frames.iter().filter(is_changed).collect();
    let mut methods = LEVELS.map(|level| Method::of(Compressor::Frame { level })).into_iter();
    let first = candidates.first();
    let method = first.and_then(|first| methods.find(|method| first.is_made_by(method, new)));
    let mut made = Vec::new();
    if let Some(method) = method
        && let Some(number) = number_of(method)
    {
        for frame in candidates.into_iter().filter(|frame| frame.is_made_by(&method, new)) {
            changed[frame.blocks()].fill(true);
            let segment = NewSegment { method: Some(number), length: frame.length };
            made.push(Unit { range: frame.range.clone(), segment, parts: Vec::new() });
        }
    }
    let mut made = made.into_iter().peekable();
    let mut units = Vec::new();
    let (mut at, end) = (0, changed.len() as u64 * BLOCK);
    while at < end {
        if let Some(unit) = made.next_if(|unit| unit.range.start == at) {
            at = unit.range.end;
            units.push(unit);
            continue;
        }
        // Up to the next frame, or the end of the block.
        let limit = (at / BLOCK + 1) * BLOCK;
        let limit = made.peek().map_or(limit, |unit| unit.range.start.min(limit));
        if usize::try_from(at / BLOCK).is_ok_and(|block| changed[block]) {
            push_plain(at..limit, &mut units);
        }
        at = limit;
    }
    units
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn frames_are_found_wherever_they_begin() {
        let text = b"a frame says how long its content is. ".repeat(100);
        let frame = zstd::bulk::compress(&text, 6).unwrap();
        let other = zstd::bulk::compress(&text[..999], 3).unwrap();
        // Written bit by bit, it does not say how long it becomes.
        let mut streamed = zstd::Encoder::new(Vec::new(), 3).unwrap();
        for part in text.chunks(1000) {
            streamed.write_all(part).unwrap();
            streamed.flush().unwrap();
        }
        let streamed = streamed.finish().unwrap();
        let head = b"(\xb5/head";
        let data = [head, &frame[..], &other, b"tail", &streamed, &frame[..50]].concat();
        let at = head.len() as u64;
        let middle = at + frame.len() as u64;
        assert_eq!(
            frames_in(&data),
            [
                Frame { range: at..middle, length: text.len() },
                Frame { range: middle..middle + other.len() as u64, length: 999 },
            ]
        );
        assert_eq!(frames_in(b""), []);
    }
}
