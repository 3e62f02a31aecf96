use std::io::{self, Read};

use flagstone_image::verity::HashTree;
use flagstone_signature::{PublicKey, Purpose};

use crate::blobs::Blobs;
use crate::checkpoint::Rest;
use crate::patch::rebuild;
use crate::read_back::{read_back, read_back_tree};
use crate::source::read_extents;
use crate::unpack::unpack;
use crate::{
    Checkpoint, Manifest, Method, Operation, OperationKind, Partition, PartitionName, PayloadError,
    Source, Sources, Target, VerifiedMetadata,
};

/// How many bytes are written before they have to be durable: what a cut costs at most.
const SYNC_BYTES: u64 = 16 << 20;

/// Where the partitions of a payload go.
#[expect(missing_debug_implementations, reason = "targets need not have it")]
pub struct Targets<'a> {
    /// The slot's /usr.
    pub usr: &'a mut dyn Target,
    /// The unified kernel image: a file, or a partition that holds one.
    pub uki: &'a mut dyn Target,
    /// The slot's hash tree, if it is to be written.
    pub verity: Option<&'a mut dyn Target>,
}

/// What is told while a payload is applied.
#[derive(Debug)]
pub enum Progress<'a> {
    /// So many bytes of the payload have been read.
    Read(u64),
    /// All up to here is durable.
    Durable(&'a Checkpoint),
}

/// What was written, all of it read back and compared.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Bytes of /usr.
    pub usr_bytes: u64,
    /// Bytes of the unified kernel image.
    pub uki_bytes: u64,
    /// Bytes of the hash tree, whether it was written or not.
    pub verity_bytes: u64,
    /// The trusted keys that signed the payload.
    pub signers: Vec<PublicKey>,
}

/// Applies a payload, whose metadata has been read from `source`, to a slot that nothing uses.
///
/// Memory is bounded by a few operations and a 64th of /usr, whatever the payload says. The digest of
/// each operation's data is checked before it is written, and nothing is written but the blocks that
/// the signed manifest names. At the end the payload's signatures are checked, everything is read back
/// from the targets and compared, and the hash tree has to have the root that was signed. After any
/// error the slot is not to be used. `old` is what a delta is made from; `progress` is told how far it is.
///
/// With `from`, what is durable already is not done again: `source` then stands where the checkpoint
/// [says](Checkpoint::resumes_at), and one that does not fit is an error.
///
/// # Errors
/// [`PayloadError`]; targets that are too small are found before anything is written.
pub fn apply(
    metadata: &VerifiedMetadata,
    source: impl Read,
    old: Option<Sources<'_>>,
    targets: &mut Targets<'_>,
    from: Option<&Checkpoint>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Applied, PayloadError> {
    let manifest = metadata.manifest();
    let [usr, uki] = &manifest.partitions;
    manifest.methods.iter().try_for_each(Method::check)?;
    check_room(usr, targets.usr.capacity_bytes())?;
    check_room(uki, targets.uki.capacity_bytes())?;
    let rest = match from {
        None => Rest::all(metadata),
        Some(from) => from.rest(metadata).ok_or(PayloadError::Checkpoint)?,
    };
    let blobs = Blobs::new(source, rest.hasher, rest.at);
    let mut writer = Writer { metadata, blobs, done: rest.done, progress };
    writer.write_partition(0, old.map(|old| old.usr), targets.usr)?;
    writer.write_partition(1, old.map(|old| old.uki), targets.uki)?;
    let signers = metadata.check_end(writer.blobs)?;
    let tree = read_back_usr(metadata, usr, targets.usr)?;
    read_back(uki, targets.uki)?;
    if let Some(verity) = targets.verity.as_deref_mut() {
        write_tree(&tree, verity)?;
    }
    Ok(Applied {
        usr_bytes: usr.content.size,
        uki_bytes: uki.content.size,
        verity_bytes: tree.bytes.len() as u64,
        signers,
    })
}

/// Reads a whole payload and checks every byte of it, without writing anything.
///
/// # Errors
/// [`PayloadError`].
pub fn verify(
    metadata: &VerifiedMetadata,
    source: impl Read,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<PublicKey>, PayloadError> {
    let mut blobs = Blobs::new(source, metadata.hasher.clone(), metadata.blobs_at);
    for partition in &metadata.manifest().partitions {
        for (operation, number) in partition.operations.iter().zip(1..) {
            blobs.next(partition.name, number, operation)?;
            progress(blobs.at());
        }
    }
    metadata.check_end(blobs)
}

impl VerifiedMetadata {
    /// Checks that the payload ends as it must, and that enough keys have signed all of it.
    fn check_end<R: Read>(&self, blobs: Blobs<R>) -> Result<Vec<PublicKey>, PayloadError> {
        let (statement, signatures) = blobs.finish(self.manifest().slots)?;
        let signers = self
            .keys
            .verify(&statement, &signatures)
            .map_err(|source| PayloadError::Signature { purpose: Purpose::payload(), source })?;
        Ok(signers.into_iter().cloned().collect())
    }
}

fn check_room(partition: &Partition, actual: u64) -> Result<(), PayloadError> {
    let expected = partition.content.size;
    if expected <= actual {
        return Ok(());
    }
    Err(PayloadError::TooSmall { partition: partition.name, expected, actual })
}

/// Writes one partition after the other.
struct Writer<'a, R> {
    metadata: &'a VerifiedMetadata,
    blobs: Blobs<R>,
    /// Operations of each partition that are done.
    done: [usize; 2],
    progress: &'a mut dyn FnMut(Progress<'_>),
}

