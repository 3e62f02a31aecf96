use std::time::SystemTime;

use flagstone_artifact::{Architecture, ImageId, ImageVersion, Sha256Digest};

use crate::wave::is_due;
use crate::{Channel, TargetName, UtcTime, Wave};

/// What a channel has for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The channel.
    pub channel: Channel,
    /// The image.
    pub id: ImageId,
    /// Its architecture.
    pub architecture: Architecture,
    /// The version that machines of the channel are to run.
    pub version: ImageVersion,
    /// The lowest version that a machine may go back to.
    pub floor: Option<ImageVersion>,
    /// The payload that any machine can use.
    pub payload: TargetName,
    /// The root hash of /usr in that version.
    pub root_hash: Sha256Digest,
    /// Smaller payloads, for machines that run something known.
    pub deltas: Vec<Delta>,
    /// When it was published.
    pub published: UtcTime,
    /// From when on how many machines may take it; all of them at once if there is none.
    pub waves: Vec<Wave>,
}

/// A payload for machines that run one known release.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// The root hash of the /usr that it is applied to.
    pub from_root_hash: Sha256Digest,
    /// The payload.
    pub payload: TargetName,
}

impl Offer {
    /// Tells whether a machine may take it now: the machine's place among a hundred follows from
    /// `machine_id` and the release, and is below the percentage of the last wave that has begun.
    ///
    /// Whatever a machine is called by will do as its id, if it stays and no other has it, such as the
    /// text in `/etc/machine-id`.
    pub fn is_due(&self, machine_id: &str, now: SystemTime) -> bool {
        is_due(&self.waves, &self.id, &self.version, machine_id, UtcTime::of(now))
    }

    /// Returns the delta for a machine whose /usr has this root hash.
    pub fn delta_from(&self, root_hash: Sha256Digest) -> Option<&Delta> {
        self.deltas.iter().find(|delta| delta.from_root_hash == root_hash)
    }
}
