use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::ContentError;

/// The most bytes of a store that are read at once by [`Content::data`].
const PIECE: u64 = 1 << 20;

/// Something outside the tree that holds the bytes of files, for as long as the tree lives.
///
/// What it holds must not change; whoever makes the source sees to that.
pub trait Source: fmt::Debug + Send + Sync {
    /// Fills the buffer with the bytes from an offset on.
    ///
    /// # Errors
    /// Whatever the reading gives; an end before the buffer is full is an error too.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Bytes without holes: in memory, or where they can be read from.
#[derive(Clone, Debug)]
pub struct Data(Place);

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    Stored(Stored),
}

#[derive(Clone, Debug)]
struct Stored {
    source: Arc<dyn Source>,
    offset: u64,
    len: u64,
    /// Of all bytes, if that is known without reading them.
    digest: Option<Sha256Digest>,
}

impl Data {
    /// Refers to bytes of a source whose digest is known.
    pub fn stored(source: Arc<dyn Source>, offset: u64, len: u64, digest: Sha256Digest) -> Self {
        Self(Place::Stored(Stored { source, offset, len, digest: Some(digest) }))
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Stored(stored) => stored.len,
        }
    }

    /// Tells whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a part of it, without reading anything.
    ///
    /// # Panics
    /// If the range does not lie within.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "a part lies within");
        match &self.0 {
            Place::Memory(bytes) => Self(Place::Memory(bytes.slice(index(&range)))),
            Place::Stored(stored) => Self(Place::Stored(Stored {
                source: Arc::clone(&stored.source),
                offset: stored.offset + range.start,
                len: range.end - range.start,
                digest: stored.digest.filter(|_| range == (0..stored.len)),
            })),
        }
    }

    /// Returns the bytes: without a copy if they are in memory.
    ///
    /// # Errors
    /// [`ContentError`] if they cannot be read.
    pub fn to_bytes(&self) -> Result<Bytes, ContentError> {
        match &self.0 {
            Place::Memory(bytes) => Ok(bytes.clone()),
            Place::Stored(stored) => {
                let mut bytes = vec![0; index(&(0..stored.len)).end];
                stored
                    .source
                    .read_exact_at(&mut bytes, stored.offset)
                    .map_err(|error| ContentError { kind: error.kind() })?;
                Ok(bytes.into())
            }
        }
    }

    fn digest(&self) -> Result<Sha256Digest, ContentError> {
        match &self.0 {
            Place::Memory(bytes) => Ok(Sha256Digest::of(bytes)),
            Place::Stored(Stored { digest: Some(digest), .. }) => Ok(*digest),
            Place::Stored(_) => self
                .pieces()
                .try_fold(Sha256Hasher::new(), |mut hasher, piece| {
                    hasher.update(&piece?.1);
                    Ok(hasher)
                })
                .map(Sha256Hasher::finish),
        }
    }

    /// Returns the bytes piece by piece, with the offset of each.
    fn pieces(&self) -> impl Iterator<Item = Result<(u64, Bytes), ContentError>> + '_ {
        let step = match &self.0 {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Stored(_) => PIECE,
        };
        let len = self.len();
        let starts = (0..len.div_ceil(step.max(1))).map(move |n| n * step);
        starts.map(move |start| {
            let piece = self.slice(start..len.min(start + step));
            Ok((start, piece.to_bytes()?))
        })
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self(Place::Memory(bytes))
    }
}

/// The bytes of a regular file, cheap to clone.
///
/// A sparse file is a length and the extents that hold data; everything between them reads as
/// zeros.
#[derive(Clone, Debug, Default)]
pub struct Content {
    len: u64,
    /// Sorted by offset, not overlapping, none empty, all within `len`.
    extents: Vec<(u64, Data)>,
}

impl Content {
    /// Creates a sparse file of `len` bytes; `None` if an extent overlaps another, is out of order
    /// or reaches past `len`.
    pub fn sparse<D: Into<Data>>(len: u64, extents: Vec<(u64, D)>) -> Option<Self> {
        let extents: Vec<(u64, Data)> =
            extents.into_iter().map(|(offset, data)| (offset, data.into())).collect();
        let mut end = 0;
        for (offset, data) in &extents {
            if *offset < end || data.is_empty() {
                return None;
            }
            end = offset.checked_add(data.len())?;
        }
        (end <= len).then_some(Self { len, extents })
    }

    /// Returns the length in bytes, holes included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether the file has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the ranges that hold data, in order; everything else reads as zeros.
    pub fn extents(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.extents.iter().map(|(offset, data)| *offset..offset + data.len())
    }

