use std::io;

use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs::read::ReadAt;

use crate::{OldPartition, Operation, Partition, PayloadError};

/// What a delta is made from.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "sources need not have it")]
pub struct Sources<'a> {
    /// The usr image that the machine runs.
    pub usr: &'a dyn Source,
    /// The unified kernel image that it was started by.
    pub uki: &'a dyn Source,
}

/// An image that a delta is made from.
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

/// Reads what an operation reads of the old partition, and checks its digest. The zeros that fill the
/// last block are in no file.
pub(crate) fn read_extents(
    partition: &Partition,
    number: usize,
    operation: &Operation,
    source: &dyn Source,
    out: &mut Vec<u8>,
) -> Result<(), PayloadError> {
    let Some(OldPartition { content, .. }) = partition.old else {
        return Err(PayloadError::NoSource);
    };
    out.clear();
    for extent in &operation.source {
        let (start, offset) = (out.len(), extent.offset_bytes());
        let length = extent.len_bytes();
        let stored = content.size.saturating_sub(offset).min(length);
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        out.resize(start.saturating_add(size(length)), 0);
        source
            .read_at(offset, &mut out[start..start + size(stored)])
            .map_err(|source| PayloadError::Source { partition: partition.name, offset, source })?;
    }
    let actual = Sha256Digest::of(out);
    match operation.source_digest {
        Some(expected) if expected != actual => Err(PayloadError::OldData {
            partition: partition.name,
            operation: number,
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}
