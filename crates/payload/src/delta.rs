use std::collections::HashMap;

use flagstone_artifact::Sha256Digest;
use rayon::prelude::*;

use crate::create::{Spool, add_chunks, read_extents};
use crate::extent::total_bytes;
use crate::pack::{CHUNK_BYTES, Packed};
use crate::refine::{Patched, patches};
use crate::release_folder::Artifact;
use crate::windows::{block_bytes, read_windows};
use crate::{
    Compression, Extent, Method, OldPartition, Operation, OperationKind, Partition, PartitionName,
    PayloadError,
};

/// The most blocks that an operation copies: as many as it may write.
const COPY_BLOCKS: usize = 1024;

/// Packs a file into the operations that make it from an old one: blocks that are anywhere in the old
/// file are copied, content that changed is patched, all else is data. Blocks of one kind are gathered
/// from wherever they lie, so that a changed block among others costs an extent, not an operation.
///
/// A copied block may be patched, too: what is compressed together is made together.
pub(crate) fn write_delta(
    name: PartitionName,
    [old, new]: [&Artifact; 2],
    (compression, methods): (Compression, &mut Vec<Method>),
    spool: &mut Spool<'_>,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Partition, PayloadError> {
    let (old_info, old_digests) = read_digests(old, &mut |_| {})?;
    let (info, digests) = read_digests(new, also)?;
    let mut delta = Delta::new(&old_digests);
    let changed: Vec<bool> = digests.iter().map(|digest| !delta.has(digest)).collect();
    let patched = patches([old, new], &changed, methods)?;
    let mut is_patched = vec![false; digests.len()];
    for extent in patched.iter().flat_map(|patched| &patched.target) {
        for block in extent.start..extent.end() {
            is_patched[usize::try_from(block).expect("it is one of the file's")] = true;
        }
    }
    for ((digest, block), _) in digests.iter().zip(0..).zip(is_patched).filter(|(_, is)| !is) {
        delta.block(block, digest);
    }
    let mut operations = delta.copies(new)?;
    for patched in patched {
        operations.push(add_patch(patched, spool)?);
    }
    add_chunks(new, delta.chunks, compression, spool, &mut operations)?;
    Ok(Partition { name, old: Some(old_info), new: info.whole, content: info.content, operations })
}

fn add_patch(patched: Patched, spool: &mut Spool<'_>) -> Result<Operation, PayloadError> {
    let digest = Some(Sha256Digest::of(&patched.data));
    let packed = Packed { kind: OperationKind::Patch, data: patched.data, digest };
    Ok(Operation {
        source: patched.source,
        source_digest: Some(patched.source_digest),
        lengths: Some(patched.lengths),
        ..spool.add(packed, patched.target)?
    })
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
}

impl<'a> Delta<'a> {
    fn new(old: &'a [Sha256Digest]) -> Self {
        let mut places = HashMap::with_capacity(old.len());
        for (digest, block) in old.iter().zip(0..) {
            places.entry(digest).or_insert(block);
        }
        Self { places, old, last: None, copies: Vec::new(), chunks: Vec::new() }
    }

    /// Tells whether the old file has a block.
    fn has(&self, digest: &Sha256Digest) -> bool {
        self.places.contains_key(digest)
    }

    fn block(&mut self, block: u64, digest: &Sha256Digest) {
        if let Some(found) = self.find(block, digest) {
            self.last = Some((found, block));
            if self.copies.last().is_none_or(|copied| copied.blocks == COPY_BLOCKS) {
                self.copies.push(Copied::default());
            }
            let copied = self.copies.last_mut().expect("one was just added");
            push(&mut copied.source, found);
            push(&mut copied.target, block);
            copied.blocks += 1;
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

    /// Returns the operations that copy. What is copied is the same in the new file.
    fn copies(&mut self, new: &Artifact) -> Result<Vec<Operation>, PayloadError> {
        let operation = |copied: Copied| {
            let digest = Sha256Digest::of(&read_extents(new, &copied.target)?);
            Ok(copied.into_operation(digest))
        };
        std::mem::take(&mut self.copies).into_par_iter().map(operation).collect()
    }
}

impl Copied {
    fn into_operation(self, digest: Sha256Digest) -> Operation {
        Operation {
            kind: OperationKind::SourceCopy,
            data_offset: 0,
            data_length: 0,
            data_digest: None,
            source: self.source,
            source_digest: Some(digest),
            lengths: None,
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

/// Reads a file, and returns the digests of its blocks, the last one filled with zeros.
fn read_digests(
    artifact: &Artifact,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(OldPartition, Vec<Sha256Digest>), PayloadError> {
    let mut digests = Vec::new();
    let work = |_, window: &[u8]| {
        digests.par_extend(window.par_chunks(block_bytes()).map(Sha256Digest::of));
        Ok(())
    };
    let info = read_windows(artifact, work, also)?;
    Ok((info, digests))
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
        for (digest, block) in digests(new).into_iter().zip(0..) {
            delta.block(block, &digest);
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
