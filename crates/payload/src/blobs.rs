use std::io::Read;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_signature::{Purpose, Signatures, Statement};

use crate::metadata::fill;
use crate::slots::decode_slots;
use crate::{Operation, PartitionName, PayloadError, SLOT_BYTES};

/// The rest of a payload after its metadata, read once from front to back: every byte goes into the
/// digest that the payload's signatures are about, or is one of them.
pub(crate) struct Blobs<R> {
    source: R,
    hasher: Sha256Hasher,
    /// Where the next byte lies in the payload.
    at: u64,
    data: Vec<u8>,
}

impl<R: Read> Blobs<R> {
    /// Goes on with a digest that header and manifest are in.
    pub(crate) fn new(source: R, hasher: Sha256Hasher, at: u64) -> Self {
        Self { source, hasher, at, data: Vec::new() }
    }

    /// Returns where the next byte lies in the payload.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Returns the digest of all that was read, and of what came before.
    pub(crate) fn hasher(&self) -> &Sha256Hasher {
        &self.hasher
    }

    /// Returns the data of the next operation, whose digest has been checked; empty if it has none.
    pub(crate) fn next(
        &mut self,
        partition: PartitionName,
        number: usize,
        operation: &Operation,
    ) -> Result<&[u8], PayloadError> {
        // At most OPERATION_MAX, which the manifest's reader has checked.
        self.data.resize(operation.data_length, 0);
        fill(&mut self.source, &mut self.data, self.at)?;
        let (data, hasher) = (&self.data, &mut self.hasher);
        let ((), actual) = rayon::join(|| hasher.update(data), || Sha256Digest::of(data));
        self.at += data.len() as u64;
        match operation.data_digest {
            Some(expected) if expected != actual => {
                Err(PayloadError::Data { partition, operation: number, expected, actual })
            }
            _ => Ok(data),
        }
    }

    /// Reads the payload's signatures, which have to be its end. Returns what they are about, too.
    pub(crate) fn finish(mut self, slots: usize) -> Result<(Statement, Signatures), PayloadError> {
        let mut bytes = vec![0; slots * SLOT_BYTES];
        fill(&mut self.source, &mut bytes, self.at)?;
        let end = self.at + bytes.len() as u64;
        let mut more = Vec::new();
        let read = self.source.take(1).read_to_end(&mut more);
        match read {
            Ok(0) => {}
            Ok(_) => return Err(PayloadError::Trailing { end }),
            Err(source) => return Err(PayloadError::Read { offset: end, source }),
        }
        let signatures = decode_slots(&bytes, Purpose::payload())?;
        Ok((Statement::of_digest(Purpose::payload(), self.hasher.finish()), signatures))
    }
}