impl<R: Read> Writer<'_, R> {
    /// Writes what is left of a partition.
    fn write_partition(
        &mut self,
        index: usize,
        old: Option<&dyn Source>,
        target: &mut dyn Target,
    ) -> Result<(), PayloadError> {
        let Manifest { partitions, methods, .. } = self.metadata.manifest();
        let partition = &partitions[index];
        let mut out = Vec::new();
        let mut since_sync = 0;
        let operations = partition.operations.iter().zip(1..);
        for (operation, number) in operations.skip(self.done[index]) {
            let data = self.blobs.next(partition.name, number, operation)?;
            let step = Step { partition, methods, operation, number };
            match operation.kind {
                OperationKind::Replace => step.write(data, target)?,
                OperationKind::Zero => step.write_zeros(target)?,
                _ => {
                    step.make(data, old, &mut out)?;
                    step.write(&out, target)?;
                }
            }
            self.done[index] = number;
            since_sync += operation.target_bytes();
            // Else the kernel would hold all of it, and stop everybody when it writes it out.
            if since_sync >= SYNC_BYTES {
                since_sync = 0;
                self.sync(partition.name, target)?;
            }
            (self.progress)(Progress::Read(self.blobs.at()));
        }
        self.sync(partition.name, target)
    }

    fn sync(
        &mut self,
        partition: PartitionName,
        target: &mut dyn Target,
    ) -> Result<(), PayloadError> {
        target.sync().map_err(|source| PayloadError::Sync { partition, source })?;
        let checkpoint = Checkpoint::new(self.metadata, self.done, self.blobs.hasher());
        (self.progress)(Progress::Durable(&checkpoint));
        Ok(())
    }
}

/// An operation and what it is one of.
struct Step<'a> {
    partition: &'a Partition,
    methods: &'a [Method],
    operation: &'a Operation,
    number: usize,
}

impl Step<'_> {
    /// Makes what the operation writes, at most [`crate::OPERATION_MAX`] bytes.
    fn make(
        &self,
        data: &[u8],
        old: Option<&dyn Source>,
        out: &mut Vec<u8>,
    ) -> Result<(), PayloadError> {
        let Self { partition, methods, operation, number } = *self;
        let expected = operation.target_bytes();
        let unpacked =
            || PayloadError::Unpack { partition: partition.name, operation: number, expected };
        if operation.kind.has_source() {
            let old = old.ok_or(PayloadError::NoSource)?;
            read_extents(partition, number, operation, old, out)?;
            let Some(lengths) = operation.lengths else { return Ok(()) };
            let room = usize::try_from(expected).map_err(|_| unpacked())?;
            let patched = rebuild(data, out, lengths, methods, room);
            *out = patched.map_err(|rule| PayloadError::Patch {
                partition: partition.name,
                operation: number,
                rule,
            })?;
            return Ok(());
        }
        out.resize(usize::try_from(expected).map_err(|_| unpacked())?, 0);
        unpack(operation.kind, data, out).ok_or_else(unpacked)
    }

    /// Writes bytes to the operation's extents, but for those that only fill the last block.
    fn write(&self, mut data: &[u8], target: &mut dyn Target) -> Result<(), PayloadError> {
        for extent in &self.operation.target {
            let length = usize::try_from(extent.len_bytes()).unwrap_or(usize::MAX);
            let (part, rest) = data.split_at(length.min(data.len()));
            let offset = extent.offset_bytes();
            let room = self.partition.content.size.saturating_sub(offset);
            let part = &part[..part.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
            write(self.partition.name, target, offset, part)?;
            data = rest;
        }
        Ok(())
    }

    fn write_zeros(&self, target: &mut dyn Target) -> Result<(), PayloadError> {
        const ZEROS: usize = 1 << 20;
        let zeros = vec![0; ZEROS];
        for extent in &self.operation.target {
            let end = (extent.offset_bytes() + extent.len_bytes()).min(self.partition.content.size);
            let mut at = extent.offset_bytes();
            while at < end {
                let count = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
                write(self.partition.name, target, at, &zeros[..count])?;
                at += count as u64;
            }
        }
        Ok(())
    }
}

fn read_back_usr(
    metadata: &VerifiedMetadata,
    usr: &Partition,
    target: &mut dyn Target,
) -> Result<HashTree, PayloadError> {
    let release = &metadata.manifest().release;
    let tree = read_back_tree(usr, target, release.verity.clone())?;
    if tree.root_hash == release.root_hash {
        return Ok(tree);
    }
    Err(PayloadError::RootHash { expected: release.root_hash, actual: tree.root_hash })
}

/// Writes the hash tree, and reads it back.
fn write_tree(tree: &HashTree, target: &mut dyn Target) -> Result<(), PayloadError> {
    let expected = tree.bytes.len() as u64;
    let actual = target.capacity_bytes();
    if expected > actual {
        return Err(PayloadError::TreeTooLarge { expected, actual });
    }
    target.write_at(0, &tree.bytes).map_err(|source| PayloadError::Tree { source })?;
    target.sync().map_err(|source| PayloadError::Tree { source })?;
    let mut piece = vec![0; 1 << 20];
    for (part, index) in tree.bytes.chunks(piece.len()).zip(0_u64..) {
        let read = &mut piece[..part.len()];
        target.read_at(index << 20, read).map_err(|source| PayloadError::Tree { source })?;
        if read != part {
            let source = io::Error::new(io::ErrorKind::InvalidData, "other bytes were read back");
            return Err(PayloadError::Tree { source });
        }
    }
    Ok(())
}

fn write(
    partition: PartitionName,
    target: &mut dyn Target,
    offset: u64,
    data: &[u8],
) -> Result<(), PayloadError> {
    target.write_at(offset, data).map_err(|source| PayloadError::Target {
        action: "write",
        partition,
        offset,
        source,
    })
}
