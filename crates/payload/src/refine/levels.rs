use flagstone_image::erofs::{Compression, LZ4HC_LEVELS, Repacker, ZSTD_LEVELS};

use super::layout::Layout;
use super::pieces::read_cluster;
use crate::patch::{Compressor, Method};
use crate::release_folder::Artifact;

/// Levels that are tried first: the defaults.
const USUAL: [u8; 2] = [9, 3];
/// How many files are compressed to find the level.
const SAMPLES: usize = 12;

/// Finds out with which settings an image was compressed, of which it says but the format: by doing it.
pub(super) fn method_of(image: &Artifact, layout: &Layout) -> Option<Method> {
    let cluster = layout.cluster?;
    let firsts = layout.bodies.values().filter_map(|parts| parts.first());
    let packed: Vec<_> = firsts.filter(|part| part.format.is_some()).collect();
    let apart = packed.len().div_ceil(SAMPLES).max(1);
    let samples = packed.into_iter().step_by(apart).map(|part| read_cluster(image, &[*part]));
    let samples = samples.collect::<Option<Vec<_>>>()?;
    let format = layout.bodies.values().flatten().find_map(|part| part.format)?;
    let candidates: Vec<Compression> = match format {
        0 => std::iter::once(Compression::Lz4)
            .chain(LZ4HC_LEVELS.map(|level| Compression::Lz4hc { level }))
            .collect(),
        3 => {
            USUAL.into_iter().chain(ZSTD_LEVELS).map(|level| Compression::Zstd { level }).collect()
        }
        _ => return None,
    };
    let fits = |compression: &Compression| {
        samples.iter().all(|(stored, content)| {
            let mut out = Vec::new();
            let repacker = Repacker::new(*compression, cluster);
            let Ok(Some(mut repacker)) = repacker else { return false };
            repacker.add(content, &mut out).is_ok() && out == *stored
        })
    };
    let compression = candidates.into_iter().find(fits)?;
    Some(Method::of(Compressor::Clusters { compression, cluster }))
}
