use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use flagstone_image::verity::VerityWriter;
use rayon::prelude::*;

use crate::delta::write_delta;
use crate::extent::BLOCK;
use crate::pack::{CHUNK_BYTES, Packed, pack};
use crate::release_folder::Artifact;
use crate::windows::{read_windows, window_bytes};
use crate::{
    Compression, Extent, HEADER_BYTES, Header, Manifest, OldPartition, Operation, Partition,
    PartitionName, PayloadError, ReleaseFolder, SLOT_BYTES,
};

/// How a payload is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Which compressors may be used.
    pub compression: Compression,
    /// How many signatures there is room for.
    pub slots: usize,
}

/// Writes a payload without signatures to an empty file: a full one, or a delta from an old release.
/// The same releases give the same bytes, whatever the number of threads.
///
/// Its blobs lie in `spool`, an empty file, until the manifest is known, which comes before them.
///
/// # Errors
/// [`PayloadError`]; also if a file of a release is not what its list of digests says, or the
/// hash tree of the usr image has another root.
pub fn create(
    folder: &ReleaseFolder,
    old: Option<&ReleaseFolder>,
    options: CreateOptions,
    spool: &File,
    out: &File,
) -> Result<Manifest, PayloadError> {
    let failed = |source| PayloadError::Write { source };
    let mut release = folder.release.clone();
    release.old_root_hash = old.map(|old| old.release.root_hash);
    let mut blobs = Spool { file: BufWriter::with_capacity(1 << 20, spool), size: 0 };
    let mut methods = Vec::new();
    let mut write = |name, also: &mut (dyn FnMut(&[u8]) + Send)| {
        let new = folder.artifact(name);
        match old.map(|old| old.artifact(name)) {
            None => write_full(name, new, options.compression, &mut blobs, also),
            Some(old) => {
                let how = (options.compression, &mut methods);
                write_delta(name, [old, new], how, &mut blobs, also)
            }
        }
    };
    let mut tree = VerityWriter::new(io::sink(), release.verity.clone());
    let usr = write(PartitionName::Usr, &mut |data| {
        // A sink takes all; what it did not would change the root hash.
        let _ = tree.write_all(data);
    })?;
    let (_, tree) = tree.finish().map_err(|source| PayloadError::Verity { source })?;
    if tree.root_hash != release.root_hash {
        return Err(PayloadError::RootHash { expected: release.root_hash, actual: tree.root_hash });
    }
    let uki = write(PartitionName::Uki, &mut |_| {})?;
    blobs.file.flush().map_err(failed)?;
    let (blobs_size, slots) = (blobs.size, options.slots);
    let manifest = Manifest { release, partitions: [usr, uki], methods, blobs_size, slots };
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
pub(crate) struct Spool<'a> {
    file: BufWriter<&'a File>,
    size: u64,
}

/// Packs a file into the operations of a partition. `also` is given the file, piece by piece.
fn write_full(
    name: PartitionName,
    artifact: &Artifact,
    compression: Compression,
    spool: &mut Spool<'_>,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Partition, PayloadError> {
    let mut operations = Vec::new();
    let work = |offset, window: &[u8]| {
        let chunks = window.par_chunks(CHUNK_BYTES).with_max_len(1);
        let packed = chunks.map(|chunk| pack(chunk, compression)).collect::<Vec<_>>();
        let mut start = offset / BLOCK;
        for (packed, chunk) in packed.into_iter().zip(window.chunks(CHUNK_BYTES)) {
            let blocks = chunk.len() as u64 / BLOCK;
            operations.push(spool.add(packed?, vec![Extent { start, blocks }])?);
            start += blocks;
        }
        Ok(())
    };
    let OldPartition { whole, content } = read_windows(artifact, work, also)?;
    Ok(Partition { name, old: None, new: whole, content, operations })
}

/// Packs parts of a file, some at a time, and adds the operations that write them.
pub(crate) fn add_chunks(
    artifact: &Artifact,
    chunks: Vec<Vec<Extent>>,
    compression: Compression,
    spool: &mut Spool<'_>,
    operations: &mut Vec<Operation>,
) -> Result<(), PayloadError> {
    let mut chunks = chunks.into_iter().peekable();
    while chunks.peek().is_some() {
        let some: Vec<_> = chunks.by_ref().take(window_bytes() / CHUNK_BYTES).collect();
        let pack_one = |target: &Vec<Extent>| pack(&read_extents(artifact, target)?, compression);
        let packed: Vec<_> = some.par_iter().with_max_len(1).map(pack_one).collect();
        for (packed, target) in packed.into_iter().zip(some) {
            operations.push(spool.add(packed?, target)?);
        }
    }
    Ok(())
}

/// Reads parts of a file, with zeros after its end.
pub(crate) fn read_extents(
    artifact: &Artifact,
    extents: &[Extent],
) -> Result<Vec<u8>, PayloadError> {
    let read = |source| PayloadError::File { path: artifact.path.clone(), source };
    let mut data = Vec::with_capacity(CHUNK_BYTES);
    for extent in extents {
        let start = data.len();
        let stored = artifact.size.saturating_sub(extent.offset_bytes()).min(extent.len_bytes());
        let size = |bytes| usize::try_from(bytes).expect("a chunk is small");
        data.resize(start + size(extent.len_bytes()), 0);
        let part = &mut data[start..start + size(stored)];
        artifact.file.read_exact_at(part, extent.offset_bytes()).map_err(read)?;
    }
    Ok(data)
}

impl Spool<'_> {
    pub(crate) fn add(
        &mut self,
        packed: Packed,
        target: Vec<Extent>,
    ) -> Result<Operation, PayloadError> {
        let Packed { kind, data, digest } = packed;
        self.file.write_all(&data).map_err(|source| PayloadError::Write { source })?;
        let operation = Operation {
            kind,
            data_offset: if data.is_empty() { 0 } else { self.size },
            data_length: data.len(),
            data_digest: digest,
            source: Vec::new(),
            source_digest: None,
            lengths: None,
            target,
        };
        self.size += data.len() as u64;
        Ok(operation)
    }
}
