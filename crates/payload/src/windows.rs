use std::os::unix::fs::FileExt;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::extent::BLOCK;
use crate::pack::CHUNK_BYTES;
use crate::release_folder::Artifact;
use crate::{OldPartition, PartitionInfo, PayloadError};

/// Chunks that are packed at once for each thread: enough that none waits for the slowest.
const CHUNKS_A_THREAD: usize = 2;

/// Reads a file a window at a time, and checks that it is the one that was listed. `work` is given
/// each window, the last one filled with zeros to a whole block, and where it begins; `also` is given
/// the same without the filler, at the same time.
pub(crate) fn read_windows(
    artifact: &Artifact,
    mut work: impl FnMut(u64, &[u8]) -> Result<(), PayloadError> + Send,
    also: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<OldPartition, PayloadError> {
    let read = |source| PayloadError::File { path: artifact.path.clone(), source };
    let window = window_bytes();
    let mut hasher = Sha256Hasher::new();
    let (mut content, mut buffer, mut offset) = (None, Vec::new(), 0);
    while offset < artifact.size {
        let count = usize::try_from(artifact.size - offset).unwrap_or(window).min(window);
        buffer.resize(count, 0);
        artifact.file.read_exact_at(&mut buffer, offset).map_err(read)?;
        buffer.resize(count.next_multiple_of(block_bytes()), 0);
        let (file_part, filler) = buffer.split_at(count);
        let (_, worked) = rayon::join(
            || rayon::join(|| hasher.update(file_part), || also(file_part)),
            || work(offset, &buffer),
        );
        worked?;
        offset += count as u64;
        if offset == artifact.size {
            content = Some(hasher.clone().finish());
            hasher.update(filler);
        }
    }
    let digest = content.unwrap_or(Sha256Digest::of(b""));
    artifact.check(digest)?;
    let size = artifact.size.next_multiple_of(BLOCK);
    Ok(OldPartition {
        whole: PartitionInfo { size, digest: hasher.finish() },
        content: PartitionInfo { size: artifact.size, digest },
    })
}

/// Returns how much of a file is worked on at once.
pub(crate) fn window_bytes() -> usize {
    rayon::current_num_threads() * CHUNKS_A_THREAD * CHUNK_BYTES
}

pub(crate) fn block_bytes() -> usize {
    usize::try_from(BLOCK).expect("4096 fits")
}
