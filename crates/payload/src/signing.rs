use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use flagstone_signature::{KeyId, Purpose, Signature, Signatures, Statement};

use crate::blobs::Blobs;
use crate::slots::encode_slots;
use crate::{Metadata, PayloadError};

/// How much of a payload is read at once.
const BUFFER: usize = 1 << 20;

/// A payload that is to be signed: what there is to sign, and the signatures that are there.
#[derive(Clone, Debug)]
pub struct Signable {
    metadata_at: u64,
    payload_at: u64,
    slots: usize,
    metadata: Statement,
    payload: Statement,
    metadata_signatures: Signatures,
    payload_signatures: Signatures,
}

impl Signable {
    /// Reads a whole payload, and checks that it is well-formed and has the digests that it says:
    /// what is signed is what lies there. No signature is asked for, nor checked.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn read(source: impl Read) -> Result<Self, PayloadError> {
        let mut source = BufReader::with_capacity(BUFFER, source);
        let metadata = Metadata::read(&mut source)?;
        let manifest = metadata.unverified_manifest()?;
        let (statement, signatures) = (metadata.statement(), metadata.signatures().clone());
        let blobs_at = metadata.size_bytes();
        let mut blobs = Blobs::new(source, metadata.into_hasher(), blobs_at);
        for partition in &manifest.partitions {
            for (operation, number) in partition.operations.iter().zip(1..) {
                blobs.next(partition.name, number, operation)?;
            }
        }
        let (payload, payload_signatures) = blobs.finish(manifest.slots)?;
        let size = (manifest.slots * crate::SLOT_BYTES) as u64;
        Ok(Self {
            metadata_at: blobs_at - size,
            payload_at: blobs_at + manifest.blobs_size,
            slots: manifest.slots,
            metadata: statement,
            payload,
            metadata_signatures: signatures,
            payload_signatures,
        })
    }

    /// Returns what is to be signed for the metadata.
    pub fn metadata(&self) -> &Statement {
        &self.metadata
    }

    /// Returns what is to be signed for the whole payload.
    pub fn payload(&self) -> &Statement {
        &self.payload
    }

    /// Returns how many signatures there is room for.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Returns the keys that have signed, unverified.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.payload_signatures.iter().map(|(id, _)| id).collect()
    }

    /// Forgets all signatures.
    pub fn clear(&mut self) {
        self.metadata_signatures = Signatures::new(Purpose::payload_metadata());
        self.payload_signatures = Signatures::new(Purpose::payload());
    }

    /// Adds the two signatures of a key, in place of those that it may have given before.
    ///
    /// # Errors
    /// [`PayloadError::NoSlot`].
    pub fn add(
        &mut self,
        key: KeyId,
        metadata: Signature,
        payload: Signature,
    ) -> Result<(), PayloadError> {
        for (signatures, signature) in
            [(&mut self.metadata_signatures, metadata), (&mut self.payload_signatures, payload)]
        {
            let purpose = signatures.purpose().clone();
            signatures
                .add(key, signature)
                .map_err(|source| PayloadError::Signature { purpose, source })?;
            if signatures.iter().count() > self.slots {
                return Err(PayloadError::NoSlot { slots: self.slots });
            }
        }
        Ok(())
    }

    /// Writes the signatures into the payload that was read; nothing else of it changes.
    ///
    /// # Errors
    /// [`PayloadError::Write`].
    pub fn write(&self, file: &File) -> Result<(), PayloadError> {
        let parts = [
            (self.metadata_at, encode_slots(&self.metadata_signatures, self.slots)?),
            (self.payload_at, encode_slots(&self.payload_signatures, self.slots)?),
        ];
        for (at, bytes) in parts {
            let written = file.write_all_at(&bytes, at);
            written.map_err(|source| PayloadError::Write { source })?;
        }
        Ok(())
    }
}
