use std::fmt;

use flagstone_artifact::Sha256Digest;

use crate::extent::total_bytes;
use crate::schema::{self, kind};
use crate::{Extent, OLD_MAX, PatchLengths, PayloadError};

/// The most bytes that an operation writes, zeros aside, and so the most of its data.
pub const OPERATION_MAX: u64 = 4 << 20;
/// The most extents of an operation.
const EXTENTS_MAX: usize = 4096;

/// How an operation makes what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// Its data, as it is.
    Replace,
    /// Its data, decompressed (xz file format).
    ReplaceXz,
    /// Its data, decompressed (RFC 8878).
    ReplaceZstd,
    /// Zeros.
    Zero,
    /// Blocks of the old partition.
    SourceCopy,
    /// Content of the old partition, changed by its data and compressed again.
    Patch,
}

impl OperationKind {
    const ALL: [Self; 6] = [
        Self::Replace,
        Self::ReplaceXz,
        Self::ReplaceZstd,
        Self::Zero,
        Self::SourceCopy,
        Self::Patch,
    ];

    /// Returns the published schema's word, or the own one.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Replace => "REPLACE",
            Self::ReplaceXz => "REPLACE_XZ",
            Self::ReplaceZstd => "ZSTD",
            Self::Zero => "ZERO",
            Self::SourceCopy => "SOURCE_COPY",
            Self::Patch => "PATCH",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Replace => kind::REPLACE,
            Self::ReplaceXz => kind::REPLACE_XZ,
            Self::ReplaceZstd => kind::REPLACE_ZSTD,
            Self::Zero => kind::ZERO,
            Self::SourceCopy => kind::SOURCE_COPY,
            Self::Patch => kind::PATCH,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    const fn has_data(self) -> bool {
        !matches!(self, Self::Zero | Self::SourceCopy)
    }

    pub(crate) const fn has_source(self) -> bool {
        matches!(self, Self::SourceCopy | Self::Patch)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One step of writing a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Where its data is among the blobs, in bytes.
    pub data_offset: u64,
    /// Bytes of its data; 0 if it has none, at most [`OPERATION_MAX`].
    pub data_length: usize,
    /// Digest of its data, if it has any.
    pub data_digest: Option<Sha256Digest>,
    /// What it reads of the old partition, in order; none if it reads nothing of it.
    pub source: Vec<Extent>,
    /// Digest of what it reads of the old partition.
    pub source_digest: Option<Sha256Digest>,
    /// Bytes of the contents, if it patches.
    pub lengths: Option<PatchLengths>,
    /// What it writes, in order.
    pub target: Vec<Extent>,
}

impl Operation {
    /// Returns how many bytes it writes.
    pub fn target_bytes(&self) -> u64 {
        total_bytes(&self.target)
    }

    /// Checks a message; `old_blocks` and `new_blocks` are those of the partition.
    pub(crate) fn read(
        message: &schema::InstallOperation,
        place: &str,
        old_blocks: u64,
        new_blocks: u64,
    ) -> Result<Self, PayloadError> {
        let wrong = |rule| PayloadError::manifest(place, rule);
        let kind = message.kind.and_then(OperationKind::from_number);
        let kind = kind.ok_or(wrong("its type is none that is known"))?;
        let target = read_extents(&message.dst_extents, new_blocks)
            .ok_or(wrong("it writes blocks of the partition alone"))?;
        let source = read_extents(&message.src_extents, old_blocks)
            .ok_or(wrong("it reads blocks of the old partition alone"))?;
        let target_bytes = total_bytes(&target);
        let data_length = message.data_length.unwrap_or(0);
        if target.is_empty() {
            return Err(wrong("it writes at least one block"));
        }
        if kind.has_source() == source.is_empty() {
            return Err(wrong("it reads the old partition exactly if its type does"));
        }
        if kind == OperationKind::SourceCopy && total_bytes(&source) != target_bytes {
            return Err(wrong("it writes as much as it copies"));
        }
        if kind == OperationKind::Patch && total_bytes(&source) > OLD_MAX {
            return Err(wrong("a patch reads at most 16 MiB"));
        }
        let lengths = match (kind, message.old_length, message.new_length) {
            (OperationKind::Patch, Some(old), Some(new)) => PatchLengths::new(old, new).map(Some),
            (OperationKind::Patch, ..) => None,
            (_, None, None) => Some(None),
            _ => None,
        };
        let lengths = lengths.ok_or(wrong("a patch, and nothing else, has lengths of contents"))?;
        if kind.has_data() != (data_length > 0) {
            return Err(wrong("it has data exactly if its type does"));
        }
        if kind != OperationKind::Zero && target_bytes > OPERATION_MAX {
            return Err(wrong("it writes at most 4 MiB"));
        }
        if data_length > target_bytes {
            return Err(wrong("it has no more data than it writes"));
        }
        if kind == OperationKind::Replace && data_length != target_bytes {
            return Err(wrong("it has as much data as it writes"));
        }
        if message.src_length.is_some_and(|length| length != total_bytes(&source))
            || message.dst_length.is_some_and(|length| length != target_bytes)
        {
            return Err(wrong("its lengths are those of its extents"));
        }
        let data_digest = read_digest(
            message.data_sha256_hash.as_deref(),
            kind.has_data(),
            wrong("its data has a SHA-256 if it has any"),
        )?;
        let source_digest = read_digest(
            message.src_sha256_hash.as_deref(),
            kind.has_source(),
            wrong("what it reads has a SHA-256 if it reads any"),
        )?;
        Ok(Self {
            kind,
            data_offset: message.data_offset.unwrap_or(0),
            data_length: usize::try_from(data_length).map_err(|_| wrong("it has too much data"))?,
            data_digest,
            source,
            source_digest,
            lengths,
            target,
        })
    }

    pub(crate) fn to_message(&self) -> schema::InstallOperation {
        let has_data = self.kind.has_data();
        let extents = |extents: &[Extent]| extents.iter().map(|e| e.to_message()).collect();
        let digest = |digest: Option<Sha256Digest>| digest.map(|d| d.as_bytes().to_vec());
        schema::InstallOperation {
            kind: Some(self.kind.number()),
            data_offset: has_data.then_some(self.data_offset),
            data_length: has_data.then_some(self.data_length as u64),
            src_extents: extents(&self.source),
            src_length: None,
            dst_extents: extents(&self.target),
            dst_length: None,
            data_sha256_hash: digest(self.data_digest),
            src_sha256_hash: digest(self.source_digest),
            old_length: self.lengths.map(|lengths| lengths.old as u64),
            new_length: self.lengths.map(|lengths| lengths.new as u64),
        }
    }
}

fn read_extents(messages: &[schema::Extent], blocks: u64) -> Option<Vec<Extent>> {
    if messages.len() > EXTENTS_MAX {
        return None;
    }
    messages.iter().map(|message| Extent::read(message, blocks)).collect()
}

/// Reads a digest that has to be there, or must not be.
fn read_digest(
    bytes: Option<&[u8]>,
    needed: bool,
    wrong: PayloadError,
) -> Result<Option<Sha256Digest>, PayloadError> {
    match bytes.map(<[u8; 32]>::try_from) {
        Some(Ok(bytes)) if needed => Ok(Some(Sha256Digest::from_bytes(bytes))),
        None if !needed => Ok(None),
        _ => Err(wrong),
    }
}
