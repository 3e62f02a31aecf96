use std::io::{self, Write};

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_image::verity::{HashTree, Parameters, VerityWriter};

use crate::{Partition, PartitionInfo, PayloadError, Target};

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// Compares what a target holds with what was to be written.
pub(crate) fn read_back(
    partition: &Partition,
    target: &mut dyn Target,
) -> Result<(), PayloadError> {
    digest(partition, target, &mut |_| {})
}

/// Does the same, and computes the hash tree of it.
pub(crate) fn read_back_tree(
    partition: &Partition,
    target: &mut dyn Target,
    parameters: Parameters,
) -> Result<HashTree, PayloadError> {
    let mut tree = VerityWriter::new(io::sink(), parameters);
    digest(partition, target, &mut |piece| tree.write_all(piece).expect("a sink takes all"))?;
    let (_, tree) = tree.finish().map_err(|source| PayloadError::Verity { source })?;
    Ok(tree)
}

fn digest(
    partition: &Partition,
    target: &mut dyn Target,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(), PayloadError> {
    let (name, size) = (partition.name, partition.content.size);
    let mut hasher = Sha256Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    while offset < size {
        let count = usize::try_from(size - offset).unwrap_or(PIECE).min(PIECE);
        let piece = &mut piece[..count];
        target.read_at(offset, piece).map_err(|source| PayloadError::Target {
            action: "read back",
            partition: name,
            offset,
            source,
        })?;
        rayon::join(|| hasher.update(piece), || also(piece));
        offset += count as u64;
    }
    let content = PartitionInfo { size, digest: hasher.clone().finish() };
    let filler = usize::try_from(partition.new.size - size).expect("less than a block");
    hasher.update(&vec![0; filler]);
    let whole = PartitionInfo { size: partition.new.size, digest: hasher.finish() };
    compare(partition, partition.content.digest, content.digest)?;
    compare(partition, partition.new.digest, whole.digest)
}

fn compare(
    partition: &Partition,
    expected: Sha256Digest,
    actual: Sha256Digest,
) -> Result<(), PayloadError> {
    if expected == actual {
        return Ok(());
    }
    Err(PayloadError::Written { partition: partition.name, expected, actual })
}
