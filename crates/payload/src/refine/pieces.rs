use std::ops::Range;

use flagstone_image::erofs::read::{Part, decompress};
use flagstone_image::erofs::{ClusterSize, PIECE_BYTES, Repacker};

use super::unit::Unit;
use crate::patch::{Compressor, Method, NewSegment};
use crate::release_folder::Artifact;

/// Reads a cluster that is one compressed part, or blocks as they are: as it is stored, and its content.
pub(super) fn read_cluster(image: &Artifact, parts: &[Part]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (first, last) = (parts.first()?, parts.last()?);
    let end = last.position.checked_add(last.stored)?;
    let stored = image.read_whole(first.position..end)?;
    let length = parts.iter().map(|part| part.length).sum::<u64>();
    let length = usize::try_from(length).ok()?;
    let content = match first.format {
        Some(format) => decompress(format, &stored, length)?,
        None => stored.get(..length)?.to_vec(),
    };
    Some((stored, content))
}

/// Divides what is compressed of a file into pieces that the method makes again exactly as they are, and
/// returns those in which something changed.
///
/// Where a piece ends is not in the image: it does after a cluster that is not a whole one, after so many
/// bytes, and otherwise where the bytes are another's.
pub(super) fn pieces(
    image: &Artifact,
    method: (usize, &Method),
    parts: &[Part],
    changed: &(dyn Fn(&Range<u64>) -> bool + Sync),
) -> Vec<Unit> {
    let Compressor::Clusters { cluster, .. } = method.1.compressor else { return Vec::new() };
    let mut units = Vec::new();
    for run in runs(parts, cluster) {
        if changed(&range(run.iter().copied().flatten())) {
            Divider { image, method, cluster, units: &mut units }.divide(&run);
        }
    }
    units.retain(|unit: &Unit| changed(&unit.range));
    units
}

/// Returns where parts lie in the image.
fn range<'a>(mut parts: impl Iterator<Item = &'a Part>) -> Range<u64> {
    let Some(first) = parts.next() else { return 0..0 };
    let last = parts.last().unwrap_or(first);
    first.position..last.position + last.stored
}

/// Joins blocks that are as they are to clusters, and returns these in runs, each of which ends with a
/// cluster that is not a whole one.
fn runs(parts: &[Part], cluster: ClusterSize) -> Vec<Vec<&[Part]>> {
    let whole = u64::from(cluster.bytes());
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    let mut rest = parts;
    while let Some(first) = rest.first() {
        let (mut length, mut count) = (first.length, 1);
        if first.format.is_none() {
            let more = rest[1..].iter().take_while(|part| part.format.is_none());
            let most = usize::try_from(whole / 4096 - 1).unwrap_or(0);
            for part in more.take(most) {
                length += part.length;
                count += 1;
            }
        }
        let (taken, after) = rest.split_at(count);
        run.push(taken);
        rest = after;
        if length < whole || rest.is_empty() {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs
}

struct Divider<'a> {
    image: &'a Artifact,
    method: (usize, &'a Method),
    cluster: ClusterSize,
    units: &'a mut Vec<Unit>,
}

impl Divider<'_> {
    fn repacker(&self) -> Option<Repacker> {
        match self.method.1.compressor {
            Compressor::Clusters { compression, .. } => {
                Repacker::new(compression, self.cluster).ok().flatten()
            }
            Compressor::Frame { .. } => None,
        }
    }

    /// Adds the pieces of a run; what cannot be made again is left out.
    fn divide(&mut self, run: &[&[Part]]) {
        let mut open: Option<Open> = None;
        for parts in run {
            let Some((stored, content)) = read_cluster(self.image, parts) else {
                self.close(open.take());
                continue;
            };
            let fits = |repacker: &mut Repacker| {
                let mut out = Vec::new();
                repacker.add(&content, &mut out).is_ok() && out == stored
            };
            if let Some(piece) = &mut open
                && piece.length + content.len() as u64 <= PIECE_BYTES
                && fits(&mut piece.repacker)
            {
                piece.length += content.len() as u64;
                piece.parts.extend_from_slice(parts);
                continue;
            }
            self.close(open.take());
            open = self.repacker().and_then(|mut repacker| {
                let length = content.len() as u64;
                fits(&mut repacker).then(|| Open { repacker, length, parts: parts.to_vec() })
            });
        }
        self.close(open);
    }

    fn close(&mut self, piece: Option<Open>) {
        if let Some(Open { length, parts, .. }) = piece {
            let length = usize::try_from(length).expect("a piece has at most 1 MiB");
            let segment = NewSegment { method: Some(self.method.0), length };
            self.units.push(Unit { range: range(parts.iter()), segment, parts });
        }
    }
}

/// A piece that may go on.
struct Open {
    repacker: Repacker,
    length: u64,
    parts: Vec<Part>,
}
