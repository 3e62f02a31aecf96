use std::ops::Range;

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Content, ContentError};

use super::extent::Extents;
use super::{ExtentCache, ExtentKey, Parameters};
use crate::ErofsError;
use crate::erofs::BLOCK;

/// Bytes that one thread compresses at a time: whole clusters of any size.
pub(super) const PIECE_SIZE: u64 = 1 << 20;

/// How much of small files a piece has at least, if there is enough.
const JOINED_MIN: u64 = PIECE_SIZE / 8;

/// A content and the digest of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) content: &'a Content,
    pub(super) digest: Sha256Digest,
}

/// A part of what an inode holds, to be compressed by itself.
///
/// It says where its bytes are and does not hold them: with a cache, most are never read.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    /// The node's index.
    pub(super) owner: usize,
    parts: Vec<(Known<'a>, Range<u64>)>,
    /// Zeros after the parts.
    padding: u64,
}

/// Cuts one file into pieces.
pub(super) fn of_file(owner: usize, known: Known<'_>) -> impl Iterator<Item = Piece<'_>> {
    let len = known.content.len();
    let starts = (0..len).step_by(usize::try_from(PIECE_SIZE).expect("1 MiB fits"));
    starts.map(move |start| {
        let end = len.min(start.saturating_add(PIECE_SIZE));
        Piece { owner, parts: vec![(known, start..end)], padding: 0 }
    })
}

/// Joins small files to pieces.
///
/// Where a piece ends is decided by the contents before, not by how much came before them, so that
/// a file that grows or goes changes its own piece and perhaps the next, and a cache has the rest.
/// Each piece but the last is filled to a whole block, at which the next begins.
pub(super) struct Joined<'a, I> {
    owner: usize,
    files: I,
    cluster: u64,
    /// What is left of the file at hand.
    rest: Option<(Known<'a>, u64)>,
}

impl<'a, I: Iterator<Item = Known<'a>>> Joined<'a, I> {
    pub(super) fn new(owner: usize, files: I, parameters: Parameters) -> Self {
        Self { owner, files, cluster: parameters.cluster.bytes().into(), rest: None }
    }

    /// Tells whether a piece of so many bytes ends after a file: with one digest of 16 where that
    /// leaves no cluster much shorter than the others, and with one of 128 in any case, so that two
    /// sequences of files which differ at one place soon come to the same ends.
    fn ends_after(&self, digest: &Sha256Digest, len: u64) -> bool {
        let last = len % self.cluster;
        let [first, ..] = digest.as_bytes();
        len >= JOINED_MIN
            && (first.is_multiple_of(128)
                || first.is_multiple_of(16) && (last == 0 || last > self.cluster / 4 * 3))
    }
}

impl<'a, I: Iterator<Item = Known<'a>>> Iterator for Joined<'a, I> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (mut parts, mut len) = (Vec::new(), 0);
        while len < PIECE_SIZE {
            let Some((known, start)) = self.rest.take().or_else(|| Some((self.files.next()?, 0)))
            else {
                break;
            };
            let end = known.content.len().min(start + PIECE_SIZE - len);
            len += end - start;
            parts.push((known, start..end));
            if end < known.content.len() {
                self.rest = Some((known, end));
            } else if self.ends_after(&known.digest, len) {
                break;
            }
        }
        let padding = len.next_multiple_of(BLOCK) - len;
        (!parts.is_empty()).then_some(Piece { owner: self.owner, parts, padding })
    }
}

/// Gathers pieces until there is enough for all threads.
pub(super) fn take_batch<'a>(pieces: &mut impl Iterator<Item = Piece<'a>>) -> Vec<Piece<'a>> {
    /// Pieces for each thread, so that none waits long for the last.
    const PIECES_EACH: usize = 4;
    /// Two batches are held at a time, each with what its pieces become.
    const MOST: usize = 64;
    pieces.take((rayon::current_num_threads() * PIECES_EACH).clamp(8, MOST)).collect()
}

