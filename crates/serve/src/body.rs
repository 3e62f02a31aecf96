use std::collections::VecDeque;
use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::exchange::Exchange;
use crate::wire::FileSpan;

/// How much of a file is read at once where the kernel cannot send it by itself.
const READ_BYTES: usize = 256 << 10;
/// How many buffers wait for further use.
const MAX_SPARE: usize = 32;

/// The body of an answer.
pub(crate) struct ReplyBody {
    source: Source,
    exchange: Option<Arc<Exchange>>,
}

enum Source {
    Empty,
    Text(Bytes),
    /// The kernel sends it.
    Span(FileSpan),
    Read(Reading),
}

/// What hyper writes next.
pub(crate) enum Piece {
    Bytes(Bytes),
    Span(FileSpan),
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.remaining(),
            Self::Span(span) => span.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.chunk(),
            Self::Span(span) => span.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::Span(span) => span.advance(count),
        }
    }
}

impl ReplyBody {
    pub(crate) fn empty(exchange: Arc<Exchange>) -> Self {
        Self { source: Source::Empty, exchange: Some(exchange) }
    }

    pub(crate) fn text(text: Bytes, exchange: Arc<Exchange>) -> Self {
        Self { source: Source::Text(text), exchange: Some(exchange) }
    }

    /// A part of a file that the kernel sends; it has the exchange already.
    pub(crate) fn span(span: FileSpan) -> Self {
        Self { source: Source::Span(span), exchange: None }
    }

    /// A part of a file that is read piece by piece.
    pub(crate) fn read(file: Arc<File>, offset: u64, len: u64, exchange: Arc<Exchange>) -> Self {
        let reading = Reading { file, offset, remaining: len, task: None };
        Self { source: Source::Read(reading), exchange: Some(exchange) }
    }
}

impl Body for ReplyBody {
    type Data = Piece;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Piece>>>> {
        let piece = match std::mem::replace(&mut self.source, Source::Empty) {
            Source::Empty => return Poll::Ready(None),
            Source::Text(text) => Piece::Bytes(text),
            Source::Span(span) => Piece::Span(span),
            Source::Read(mut reading) => {
                let bytes = reading.poll(cx);
                self.source = Source::Read(reading);
                match ready!(bytes) {
                    None => return Poll::Ready(None),
                    Some(bytes) => Piece::Bytes(bytes?),
                }
            }
        };
        if let (Piece::Bytes(bytes), Some(exchange)) = (&piece, &self.exchange) {
            exchange.sent(bytes.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Text(text) => text.is_empty(),
            Source::Span(span) => !span.has_remaining(),
            Source::Read(reading) => reading.remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.source {
            Source::Empty => 0,
            Source::Text(text) => text.len() as u64,
            Source::Span(span) => span.remaining() as u64,
            Source::Read(reading) => reading.remaining,
        })
    }
}

/// A file that is read on threads that may wait for the disk.
struct Reading {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    task: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let task = self.task.get_or_insert_with(|| {
            let (file, offset) = (Arc::clone(&self.file), self.offset);
            let count = usize::try_from(self.remaining).unwrap_or(READ_BYTES).min(READ_BYTES);
            tokio::task::spawn_blocking(move || {
                let mut buffer = take_buffer();
                file.read_exact_at(&mut buffer[..count], offset)?;
                buffer.truncate(count);
                Ok(buffer)
            })
        });
        let read = ready!(Pin::new(task).poll(cx)).map_err(io::Error::other).flatten();
        self.task = None;
        let buffer = read?;
        self.offset += buffer.len() as u64;
        self.remaining -= buffer.len() as u64;
        Poll::Ready(Some(Ok(Bytes::from_owner(Lent(buffer)))))
    }
}

static SPARE: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());

fn take_buffer() -> Vec<u8> {
    let spare = SPARE.lock().ok().and_then(|mut spare| spare.pop_front());
    spare.unwrap_or_else(|| vec![0; READ_BYTES])
}

/// A buffer that goes back to the others when it has been written.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Ok(mut spare) = SPARE.lock()
            && spare.len() < MAX_SPARE
            && self.0.len() == READ_BYTES
        {
            spare.push_back(std::mem::take(&mut self.0));
        }
    }
}
