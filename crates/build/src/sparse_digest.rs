use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use rustix::fs::{SeekFrom as Extent, seek};
use rustix::io::Errno;

/// How much is read or counted as zeros at once.
const PIECE_BYTES: usize = 1 << 20;

/// Returns a file's length and digest, without reading its holes: a disk image is gigabytes of
/// them, and each page would be made and cleared only to be digested.
pub(crate) fn digest_file(path: &Path) -> io::Result<(u64, Sha256Digest)> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut hasher = Sha256Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let zeros = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < len {
        let data = next(&file, Extent::Data(at))?.unwrap_or(len).clamp(at, len);
        pieces(data - at, |bytes| {
            hasher.update(&zeros[..bytes]);
            Ok(())
        })?;
        let end = next(&file, Extent::Hole(data))?.unwrap_or(len).clamp(data, len);
        file.seek(SeekFrom::Start(data))?;
        pieces(end - data, |bytes| {
            file.read_exact(&mut piece[..bytes])?;
            hasher.update(&piece[..bytes]);
            Ok(())
        })?;
        at = end;
    }
    Ok((len, hasher.finish()))
}

/// Finds the next data or hole; `None` if there is none. A file system that knows no holes has all
/// data and one hole at the end.
fn next(file: &File, what: Extent) -> io::Result<Option<u64>> {
    match seek(file, what) {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Goes over a length in pieces.
fn pieces(len: u64, mut each: impl FnMut(usize) -> io::Result<()>) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        each(bytes)?;
        left -= bytes as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_count_as_zeros_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        for (len, writes) in [
            (0, vec![]),
            (3_000_000, vec![]),
            (3_000_000, vec![0]),
            (3_000_000, vec![1_048_576, 2_999_000]),
            (10, vec![3]),
        ] {
            let path = dir.path().join("file");
            let file = File::create(&path).unwrap();
            file.set_len(len).unwrap();
            let mut plain = vec![0; usize::try_from(len).unwrap()];
            for at in writes {
                file.write_all_at(b"data", at).unwrap();
                let at = usize::try_from(at).unwrap();
                plain[at..at + 4].copy_from_slice(b"data");
            }
            assert_eq!(digest_file(&path).unwrap(), (len, Sha256Digest::of(&plain)));
        }
    }
}
