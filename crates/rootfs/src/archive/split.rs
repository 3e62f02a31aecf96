use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_tree::{Data, Mtime, Source};

use super::Reader;
use super::input::{Input, padded};
use crate::ArchiveError;

/// How much of a file is read at once.
const PIECE: u64 = 256 << 10;

/// Takes the contents of an archive while it is split.
pub trait ContentSink {
    /// Takes bytes of the content at hand.
    ///
    /// # Errors
    /// Whatever keeps them from being kept.
    fn write(&mut self, data: &[u8]) -> io::Result<()>;

    /// Ends the content at hand, and tells its digest.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn end(&mut self, digest: Sha256Digest) -> io::Result<()>;
}

/// What an archive says about its members, without their contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitList {
    /// All blocks but those of contents: a tar archive whose files are left out.
    pub headers: Vec<u8>,
    /// Digest and length of every content that is not empty, in the order of the archive.
    pub contents: Vec<(Sha256Digest, u64)>,
}

/// Why an archive cannot be split.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The archive is damaged, or holds what no package should.
    #[error("the archive cannot be used")]
    Archive(#[source] ArchiveError),
    /// The archive cannot be read.
    #[error("failed to read the archive")]
    Read(#[source] io::Error),
    /// A content cannot be kept.
    #[error("failed to keep a file's content")]
    Keep(#[source] io::Error),
}

/// Reads an archive once from start to end, hands its contents on, and returns the rest.
///
/// What comes after the archive's end mark is read too, so that the source can check itself.
///
/// # Errors
/// [`SplitError`].
pub fn split_archive(
    source: impl Read,
    sink: &mut dyn ContentSink,
) -> Result<SplitList, SplitError> {
    let mut splitter =
        Splitter { source, sink, list: SplitList::default(), passed: 0, failure: None };
    let mut reader = Reader { input: &mut splitter, date: Mtime::default() };
    let read = loop {
        match reader.next_member() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(SplitError::Archive(error)),
        }
    };
    let Splitter { mut source, list, failure, .. } = splitter;
    failure.map_or(read, Err)?;
    io::copy(&mut source, &mut io::sink()).map_err(SplitError::Read)?;
    Ok(list)
}

struct Splitter<'a, R> {
    source: R,
    sink: &'a mut dyn ContentSink,
    list: SplitList,
    passed: u64,
    /// What went wrong but is not wrong with the archive.
    failure: Option<SplitError>,
}

impl<R: Read> Splitter<'_, R> {
    /// Reads bytes, of which there have to be so many.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        let truncated = ArchiveError::Truncated(self.passed);
        match self.source.read_exact(buffer) {
            Ok(()) => {
                self.passed += buffer.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(truncated),
            Err(error) => {
                self.failure = Some(SplitError::Read(error));
                Err(truncated)
            }
        }
    }

    fn pass(&mut self, kept: io::Result<()>) -> Result<(), ArchiveError> {
        kept.map_err(|error| {
            self.failure = Some(SplitError::Keep(error));
            ArchiveError::Truncated(self.passed)
        })
    }
}

impl<R: Read> Input for Splitter<'_, R> {
    fn position(&self) -> u64 {
        self.passed
    }

    fn take(&mut self, len: usize) -> Result<Bytes, ArchiveError> {
        let mut block = vec![0; len];
        self.fill(&mut block)?;
        self.list.headers.extend_from_slice(&block);
        Ok(block.into())
    }

    fn content(&mut self, size: u64) -> Result<Data, ArchiveError> {
        if size == 0 {
            return Ok(Bytes::new().into());
        }
        let padding = padded(size).ok_or(ArchiveError::Truncated(self.passed))? - size;
        let mut hasher = Sha256Hasher::new();
        let mut buffer = vec![0; usize::try_from(size.min(PIECE)).expect("at most 256 KiB")];
        let mut left = size;
        while left > 0 {
            buffer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            self.fill(&mut buffer)?;
            hasher.update(&buffer);
            let kept = self.sink.write(&buffer);
            self.pass(kept)?;
            left -= buffer.len() as u64;
        }
        buffer.resize(usize::try_from(padding).expect("less than a block"), 0);
        self.fill(&mut buffer)?;
        let digest = hasher.finish();
        let kept = self.sink.end(digest);
        self.pass(kept)?;
        self.list.contents.push((digest, size));
        Ok(Data::stored(Arc::new(Elsewhere), 0, size, digest))
    }
}

/// Where contents are that have been handed on: not here.
#[derive(Debug)]
struct Elsewhere;

impl Source for Elsewhere {
    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}
