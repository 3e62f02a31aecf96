use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_image::verity::VerityWriter;
use rayon::prelude::*;

use crate::extent::BLOCK;
use crate::pack::{CHUNK_BYTES, Packed, pack};
use crate::release_folder::Artifact;
use crate::{
    Compression, Extent, HEADER_BYTES, Header, Manifest, Operation, Partition, PartitionInfo,
    PartitionName, PayloadError, ReleaseFolder, SLOT_BYTES,
};

/// Chunks that are packed at once for each thread: enough that none waits for the slowest.
const CHUNKS_A_THREAD: usize = 2;

/// How a payload is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Which compressors may be used.
    pub compression: Compression,
    /// How many signatures there is room for.
    pub slots: usize,
}

/// Writes a full payload without signatures to an empty file. The same release gives the same bytes,
/// whatever the number of threads.
///
/// Its blobs lie in `spool`, an empty file, until the manifest is known, which comes before them.
///
/// # Errors
/// [`PayloadError`]; also if a file of the release is not what its list of digests says, or the
/// hash tree of its usr image has another root.
pub fn create(
    folder: &ReleaseFolder,
    options: CreateOptions,
    spool: &File,
    out: &File,
) -> Result<Manifest, PayloadError> {
    let failed = |source| PayloadError::Write { source };
    let release = &folder.release;
    let mut blobs = Spool { file: BufWriter::with_capacity(1 << 20, spool), size: 0 };
    let mut tree = VerityWriter::new(io::sink(), release.verity.clone());
    let mut hash = |chunk: &[u8]| {
        // A sink takes all; what it did not would change the root hash.
        let _ = tree.write_all(chunk);
    };
    let usr = write_partition(PartitionName::Usr, &folder.usr, options, &mut blobs, &mut hash)?;
    let (_, tree) = tree.finish().map_err(|source| PayloadError::Verity { source })?;
    if tree.root_hash != release.root_hash {
        return Err(PayloadError::RootHash { expected: release.root_hash, actual: tree.root_hash });
    }
    let uki = write_partition(PartitionName::Uki, &folder.uki, options, &mut blobs, &mut |_| {})?;
    blobs.file.flush().map_err(failed)?;
    let manifest = Manifest {
        release: release.clone(),
        partitions: [usr, uki],
        blobs_size: blobs.size,
        slots: options.slots,
    };
    write_payload(&manifest, spool, out).map_err(failed)?;
    Ok(manifest)
}

/// Puts the parts together: header, manifest, empty slots, blobs, empty slots.
fn write_payload(manifest: &Manifest, mut spool: &File, mut out: &File) -> io::Result<()> {
    let bytes = manifest.to_bytes();
    let header = Header { manifest_size: bytes.len() as u64, slots: manifest.slots };
    let mut start = Vec::with_capacity(HEADER_BYTES + bytes.len());
    start.extend(header.to_bytes());
    start.extend(bytes);
    let slots = crate::slots::empty_slots(manifest.slots);
    debug_assert_eq!(slots.len(), manifest.slots * SLOT_BYTES);
    start.extend(&slots);
    out.write_all(&start)?;
    spool.rewind()?;
    // The kernel moves them, or shares them, where it can.
    io::copy(&mut spool.take(manifest.blobs_size), &mut out)?;
    out.write_all(&slots)
}

/// Blobs as they come, one after the other.
struct Spool<'a> {
    file: BufWriter<&'a File>,
    size: u64,
}

/// Packs a file into the operations of a partition. `also` is given the file, chunk by chunk.
fn write_partition(
    name: PartitionName,
    artifact: &Artifact,
    options: CreateOptions,
    spool: &mut Spool<'_>,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Partition, PayloadError> {
    let read = |source| PayloadError::File { path: artifact.path.clone(), source };
    let window = rayon::current_num_threads() * CHUNKS_A_THREAD * CHUNK_BYTES;
    let (mut hasher, mut operations) = (Sha256Hasher::new(), Vec::new());
    let (mut content, mut offset) = (None, 0);
    let mut buffer = vec![0; window.min(usize::try_from(artifact.size).unwrap_or(window))];
    while offset < artifact.size {
        let left = artifact.size - offset;
        let count = usize::try_from(left).unwrap_or(window).min(window);
        buffer.resize(count, 0);
        artifact.file.read_exact_at(&mut buffer, offset).map_err(read)?;
        buffer.resize(count.next_multiple_of(block_bytes()), 0);
        let (file_part, filler) = buffer.split_at(count);
        let ((), packed) = rayon::join(
            || {
                rayon::join(|| hasher.update(file_part), || also(file_part));
            },
            || {
                let chunks = buffer.par_chunks(CHUNK_BYTES).with_max_len(1);
                chunks.map(|chunk| pack(chunk, options.compression)).collect::<Vec<_>>()
            },
        );
        for (packed, chunk) in packed.into_iter().zip(buffer.chunks(CHUNK_BYTES)) {
            let start = operations.last().map_or(0, |operation: &Operation| {
                operation.target.last().map_or(0, |extent| extent.end())
            });
            let blocks = chunk.len() as u64 / BLOCK;
            operations.push(spool.add(packed?, Extent { start, blocks })?);
        }
        offset += count as u64;
        if offset == artifact.size {
            content = Some(hasher.clone().finish());
            hasher.update(filler);
        }
    }
    let digest = content.unwrap_or(Sha256Digest::of(b""));
    artifact.check(digest)?;
    let size = artifact.size.next_multiple_of(BLOCK);
    Ok(Partition {
        name,
        old: None,
        new: PartitionInfo { size, digest: hasher.finish() },
        content: PartitionInfo { size: artifact.size, digest },
        operations,
    })
}

impl Spool<'_> {
    fn add(&mut self, packed: Packed, target: Extent) -> Result<Operation, PayloadError> {
        let Packed { kind, data, digest } = packed;
        self.file.write_all(&data).map_err(|source| PayloadError::Write { source })?;
        let operation = Operation {
            kind,
            data_offset: if data.is_empty() { 0 } else { self.size },
            data_length: data.len(),
            data_digest: digest,
            source: Vec::new(),
            source_digest: None,
            target: vec![target],
        };
        self.size += data.len() as u64;
        Ok(operation)
    }
}

fn block_bytes() -> usize {
    usize::try_from(BLOCK).expect("4096 fits")
}
