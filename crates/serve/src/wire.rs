//! The connection under HTTP: plain or TLS, with a watch on slow clients, and with file contents
//! that go from the page cache to the socket without passing through this process.
//!
//! hyper writes slices of memory. A body that is part of a file gives it slices of [`STAND_IN`]
//! instead, as many bytes as the part has; where [`Wire`] meets such a slice among those to write,
//! it has the kernel send the next bytes of the file (`sendfile`). Should hyper ever copy the slices
//! rather than pass them on, [`Outlet`] notices that more was consumed than sent, and the
//! connection ends before a stand-in byte leaves.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use rustix::fs::Advice;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use crate::config::Limits;
use crate::exchange::Exchange;
use crate::metrics::Metrics;

/// The most that is sent by one call: long enough to keep the calls few, short enough that another
/// connection gets its turn.
const MAX_SEND: usize = 1 << 20;
/// How far ahead of what is sent the kernel is asked to read.
const READ_AHEAD: u64 = 4 << 20;

/// Bytes that are never sent and never touched.
static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; MAX_SEND].into_boxed_slice());

/// The socket, as it came in.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection.
pub(crate) struct Wire {
    stream: Stream,
    outlet: Arc<Outlet>,
    watch: Watch,
}

/// Where the bodies of a connection say which files come next.
#[derive(Default)]
pub(crate) struct Outlet(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// In the order of the answers; a client that sends requests ahead may have several.
    spans: VecDeque<Sending>,
    next_id: u64,
    is_broken: bool,
}

struct Sending {
    id: u64,
    file: Arc<File>,
    exchange: Arc<Exchange>,
    offset: u64,
    /// Up to where the kernel was asked to read.
    asked: u64,
    /// Sent, and not yet taken off the body.
    ahead: u64,
}

impl Outlet {
    /// Makes the body that is `len` bytes of a file.
    pub(crate) fn body(
        self: &Arc<Self>,
        file: Arc<File>,
        offset: u64,
        len: u64,
        exchange: Arc<Exchange>,
    ) -> FileSpan {
        let mut queue = self.lock();
        let id = queue.next_id;
        queue.next_id += 1;
        queue.spans.push_back(Sending { id, file, exchange, offset, asked: offset, ahead: 0 });
        FileSpan { outlet: Arc::clone(self), id, remaining: len }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Part of a file that hyper takes for memory.
pub(crate) struct FileSpan {
    outlet: Arc<Outlet>,
    id: u64,
    remaining: u64,
}

impl Buf for FileSpan {
    fn remaining(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or(usize::MAX)
    }

    fn chunk(&self) -> &[u8] {
        &STAND_IN[..self.remaining().min(MAX_SEND)]
    }

    fn advance(&mut self, count: usize) {
        let count = count as u64;
        let mut queue = self.outlet.lock();
        let sending = queue.spans.front_mut().filter(|sending| sending.id == self.id);
        match sending.and_then(|sending| Some((sending.ahead.checked_sub(count)?, sending))) {
            Some((ahead, sending)) => sending.ahead = ahead,
            None => queue.is_broken = true,
        }
        self.remaining = self.remaining.saturating_sub(count);
    }
}

impl Drop for FileSpan {
    fn drop(&mut self) {
        let mut queue = self.outlet.lock();
        let index = queue.spans.iter().position(|sending| sending.id == self.id);
        let sending = index.and_then(|index| queue.spans.remove(index));
        // The last owner of an exchange logs it, which must not happen under the lock.
        drop(queue);
        drop(sending);
    }
}

/// Closes the connection of a client that takes too little.
struct Watch {
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Runs while the client does not keep up: what it took since, and when it is looked at.
    window: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Watch {
    /// Notes that the client took `count` bytes.
    fn took(&mut self, count: usize) {
        let least = self.least();
        if let Some((taken, _)) = &mut self.window {
            *taken += count as u64;
            if *taken >= least {
                self.window = None;
            }
        }
    }

    fn least(&self) -> u64 {
        self.limits.minimum_rate.saturating_mul(self.limits.write_time.as_secs()).max(1)
    }

    /// Notes that the client has to be waited for.
    fn waits(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let time = self.limits.write_time;
        let window =
            self.window.get_or_insert_with(|| (0, Box::pin(sleep_until(Instant::now() + time))));
        if window.1.as_mut().poll(cx).is_ready() {
            self.metrics.slow_clients.add(1);
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client is too slow"));
        }
        Ok(())
    }
}

impl Wire {
    pub(crate) fn new(stream: Stream, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let watch = Watch { limits, metrics, window: None };
        Self { stream, outlet: Arc::default(), watch }
    }

    /// Returns where bodies go that are files; `None` if they have to be encrypted.
    pub(crate) fn outlet(&self) -> Option<Arc<Outlet>> {
        matches!(self.stream, Stream::Plain(_)).then(|| Arc::clone(&self.outlet))
    }

    /// Hands the result of a write on, with an eye on the clock.
    fn watched(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(count)) => self.watch.took(count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch.waits(cx)?,
        }
        written
    }
}

fn is_stand_in(slice: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&slice.as_ptr())
}

/// Writes the head of an answer so that it shares its packet with the file's first bytes.
fn poll_head(socket: &TcpStream, head: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let sent =
            socket.try_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, head, flags)?));
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

/// Has the kernel send the next bytes of the file, `most` at most.
fn poll_send(
    socket: &TcpStream,
    outlet: &Outlet,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        let mut queue = outlet.lock();
        let Some(sending) = queue.spans.front_mut() else {
            return Poll::Ready(Err(io::Error::other("no file belongs to this answer")));
        };
        if sending.offset >= sending.asked {
            // The kernel reads this while what is there already is sent.
            let length = NonZeroU64::new(READ_AHEAD * 2);
            let _ = rustix::fs::fadvise(&sending.file, sending.offset, length, Advice::WillNeed);
            sending.asked = sending.offset + READ_AHEAD;
        }
        let mut offset = sending.offset;
        let sent = socket.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(socket, &sending.file, Some(&mut offset), most)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(0) => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter");
                return Poll::Ready(Err(error));
            }
            Ok(count) => {
                sending.offset += count as u64;
                sending.ahead += count as u64;
                sending.exchange.sent(count as u64);
                return Poll::Ready(Ok(count));
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            // A client that asks for more has what it asked for before.
            self.watch.window = None;
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outlet.lock().is_broken {
            return Poll::Ready(Err(io::Error::other("a stand-in was copied")));
        }
        let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
        let slices = &slices[first..];
        let memory = slices.iter().position(|slice| is_stand_in(slice)).unwrap_or(slices.len());
        let outlet = Arc::clone(&self.outlet);
        let written = match (&mut self.stream, slices.first()) {
            (_, None) => return Poll::Ready(Ok(0)),
            (Stream::Plain(stream), Some(span)) if memory == 0 => {
                poll_send(stream, &outlet, span.len(), cx)
            }
            (Stream::Plain(stream), Some(head)) if memory == 1 && slices.len() > 1 => {
                poll_head(stream, head, cx)
            }
            (Stream::Plain(stream), _) => {
                Pin::new(stream).poll_write_vectored(cx, &slices[..memory])
            }
            (Stream::Tls(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        if flushed.is_pending() {
            self.watch.waits(cx)?;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        if shut.is_pending() {
            self.watch.waits(cx)?;
        }
        shut
    }
}
