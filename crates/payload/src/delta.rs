use std::collections::HashMap;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use rayon::prelude::*;

use crate::create::{Spool, add_chunks};
use crate::extent::{BLOCK, total_bytes};
use crate::pack::CHUNK_BYTES;
use crate::release_folder::Artifact;
use crate::windows::{block_bytes, read_windows};
use crate::{
    Compression, Extent, OldPartition, Operation, OperationKind, Partition, PartitionName,
    PayloadError,
};

/// The most blocks that an operation copies: as many as it may write.
const COPY_BLOCKS: usize = 1024;

/// Packs a file into the operations that make it from an old one: blocks that are anywhere in the old
/// file are copied, all others are data. Blocks of one kind are gathered from wherever they lie, so
/// that a changed block among others costs an extent, not an operation.
pub(crate) fn write_delta(
    name: PartitionName,
    [old, new]: [&Artifact; 2],
    compression: Compression,
    spool: &mut Spool<'_>,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Partition, PayloadError> {
    let (old, old_digests) = read_old(old)?;
    let mut delta = Delta::new(&old_digests);
    let info = read_blocks(new, &mut |block, data, digest| delta.block(block, data, digest), also)?;
    let operations = delta.finish(new, compression, spool)?;
    Ok(Partition { name, old: Some(old), new: info.whole, content: info.content, operations })
}

/// Blocks of a new file, sorted into those that are copied and those that are data.
struct Delta<'a> {
    /// The first old block with each digest.
    places: HashMap<&'a Sha256Digest, u64>,
    old: &'a [Sha256Digest],
    /// Old and new number of the block that was copied last.
    last: Option<(u64, u64)>,
    copies: Vec<Copied>,
    /// What each operation with data writes.
    chunks: Vec<Vec<Extent>>,
}

/// What one operation copies.
#[derive(Default)]
struct Copied {
    source: Vec<Extent>,
    target: Vec<Extent>,
    blocks: usize,
    hasher: Sha256Hasher,
}

impl<'a> Delta<'a> {
    fn new(old: &'a [Sha256Digest]) -> Self {
        let mut places = HashMap::with_capacity(old.len());
        for (digest, block) in old.iter().zip(0..) {
            places.entry(digest).or_insert(block);
        }
        Self { places, old, last: None, copies: Vec::new(), chunks: Vec::new() }
    }

    fn block(&mut self, block: u64, data: &[u8], digest: &Sha256Digest) {
        if let Some(found) = self.find(block, digest) {
            self.last = Some((found, block));
            if self.copies.last().is_none_or(|copied| copied.blocks == COPY_BLOCKS) {
                self.copies.push(Copied::default());
            }
            let copied = self.copies.last_mut().expect("one was just added");
            push(&mut copied.source, found);
            push(&mut copied.target, block);
            copied.blocks += 1;
            copied.hasher.update(data);
        } else {
            if self.chunks.last().is_none_or(|chunk| total_bytes(chunk) == CHUNK_BYTES as u64) {
                self.chunks.push(Vec::new());
            }
            push(self.chunks.last_mut().expect("one was just added"), block);
        }
    }

    /// Finds an old block, if there are several the one that follows what was copied before.
    fn find(&self, block: u64, digest: &Sha256Digest) -> Option<u64> {
        let next = self.last.filter(|(_, new)| new + 1 == block).map(|(old, _)| old + 1);
        let follows = |old: &u64| {
            usize::try_from(*old).ok().and_then(|old| self.old.get(old)) == Some(digest)
        };
        next.filter(follows).or_else(|| self.places.get(digest).copied())
    }

    fn finish(
        self,
        new: &Artifact,
        compression: Compression,
        spool: &mut Spool<'_>,
    ) -> Result<Vec<Operation>, PayloadError> {
        let mut operations: Vec<Operation> =
            self.copies.into_iter().map(Copied::into_operation).collect();
        add_chunks(new, self.chunks, compression, spool, &mut operations)?;
        Ok(operations)
    }
}

impl Copied {
    fn into_operation(self) -> Operation {
        Operation {
            kind: OperationKind::SourceCopy,
            data_offset: 0,
            data_length: 0,
            data_digest: None,
            source: self.source,
            source_digest: Some(self.hasher.finish()),
            target: self.target,
        }
    }
}

/// Adds a block to what was gathered.
fn push(extents: &mut Vec<Extent>, block: u64) {
    match extents.last_mut() {
        Some(last) if last.end() == block => last.blocks += 1,
        _ => extents.push(Extent { start: block, blocks: 1 }),
    }
}

/// Reads an old file, and returns the digests of its blocks.
fn read_old(artifact: &Artifact) -> Result<(OldPartition, Vec<Sha256Digest>), PayloadError> {
    let mut digests = Vec::new();
    let info = read_blocks(artifact, &mut |_, _, digest| digests.push(*digest), &mut |_| {})?;
    Ok((info, digests))
}

/// Reads a file block by block, the last one filled with zeros.
fn read_blocks(
    artifact: &Artifact,
    take: &mut (dyn FnMut(u64, &[u8], &Sha256Digest) + Send),
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<OldPartition, PayloadError> {
    let work = |offset, window: &[u8]| {
        let digests: Vec<_> = window.par_chunks(block_bytes()).map(Sha256Digest::of).collect();
        for ((data, digest), block) in
            window.chunks(block_bytes()).zip(&digests).zip(offset / BLOCK..)
        {
            take(block, data, digest);
        }
        Ok(())
    };
    read_windows(artifact, work, also)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(blocks: &[u8]) -> Vec<Sha256Digest> {
        blocks.iter().map(|byte| Sha256Digest::of(&[*byte; 4096])).collect()
    }

    #[test]
    fn blocks_are_gathered_by_where_they_come_from() {
        let (old, new) = (digests(b"aabcd"), b"xabcyaad");
        let mut delta = Delta::new(&old);
        for ((byte, digest), block) in new.iter().zip(digests(new)).zip(0..) {
            delta.block(block, &[*byte; 4096], &digest);
        }
        let extent = |start, blocks| Extent { start, blocks };
        let [copied] = delta.copies.as_slice() else { panic!("one copy") };
        // Of the two old blocks "a" the first one is taken, and the second one where it follows.
        assert_eq!(copied.source, [extent(0, 1), extent(2, 2), extent(0, 2), extent(4, 1)]);
        assert_eq!(copied.target, [extent(1, 3), extent(5, 3)]);
        let [chunk] = delta.chunks.as_slice() else { panic!("one chunk") };
        assert_eq!(chunk.as_slice(), [extent(0, 1), extent(4, 1)]);
    }
}
