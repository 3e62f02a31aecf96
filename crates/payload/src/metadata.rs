use std::io::{self, Read};

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_signature::{PublicKey, Purpose, Signatures, Statement, TrustedKeys};

use crate::slots::decode_slots;
use crate::{HEADER_BYTES, Header, Manifest, PayloadError, SLOT_BYTES};

/// Header, manifest and metadata signatures as they were read, none of it verified.
#[derive(Debug)]
pub struct Metadata {
    header: Header,
    manifest: Vec<u8>,
    signatures: Signatures,
    /// The digest of header and manifest so far.
    hasher: Sha256Hasher,
}

/// Header and manifest that enough trusted keys have signed. There is no other way to a manifest
/// that can be applied.
#[derive(Debug)]
pub struct VerifiedMetadata {
    pub(crate) manifest: Manifest,
    /// The digest of header and manifest, with which that of the payload begins.
    pub(crate) hasher: Sha256Hasher,
    /// Bytes before the first blob.
    pub(crate) blobs_at: u64,
    pub(crate) keys: TrustedKeys,
    signers: Vec<PublicKey>,
}

impl Metadata {
    /// Reads the first bytes of a payload, up to the first blob. Of the manifest nothing is
    /// understood yet.
    ///
    /// # Errors
    /// [`PayloadError::Header`], [`PayloadError::Slot`], [`PayloadError::Read`].
    pub fn read(source: &mut impl Read) -> Result<Self, PayloadError> {
        let mut bytes = [0; HEADER_BYTES];
        fill(source, &mut bytes, 0)?;
        let header = Header::parse(&bytes)?;
        // The header has bounded both lengths; memory is taken as bytes come.
        let at = HEADER_BYTES as u64;
        let manifest = take(source, header.manifest_size, at)?;
        let size = (header.slots * SLOT_BYTES) as u64;
        let signatures = take(source, size, at + header.manifest_size)?;
        let signatures = decode_slots(&signatures, Purpose::payload_metadata())?;
        let mut hasher = Sha256Hasher::new();
        hasher.update(&bytes);
        hasher.update(&manifest);
        Ok(Self { header, manifest, signatures, hasher })
    }

    /// Returns what the metadata signatures are about: the digest of header and manifest.
    pub fn statement(&self) -> Statement {
        Statement::of_digest(Purpose::payload_metadata(), self.hasher.clone().finish())
    }

    /// Returns the signatures, unverified.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Returns the header, unverified.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Returns how many bytes come before the first blob.
    pub fn size_bytes(&self) -> u64 {
        let signatures = (self.header.slots * SLOT_BYTES) as u64;
        HEADER_BYTES as u64 + self.header.manifest_size + signatures
    }

    /// Checks that enough keys have signed, and only then reads the manifest.
    ///
    /// # Errors
    /// [`PayloadError::Signature`]; then those of [`Manifest::parse`].
    pub fn verify(self, keys: &TrustedKeys) -> Result<VerifiedMetadata, PayloadError> {
        let signers = keys.verify(&self.statement(), &self.signatures).map_err(|source| {
            PayloadError::Signature { purpose: Purpose::payload_metadata(), source }
        })?;
        let signers = signers.into_iter().cloned().collect();
        let manifest = self.unverified_manifest()?;
        let blobs_at = self.size_bytes();
        Ok(VerifiedMetadata {
            manifest,
            hasher: self.hasher,
            blobs_at,
            keys: keys.clone(),
            signers,
        })
    }

    /// Reads the manifest although nobody vouches for it: to show it, or to sign it.
    ///
    /// # Errors
    /// Those of [`Manifest::parse`].
    pub fn unverified_manifest(&self) -> Result<Manifest, PayloadError> {
        let manifest = Manifest::parse(&self.manifest)?;
        if manifest.slots != self.header.slots {
            return Err(PayloadError::manifest(
                "the head",
                "metadata and payload have as many signatures",
            ));
        }
        Ok(manifest)
    }

    pub(crate) fn into_hasher(self) -> Sha256Hasher {
        self.hasher
    }
}

impl VerifiedMetadata {
    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the digest of header and manifest, by which a payload can be told from any other.
    pub fn digest(&self) -> Sha256Digest {
        self.hasher.clone().finish()
    }

    /// Returns how many bytes come before the first blob.
    pub fn blobs_at(&self) -> u64 {
        self.blobs_at
    }

    /// Returns the trusted keys that signed the metadata.
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }
}

/// Fills a buffer.
pub(crate) fn fill(
    source: &mut impl Read,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), PayloadError> {
    source.read_exact(buffer).map_err(|source| PayloadError::Read { offset, source })
}

/// Reads so many bytes.
fn take(source: &mut impl Read, count: u64, offset: u64) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = Vec::new();
    let read = source.take(count).read_to_end(&mut bytes);
    read.map_err(|source| PayloadError::Read { offset, source })?;
    if bytes.len() as u64 == count {
        return Ok(bytes);
    }
    let offset = offset + bytes.len() as u64;
    Err(PayloadError::Read { offset, source: io::ErrorKind::UnexpectedEof.into() })
}
