use std::io;

use bytes::Bytes;
use flagstone_tree::Content;

use super::content::part;
use super::extent::Extents;
use super::{ExtentCache, ExtentKey, Parameters};

/// Bytes that one thread compresses at a time: whole clusters of any size.
pub(super) const PIECE_SIZE: u64 = 1 << 20;

/// A part of what an inode holds, to be compressed by itself.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The node's index.
    pub(super) owner: usize,
    pub(super) data: Bytes,
}

/// Cuts one file into pieces.
pub(super) fn of_file(owner: usize, content: &Content) -> impl Iterator<Item = Piece> {
    let starts = (0..content.len()).step_by(usize::try_from(PIECE_SIZE).expect("1 MiB fits"));
    starts.map(move |start| {
        let end = content.len().min(start.saturating_add(PIECE_SIZE));
        Piece { owner, data: part(content, start..end) }
    })
}

/// Joins small files to pieces; only the last one may have less than [`PIECE_SIZE`].
pub(super) struct Joined<'a, I> {
    owner: usize,
    files: I,
    /// What is left of the file at hand.
    rest: Option<(&'a Content, u64)>,
}

impl<'a, I: Iterator<Item = &'a Content>> Joined<'a, I> {
    pub(super) fn new(owner: usize, files: I) -> Self {
        Self { owner, files, rest: None }
    }
}

impl<'a, I: Iterator<Item = &'a Content>> Iterator for Joined<'a, I> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let mut data = Vec::new();
        while (data.len() as u64) < PIECE_SIZE {
            let Some((content, start)) = self.rest.take().or_else(|| Some((self.files.next()?, 0)))
            else {
                break;
            };
            let end = content.len().min(start + PIECE_SIZE - data.len() as u64);
            data.extend_from_slice(&part(content, start..end));
            self.rest = (end < content.len()).then_some((content, end));
        }
        (!data.is_empty()).then(|| Piece { owner: self.owner, data: data.into() })
    }
}

/// Gathers pieces until there is enough for all threads.
pub(super) fn take_batch(pieces: &mut impl Iterator<Item = Piece>) -> Vec<Piece> {
    /// Pieces for each thread, so that none waits long for the last.
    const PIECES_EACH: usize = 4;
    /// Two batches are held at a time, each with what its pieces become.
    const MOST: usize = 64;
    pieces.take((rayon::current_num_threads() * PIECES_EACH).clamp(8, MOST)).collect()
}

impl Piece {
    /// Compresses it, unless a cache has it.
    pub(super) fn compress(
        &self,
        parameters: Parameters,
        cache: Option<&dyn ExtentCache>,
    ) -> io::Result<Extents> {
        let Some(cache) = cache else { return Extents::compress(&self.data, parameters) };
        let key = ExtentKey::new(&self.data, parameters);
        let known = cache.get(&key);
        let known = known.and_then(|bytes| Extents::decode(&bytes, self.data.len(), parameters));
        if let Some(extents) = known {
            return Ok(extents);
        }
        let extents = Extents::compress(&self.data, parameters)?;
        cache.put(&key, &extents.encode());
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_joined_without_a_gap() {
        let lengths = [1, 5000, 0, 1 << 20, 3, (2 << 20) + 7, 100_000];
        let contents: Vec<Content> =
            (1_u8..).zip(lengths).map(|(byte, len)| vec![byte; len].into()).collect();
        let pieces: Vec<Piece> = Joined::new(7, contents.iter()).collect();
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.data.len()).collect();
        let rest = lengths.iter().sum::<usize>() % (1 << 20);
        assert_eq!(sizes, [1 << 20, 1 << 20, 1 << 20, rest]);
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.to_vec()).collect();
        assert!(all == contents.iter().flat_map(|c| c.to_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_is_cut_at_whole_pieces() {
        let content = Content::from(vec![1; (2 << 20) + 1]);
        let sizes: Vec<usize> = of_file(0, &content).map(|piece| piece.data.len()).collect();
        assert_eq!(sizes, [1 << 20, 1 << 20, 1]);
        assert_eq!(of_file(0, &Content::default()).count(), 0);
    }
}