    /// Returns the parts of a range that hold data, in order.
    pub fn extents_in(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.extents.partition_point(|(at, data)| at + data.len() <= range.start);
        let extents = self.extents[first..].iter().take_while(move |(at, _)| *at < range.end);
        extents.map(move |(at, data)| (*at).max(range.start)..(at + data.len()).min(range.end))
    }

    /// Tells whether one extent holds all bytes.
    pub fn is_dense(&self) -> bool {
        match self.extents.as_slice() {
            [] => self.len == 0,
            [(0, data)] => data.len() == self.len,
            _ => false,
        }
    }

    /// Returns the bytes of all extents in order, as (offset, bytes): whole extents from memory,
    /// pieces of at most 1 MiB from elsewhere.
    pub fn data(&self) -> impl Iterator<Item = Result<(u64, Bytes), ContentError>> + '_ {
        self.extents.iter().flat_map(|(offset, data)| {
            data.pieces().map(move |piece| piece.map(|(start, bytes)| (offset + start, bytes)))
        })
    }

    /// Returns a part as one piece, holes as zeros; without a copy where one extent in memory holds
    /// it all.
    ///
    /// Do not call this on sparse files of unknown length: it allocates the length of the range.
    ///
    /// # Errors
    /// [`ContentError`] if it cannot be read.
    ///
    /// # Panics
    /// If the range does not fit the address space.
    pub fn part(&self, range: Range<u64>) -> Result<Bytes, ContentError> {
        let end_of = |(offset, data): &(u64, Data)| offset + data.len();
        let first = self.extents.partition_point(|extent| end_of(extent) <= range.start);
        let extents = &self.extents[first..];
        if let Some(extent @ (offset, data)) = extents.first()
            && *offset <= range.start
            && range.end <= end_of(extent)
        {
            return data.slice(range.start - offset..range.end - offset).to_bytes();
        }
        let mut all = vec![0; index(&(0..range.end - range.start)).end];
        for extent in extents.iter().take_while(|extent| extent.0 < range.end) {
            let (from, to) = (extent.0.max(range.start), end_of(extent).min(range.end));
            let bytes = extent.1.slice(from - extent.0..to - extent.0).to_bytes()?;
            all[index(&(from - range.start..to - range.start))].copy_from_slice(&bytes);
        }
        Ok(all.into())
    }

    /// Returns all bytes as one piece, as [`Self::part`] does.
    ///
    /// # Errors
    /// As [`Self::part`].
    ///
    /// # Panics
    /// If the length does not fit the address space.
    pub fn to_bytes(&self) -> Result<Bytes, ContentError> {
        self.part(0..self.len)
    }

    /// Returns a digest of the content: for a file without holes the SHA-256 of its bytes, without
    /// reading them if the digest is known; for one with holes a digest of its extents and their
    /// bytes.
    ///
    /// # Errors
    /// [`ContentError`] if it cannot be read.
    pub fn digest(&self) -> Result<Sha256Digest, ContentError> {
        match self.extents.as_slice() {
            [] if self.len == 0 => Ok(Sha256Digest::of(b"")),
            [(0, data)] if data.len() == self.len => data.digest(),
            extents => {
                let mut hasher = Sha256Hasher::new();
                hasher.update(b"flagstone content with holes\n");
                hasher.update(&self.len.to_le_bytes());
                for (offset, data) in extents {
                    hasher.update(&offset.to_le_bytes());
                    hasher.update(&data.len().to_le_bytes());
                    hasher.update(data.digest()?.as_bytes());
                }
                Ok(hasher.finish())
            }
        }
    }
}

/// Contents are the same if their extents are and hold the same bytes. Contents in memory are compared byte
/// by byte, others by their digests; what cannot be read is the same as nothing.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Data, b: &Data| match (&a.0, &b.0) {
            (Place::Memory(a), Place::Memory(b)) => a == b,
            _ => a.digest().is_ok_and(|a| b.digest() == Ok(a)),
        };
        self.len == other.len
            && self.extents().eq(other.extents())
            && self.extents.iter().zip(&other.extents).all(|((_, a), (_, b))| same(a, b))
    }
}

impl From<Data> for Content {
    fn from(data: Data) -> Self {
        let len = data.len();
        let extents = if data.is_empty() { Vec::new() } else { vec![(0, data)] };
        Self { len, extents }
    }
}

impl From<Bytes> for Content {
    fn from(data: Bytes) -> Self {
        Data::from(data).into()
    }
}

