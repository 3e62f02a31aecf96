use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use flagstone_artifact::{Architecture, ImageId, ImageVersion, Sha256Digest};

use super::PublishError;
use super::candidate::Candidate;
use crate::snapshot::Hashes;
use crate::targets::{TargetFile, Targets};
use crate::{Channel, Delta, Offer, TargetName, UtcTime, Wave};

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The channel.
    pub channel: Channel,
    /// Payloads, and folders of them. Images and architectures may be several, of one release each.
    pub payloads: Vec<PathBuf>,
    /// System extensions of the same releases: files called as the release and `.<id>.sysext.raw`.
    pub extensions: Vec<PathBuf>,
    /// The lowest version that machines may go back to, in place of the payload's own.
    pub floor: Option<ImageVersion>,
    /// Waves; without them all machines may update at once.
    pub waves: Vec<WaveAfter>,
    /// Whether the channel may go back to an older version.
    pub older: bool,
}

/// A wave that begins so long after the publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaveAfter {
    /// How many of a hundred machines, 1 to 100.
    pub percent: u8,
    /// How long after the publication.
    pub after: Duration,
}

/// Returns what the channel will have: one offer for each image. Targets that are new come into `targets`.
/// Does not write to the disk.
pub(super) fn plan(
    publication: &Publication,
    candidates: &[Candidate],
    targets: &mut Targets,
    now: UtcTime,
    current: impl Fn(&TargetName) -> Result<Option<Offer>, PublishError>,
) -> Result<Vec<Offer>, PublishError> {
    let mut images: BTreeMap<(&ImageId, Architecture), Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        add_target(targets, candidate)?;
        let image = &candidate.release.image;
        images.entry((&image.id, image.architecture)).or_default().push(candidate);
    }
    let mut offers = Vec::new();
    for ((id, architecture), candidates) in images {
        let before = current(&publication.channel.file_for(id, architecture))?;
        offers.push(offer(publication, &candidates, before, targets, now)?);
    }
    Ok(offers)
}

fn add_target(targets: &mut Targets, candidate: &Candidate) -> Result<(), PublishError> {
    let Candidate { name, size_bytes, sha256, .. } = candidate;
    add_file(targets, name, *size_bytes, *sha256)
}

/// Adds a file, which is not replaced once machines may have it.
pub(super) fn add_file(
    targets: &mut Targets,
    name: &TargetName,
    length: u64,
    sha256: Sha256Digest,
) -> Result<(), PublishError> {
    let file = TargetFile { length, hashes: Hashes { sha256 } };
    match targets.targets.insert(name.to_string(), file.clone()) {
        Some(other) if other != file => Err(PublishError::TargetDiffers { name: name.clone() }),
        _ => Ok(()),
    }
}

fn offer(
    publication: &Publication,
    candidates: &[&Candidate],
    before: Option<Offer>,
    targets: &Targets,
    now: UtcTime,
) -> Result<Offer, PublishError> {
    let release = &candidates[0].release;
    for other in &candidates[1..] {
        let other = &other.release;
        if (&other.image, other.root_hash) != (&release.image, release.root_hash) {
            let (one, other) = (release.image.version.clone(), other.image.version.clone());
            return Err(PublishError::TwoReleases { id: release.image.id.clone(), one, other });
        }
    }
    let image = &release.image;
    let payload = TargetName::known(format!("{image}.payload"));
    if !targets.targets.contains_key(payload.as_str()) {
        return Err(PublishError::NoFullPayload { image: image.clone() });
    }
    let same = |before: &Offer| before.version == image.version;
    if let Some(before) = &before {
        if same(before) && before.root_hash != release.root_hash {
            return Err(PublishError::TargetDiffers { name: payload });
        }
        if !publication.older && image.version.compare(&before.version).is_lt() {
            return Err(PublishError::Older {
                channel: publication.channel.clone(),
                published: before.version.clone(),
                given: image.version.clone(),
            });
        }
    }
    // The same release again adds deltas, and leaves running waves alone unless there are new ones.
    let before = before.filter(same);
    let mut deltas: BTreeMap<_, _> =
        before.iter().flat_map(|before| &before.deltas).map(pair).collect();
    for candidate in candidates {
        if let Some(from) = candidate.release.old_root_hash {
            deltas.insert(from, candidate.name.clone());
        }
    }
    let own_floor =
        || before.as_ref().map_or(&release.version_floor, |before| &before.floor).clone();
    let floor = publication.floor.clone().or_else(own_floor);
    let (published, waves) = match before {
        Some(before) if publication.waves.is_empty() => (before.published, before.waves),
        _ => (now, publication.waves.iter().map(|wave| wave.from(now)).collect()),
    };
    let offer = Offer {
        channel: publication.channel.clone(),
        id: image.id.clone(),
        architecture: image.architecture,
        version: image.version.clone(),
        floor,
        payload,
        root_hash: release.root_hash,
        deltas: deltas
            .into_iter()
            .map(|(from_root_hash, payload)| Delta { from_root_hash, payload })
            .collect(),
        published,
        waves,
    };
    offer
        .check(offer.file().as_str())
        .map_err(|source| PublishError::Offer { source: Box::new(source) })?;
    Ok(offer)
}

fn pair(delta: &Delta) -> (Sha256Digest, TargetName) {
    (delta.from_root_hash, delta.payload.clone())
}

impl WaveAfter {
    fn from(self, published: UtcTime) -> Wave {
        Wave { percent: self.percent, after: published.after(self.after) }
    }
}
