use std::io;

use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs::read::ReadAt;

use crate::{Operation, PartitionName, PayloadError};

/// What a delta is made from: the usr image that the machine runs.
pub trait Source {
    /// Fills a buffer with the bytes from an offset on.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<R: ReadAt + ?Sized> Source for R {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// Reads what an operation reads of the old partition, and checks its digest.
pub(crate) fn read_extents(
    partition: PartitionName,
    number: usize,
    operation: &Operation,
    old: &dyn Source,
    out: &mut Vec<u8>,
) -> Result<(), PayloadError> {
    out.clear();
    for extent in &operation.source {
        let start = out.len();
        let length = usize::try_from(extent.len_bytes()).unwrap_or(usize::MAX);
        out.resize(start.saturating_add(length), 0);
        let offset = extent.offset_bytes();
        old.read_at(offset, &mut out[start..])
            .map_err(|source| PayloadError::Source { offset, source })?;
    }
    let actual = Sha256Digest::of(out);
    match operation.source_digest {
        Some(expected) if expected != actual => {
            Err(PayloadError::OldData { partition, operation: number, expected, actual })
        }
        _ => Ok(()),
    }
}