impl Piece<'_> {
    /// Returns the length in bytes, with the padding.
    pub(super) fn len(&self) -> u64 {
        let parts = self.parts.iter().map(|(_, range)| range.end - range.start);
        parts.sum::<u64>() + self.padding
    }

    /// Returns the lengths of the parts in order, with the index of each in its file.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Range<u64>> {
        self.parts.iter().map(|(_, range)| range)
    }

    fn read(&self) -> Result<Bytes, ContentError> {
        if let ([(known, range)], 0) = (self.parts.as_slice(), self.padding) {
            return known.content.part(range.clone());
        }
        let mut data = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        for (known, range) in &self.parts {
            data.extend_from_slice(&known.content.part(range.clone())?);
        }
        data.resize(data.len() + usize::try_from(self.padding).unwrap_or(0), 0);
        Ok(data.into())
    }

    fn key(&self, parameters: Parameters) -> ExtentKey {
        let parts = self.parts.iter().map(|(known, range)| (&known.digest, range));
        ExtentKey::new(parts, self.padding, parameters)
    }

    /// Compresses it, unless a cache has it.
    pub(super) fn compress(
        &self,
        parameters: Parameters,
        cache: Option<&dyn ExtentCache>,
    ) -> Result<Extents, ErofsError> {
        let compress = || {
            let data = self.read().map_err(ErofsError::Read)?;
            Extents::compress(&data, parameters).map_err(ErofsError::Compress)
        };
        let Some(cache) = cache else { return compress() };
        let key = self.key(parameters);
        let known = cache.get(&key);
        let known = known.and_then(|bytes| Extents::decode(&bytes, self.len(), parameters));
        if let Some(extents) = known {
            return Ok(extents);
        }
        let extents = compress()?;
        cache.put(&key, &extents.encode());
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::erofs::{ClusterSize, Compression};

    fn parameters() -> Parameters {
        Parameters {
            compression: Compression::Zstd { level: 1 },
            cluster: ClusterSize::new(64 << 10).unwrap(),
        }
    }

    fn known(contents: &[Content]) -> impl Iterator<Item = Known<'_>> {
        contents.iter().map(|content| Known { content, digest: content.digest().unwrap() })
    }

    fn joined(contents: &[Content]) -> Vec<Piece<'_>> {
        Joined::new(7, known(contents), parameters()).collect()
    }

    #[test]
    fn files_are_joined_in_order_up_to_whole_blocks() {
        let lengths = [1, 5000, 0, 1 << 20, 3, (2 << 20) + 7, 100_000];
        let contents: Vec<Content> =
            (1_u8..).zip(lengths).map(|(byte, len)| vec![byte; len].into()).collect();
        let pieces = joined(&contents);
        let mut all = Vec::new();
        for piece in &pieces {
            let data = piece.read().unwrap();
            assert_eq!(data.len() as u64, piece.len());
            assert!(data.len().is_multiple_of(4096) && data.len() <= 1 << 20);
            let padding = usize::try_from(piece.padding).unwrap();
            assert!(data[data.len() - padding..].iter().all(|&byte| byte == 0));
            all.extend_from_slice(&data[..data.len() - padding]);
        }
        let whole: Vec<u8> =
            contents.iter().flat_map(|content| content.to_bytes().unwrap().to_vec()).collect();
        assert!(all == whole);
    }

    #[test]
    fn a_file_more_changes_few_pieces() {
        let content = |n: u32| Content::from(n.to_le_bytes().repeat(500 + n as usize % 1000));
        let mut contents: Vec<Content> = (0..5000).map(content).collect();
        let keys = |contents: &[Content]| -> BTreeSet<ExtentKey> {
            joined(contents).iter().map(|piece| piece.key(parameters())).collect()
        };
        let before = keys(&contents);
        for (at, n) in (0..5000).step_by(500).zip(5000..) {
            contents.insert(at, content(n));
            let after = keys(&contents);
            let new = after.difference(&before).count();
            assert!(before.len() > 40 && new <= 8, "{new} of {} after {at}", before.len());
            contents.remove(at);
        }
    }

    #[test]
    fn a_file_is_cut_at_whole_pieces() {
        let sizes = |content: &Content| -> Vec<u64> {
            let known = Known { content, digest: content.digest().unwrap() };
            of_file(0, known).map(|piece| piece.len()).collect()
        };
        assert_eq!(sizes(&Content::from(vec![1; (2 << 20) + 1])), [1 << 20, 1 << 20, 1]);
        assert_eq!(sizes(&Content::default()), []);
    }
}
