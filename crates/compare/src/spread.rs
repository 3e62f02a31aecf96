use std::fs::File;
use std::io;
use std::ops::Range;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_image::erofs::read::ReadAt as _;
use rayon::prelude::*;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use serde::Serialize;

use crate::window::Window;

/// How much is compared at once.
const PART: u64 = 1 << 20;

/// Where the bytes of two files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The first byte that differs.
    pub first: u64,
    /// The last byte that differs.
    pub last: u64,
    /// How many bytes differ.
    pub count: u64,
}

impl Spread {
    fn with(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            count: self.count + other.count,
        }
    }
}

/// Compares all bytes; `None` if they are equal. What only one side has counts as different.
///
/// Holes that both sides have are not read: a disk image is gigabytes of them.
pub(crate) fn spread(old: &Window, new: &Window) -> io::Result<Option<Spread>> {
    let shared = old.size().min(new.size());
    let mut parts: Vec<u64> = Vec::new();
    for window in [old, new] {
        for data in window.data()? {
            let end = data.end.min(shared);
            parts.extend(data.start / PART..end.div_ceil(PART).max(data.start / PART));
        }
    }
    parts.sort_unstable();
    parts.dedup();
    let compare = |part: u64| -> io::Result<Option<Spread>> {
        let start = part * PART;
        let Some(left) = shared.checked_sub(start).filter(|&left| left > 0) else {
            return Ok(None);
        };
        let length = usize::try_from(PART.min(left)).map_err(io::Error::other)?;
        let (mut a, mut b) = (vec![0; length], vec![0; length]);
        old.read_exact_at(&mut a, start)?;
        new.read_exact_at(&mut b, start)?;
        if a == b {
            return Ok(None);
        }
        let places = || (start..).zip(a.iter().zip(&b)).filter(|(_, (a, b))| a != b);
        let first = places().next().map_or(start, |(at, _)| at);
        let (count, last) = places().fold((0, first), |(count, _), (at, _)| (count + 1, at));
        Ok(Some(Spread { first, last, count }))
    };
    let found = parts.into_par_iter().map(compare).try_reduce(|| None, |a, b| Ok(either(a, b)))?;
    let longer = old.size().max(new.size());
    let rest = (longer > shared).then(|| Spread {
        first: shared,
        last: longer - 1,
        count: longer - shared,
    });
    Ok(either(found, rest))
}

/// Returns the digest of all bytes.
pub(crate) fn digest(window: &Window) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256Hasher::new();
    let mut buffer = vec![0; usize::try_from(PART).map_err(io::Error::other)?];
    let mut at = 0;
    while at < window.size() {
        let length = usize::try_from(PART.min(window.size() - at)).map_err(io::Error::other)?;
        window.read_exact_at(&mut buffer[..length], at)?;
        hasher.update(&buffer[..length]);
        at += length as u64;
    }
    Ok(hasher.finish())
}

fn either(a: Option<Spread>, b: Option<Spread>) -> Option<Spread> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.with(b)),
        (a, b) => a.or(b),
    }
}

/// Returns the parts of a file that are no holes, as far as they lie in a range.
pub(crate) fn data(file: &File, within: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let mut found = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let Some(start) = next(file, SeekFrom::Data(at))? else { break };
        let end = next(file, SeekFrom::Hole(start))?.unwrap_or(within.end);
        if start >= within.end {
            break;
        }
        let end = end.clamp(start, within.end);
        found.push(start..end);
        // A file that changes meanwhile must not hold this up.
        at = end.max(at + 1);
    }
    Ok(found)
}

/// Finds the next data or hole; `None` if there is none.
fn next(file: &File, what: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, what) {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn bytes_that_differ_are_found_in_data_and_beside_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let make = |path: &std::path::Path, len: u64, writes: &[(u64, &[u8])]| {
            let file = File::create(path).unwrap();
            file.set_len(len).unwrap();
            for (at, data) in writes {
                file.write_all_at(data, *at).unwrap();
            }
        };
        let compare = || spread(&Window::open(&a).unwrap(), &Window::open(&b).unwrap()).unwrap();
        make(&a, 5_000_000, &[(10, b"same"), (3_000_000, b"data")]);
        make(&b, 5_000_000, &[(10, b"same"), (3_000_000, b"data"), (4_000_000, &[0; 9])]);
        assert_eq!(compare(), None, "zeros and holes are the same");
        make(&b, 5_000_000, &[(10, b"sane"), (3_000_000, b"data"), (4_999_999, b"x")]);
        assert_eq!(compare(), Some(Spread { first: 12, last: 4_999_999, count: 2 }));
        make(&b, 5_000_002, &[(10, b"same"), (3_000_000, b"data")]);
        assert_eq!(compare(), Some(Spread { first: 5_000_000, last: 5_000_001, count: 2 }));
        fs::write(&a, b"").unwrap();
        fs::write(&b, b"").unwrap();
        assert_eq!(compare(), None);
    }
}