impl From<Vec<u8>> for Content {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

impl From<String> for Content {
    fn from(data: String) -> Self {
        Bytes::from(data).into()
    }
}

impl From<&'static str> for Content {
    fn from(data: &'static str) -> Self {
        Bytes::from_static(data.as_bytes()).into()
    }
}

/// Turns positions in a file into positions in memory.
fn index(range: &Range<u64>) -> Range<usize> {
    let index = |n: u64| usize::try_from(n).expect("a part in memory fits the address space");
    index(range.start)..index(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source in memory, which counts what is read of it and may be cut off.
    #[derive(Debug)]
    struct Shelf(Vec<u8>);

    impl Source for Shelf {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let offset = usize::try_from(offset).unwrap();
            let bytes = self.0.get(offset..offset + buffer.len());
            buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    fn stored(bytes: &[u8]) -> Data {
        let shelf = Arc::new(Shelf([b"before", bytes, b"after"].concat()));
        Data::stored(shelf, 6, bytes.len() as u64, Sha256Digest::of(bytes))
    }

    #[test]
    fn parts_are_what_the_whole_has_there_wherever_it_is() {
        let memory = |bytes: &'static [u8]| Data::from(Bytes::from_static(bytes));
        for place in [memory, stored as fn(&'static [u8]) -> Data] {
            let extents = vec![(2, place(b"abc")), (5, place(b"d")), (8, place(b"ef"))];
            let content = Content::sparse(12, extents).unwrap();
            let whole = content.to_bytes().unwrap();
            assert_eq!(&whole[..], b"\0\0abcd\0\0ef\0\0");
            for start in 0..12 {
                for end in start..=12 {
                    let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
                    let part = content.part(start..end).unwrap();
                    assert_eq!(part, whole[range], "{start}..{end}");
                    let data: u64 = content.extents_in(start..end).map(|e| e.end - e.start).sum();
                    assert_eq!(data, part.iter().filter(|&&byte| byte != 0).count() as u64);
                }
            }
            let data: Vec<_> = content.data().map(Result::unwrap).collect();
            assert_eq!(data, [(2, "abc".into()), (5, "d".into()), (8, "ef".into())]);
        }
    }

    #[test]
    fn extents_that_overlap_or_overrun_are_refused() {
        let data = Bytes::from_static(b"abc");
        assert!(Content::sparse(9, vec![(0, data.clone()), (2, data.clone())]).is_none());
        assert!(Content::sparse(9, vec![(7, data.clone())]).is_none());
        assert!(Content::sparse(9, vec![(u64::MAX, data)]).is_none());
        assert!(Content::sparse(9, vec![(0, Bytes::new())]).is_none());
    }

    #[test]
    fn a_file_in_memory_is_not_copied() {
        let data = Bytes::from(vec![7; 100]);
        let content = Content::from(data.clone());
        assert_eq!(content.to_bytes().unwrap().as_ptr(), data.as_ptr());
        assert_eq!(content.part(3..5).unwrap().as_ptr(), data[3..].as_ptr());
    }

    #[test]
    fn long_files_come_in_pieces() {
        let bytes: Vec<u8> = (0..=255).cycle().take((2 << 20) + 3).collect();
        let pieces = |data: Data| {
            let pieces = Content::from(data).data().map(Result::unwrap).collect::<Vec<_>>();
            let all: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
            assert!(all == bytes);
            pieces.len()
        };
        assert_eq!(pieces(stored(&bytes)), 3);
        assert_eq!(pieces(Bytes::from(bytes.clone()).into()), 1);
        assert_eq!(pieces(stored(&bytes).slice(0..bytes.len() as u64)), 3);
    }

    #[test]
    fn equal_contents_are_equal_wherever_they_are() {
        let (memory, elsewhere) = (Content::from("text"), Content::from(stored(b"text")));
        assert_eq!(memory, elsewhere);
        assert_eq!(memory.digest(), elsewhere.digest());
        assert_eq!(Content::from(stored(b"-text-").slice(1..5)), memory);
        assert_ne!(memory, Content::from(stored(b"next")));
        let holes = |at| Content::sparse(9, vec![(at, stored(b"text"))]).unwrap();
        assert_ne!(holes(0), holes(1));
        assert_ne!(holes(0).digest(), holes(1).digest());
        assert_ne!(holes(0), Content::from(stored(b"text\0\0\0\0\0")));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let cut = Data::stored(Arc::new(Shelf(vec![1; 4])), 2, 9, Sha256Digest::of(b"x"));
        let content = Content::from(cut);
        assert!(content.to_bytes().is_err());
        assert!(content.part(1..3).is_err());
        assert!(content.data().any(|piece| piece.is_err()));
    }
}
