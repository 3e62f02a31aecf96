use std::fmt;

use flagstone_artifact::Sha256Digest;

use crate::extent::BLOCK;
use crate::{Extent, Operation, PayloadError, schema};

/// The longest partition, in bytes: so much that no sum of offsets overflows.
pub const PARTITION_MAX: u64 = 1 << 40;

/// A partition of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionName {
    /// The EROFS image of /usr; its hash tree is computed where it is written.
    Usr,
    /// The unified kernel image.
    Uki,
}

impl PartitionName {
    /// All of them, in the order of a payload.
    pub const ALL: [Self; 2] = [Self::Usr, Self::Uki];

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usr => "usr",
            Self::Uki => "uki",
        }
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Length and digest of what a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Bytes.
    pub size: u64,
    /// Digest of all of them.
    pub digest: Sha256Digest,
}

/// What a partition holds, and the file in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldPartition {
    /// Whole blocks.
    pub whole: PartitionInfo,
    /// All but the zeros that fill the last block.
    pub content: PartitionInfo,
}

/// What becomes of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which one.
    pub name: PartitionName,
    /// What it holds before, if that matters.
    pub old: Option<OldPartition>,
    /// What it holds afterwards; whole blocks.
    pub new: PartitionInfo,
    /// The file in it: all but the zeros that fill its last block.
    pub content: PartitionInfo,
    /// How it is written; every block once.
    pub operations: Vec<Operation>,
}

impl Partition {
    /// Checks a message. `data_end` is where the data of its first operation has to begin, and where
    /// the data of the next partition's.
    pub(crate) fn read(
        message: &schema::PartitionUpdate,
        name: PartitionName,
        data_end: &mut u64,
    ) -> Result<Self, PayloadError> {
        let wrong = |rule| PayloadError::manifest(format!("partition {name}"), rule);
        if message.partition_name.as_deref() != Some(name.as_str()) {
            return Err(wrong("there are usr and uki, in this order"));
        }
        if message.run_postinstall == Some(true) {
            return Err(wrong("nothing of it is run"));
        }
        let (new, content) =
            read_infos(message.new_partition_info.as_ref(), message.content_info.as_ref(), &wrong)?;
        let (old, old_content) = (&message.old_partition_info, &message.old_content_info);
        let old = if old.is_none() && old_content.is_none() {
            None
        } else {
            let (whole, content) = read_infos(old.as_ref(), old_content.as_ref(), &wrong)?;
            Some(OldPartition { whole, content })
        };
        let old_blocks = old.map_or(0, |old| old.whole.size / BLOCK);
        let mut operations = Vec::new();
        for (index, operation) in message.operations.iter().enumerate() {
            let place = format!("operation {} of {name}", index + 1);
            let operation = Operation::read(operation, &place, old_blocks, new.size / BLOCK)?;
            if operation.data_length > 0 {
                if operation.data_offset != *data_end {
                    return Err(PayloadError::manifest(
                        place,
                        "its data begins where that of the one before ends",
                    ));
                }
                *data_end += operation.data_length as u64;
            }
            operations.push(operation);
        }
        if !covers(&operations, new.size / BLOCK) {
            return Err(wrong("its operations write every block once"));
        }
        Ok(Self { name, old, new, content, operations })
    }

    pub(crate) fn to_message(&self, version: &str) -> schema::PartitionUpdate {
        schema::PartitionUpdate {
            partition_name: Some(self.name.as_str().to_owned()),
            run_postinstall: None,
            old_partition_info: self.old.map(|old| to_info(old.whole)),
            new_partition_info: Some(to_info(self.new)),
            operations: self.operations.iter().map(Operation::to_message).collect(),
            version: Some(version.to_owned()),
            content_info: Some(to_info(self.content)),
            old_content_info: self.old.map(|old| to_info(old.content)),
        }
    }
}

/// Tells whether all operations together write so many blocks, each of them once.
fn covers(operations: &[Operation], blocks: u64) -> bool {
    let mut extents: Vec<Extent> = operations.iter().flat_map(|o| &o.target).copied().collect();
    extents.sort_unstable();
    let mut end = 0;
    extents.iter().all(|extent| {
        let follows = extent.start == end;
        end = extent.end();
        follows
    }) && end == blocks
}

/// Reads what is said about whole blocks and about the file in them.
fn read_infos(
    whole: Option<&schema::PartitionInfo>,
    content: Option<&schema::PartitionInfo>,
    wrong: &dyn Fn(&'static str) -> PayloadError,
) -> Result<(PartitionInfo, PartitionInfo), PayloadError> {
    let whole = read_info(whole)
        .filter(|info| info.size.is_multiple_of(BLOCK))
        .ok_or_else(|| wrong("it has a size in blocks, at most 1 TiB, and a SHA-256"))?;
    let content = read_info(content)
        .filter(|info| info.size.checked_next_multiple_of(BLOCK) == Some(whole.size))
        .ok_or_else(|| wrong("its file ends in its last block and has a SHA-256"))?;
    Ok((whole, content))
}

fn read_info(message: Option<&schema::PartitionInfo>) -> Option<PartitionInfo> {
    let message = message?;
    let size = message.size.filter(|size| (1..=PARTITION_MAX).contains(size))?;
    let digest = message.hash.as_deref()?.try_into().ok()?;
    Some(PartitionInfo { size, digest: Sha256Digest::from_bytes(digest) })
}

fn to_info(info: PartitionInfo) -> schema::PartitionInfo {
    schema::PartitionInfo { size: Some(info.size), hash: Some(info.digest.as_bytes().to_vec()) }
}
