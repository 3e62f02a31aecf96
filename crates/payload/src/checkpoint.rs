use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use serde::{Deserialize, Serialize};

use crate::{Operation, VerifiedMetadata};

/// How far a payload has been applied, when all of that was durable. [Applying](crate::apply()) can go on from
/// here, in another process too, so that what broke off is not read and written again.
///
/// It is believed in nothing that matters: at the end the targets are read back and compared with what was
/// signed, whoever wrote them. A checkpoint that is wrong costs the attempt, and then has to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The digest of header and manifest: which payload it is.
    metadata: Sha256Digest,
    /// Operations that are done: those of /usr, then those of the kernel image.
    operations: [usize; 2],
    /// The digest of the payload up to here, in the form of [`Sha256Hasher::state`].
    hasher: Vec<u8>,
}

/// What is left to do of a payload.
pub(crate) struct Rest {
    /// Operations to pass over, in each partition.
    pub(crate) done: [usize; 2],
    /// Where the next blob lies in the payload.
    pub(crate) at: u64,
    /// The digest of all before it.
    pub(crate) hasher: Sha256Hasher,
}

impl Checkpoint {
    pub(crate) fn new(
        metadata: &VerifiedMetadata,
        operations: [usize; 2],
        hasher: &Sha256Hasher,
    ) -> Self {
        Self { metadata: metadata.digest(), operations, hasher: hasher.state() }
    }

    /// Returns where in the payload reading goes on, in bytes; `None` if it is one of another payload, or none that
    /// could have been taken of this one.
    pub fn resumes_at(&self, metadata: &VerifiedMetadata) -> Option<u64> {
        Some(self.rest(metadata)?.at)
    }

    pub(crate) fn rest(&self, metadata: &VerifiedMetadata) -> Option<Rest> {
        let [usr, uki] = &metadata.manifest().partitions;
        let [usr_done, uki_done] = self.operations;
        let in_order = uki_done == 0 || usr_done == usr.operations.len();
        if self.metadata != metadata.digest() || !in_order {
            return None;
        }
        let done = [usr.operations.get(..usr_done)?, uki.operations.get(..uki_done)?].concat();
        let length = |operation: &Operation| operation.data_length as u64;
        let at = metadata.blobs_at + done.iter().map(length).sum::<u64>();
        let hasher = Sha256Hasher::from_state(&self.hasher)?;
        Some(Rest { done: self.operations, at, hasher })
    }
}

impl Rest {
    /// All of a payload.
    pub(crate) fn all(metadata: &VerifiedMetadata) -> Self {
        Self { done: [0; 2], at: metadata.blobs_at, hasher: metadata.hasher.clone() }
    }
}
