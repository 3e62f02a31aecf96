use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::config::Limits;
use crate::http::{Client, Shared, answer};
use crate::wire::{Stream, Wire};

/// How long accepting rests when the machine has no descriptors left.
const REST: Duration = Duration::from_millis(100);
/// More header lines are no request of a machine that boots.
const MAX_HEADERS: usize = 64;

/// How many connections wait for being accepted: a rack that gets its power back comes at once.
const BACKLOG: u32 = 4096;

/// Opens the socket.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart does not wait for the connections of the one before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens for HTTP until the server stops.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    /// As many permits as there may be connections.
    pub(crate) connections: Arc<Semaphore>,
}

impl Listener {
    /// Accepts connections until `stop` changes.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        loop {
            let (accepted, permit) = tokio::select! {
                next = this.next() => next,
                _ = stop.changed() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let connection = Arc::clone(&this).serve(stream, address, stop.clone(), permit);
                    tokio::spawn(connection);
                }
                Err(error) => {
                    this.shared.log.error(format!("failed to accept a connection: {error}"));
                    sleep(REST).await;
                }
            }
        }
    }

    /// Waits until there may be another connection, and for it.
    async fn next(&self) -> (io::Result<(TcpStream, SocketAddr)>, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
        (self.socket.accept().await, permit)
    }

    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        stop: watch::Receiver<bool>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let metrics = &self.shared.metrics;
        metrics.connections.add(1);
        metrics.open_connections.up();
        self.talk(stream, address, stop).await;
        metrics.open_connections.down();
        drop(permit);
    }

    async fn talk(&self, stream: TcpStream, address: SocketAddr, mut stop: watch::Receiver<bool>) {
        // An answer's last bytes are not kept back for more.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else { return };
        let tls = self.shared.state().tls.clone();
        let is_tls = tls.is_some();
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(tls) => match timeout(self.limits.header_time, tls.accept(stream)).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                _ => return self.shared.metrics.tls_failures.add(1),
            },
        };
        let wire = Wire::new(stream, self.limits, Arc::clone(&self.shared.metrics));
        let outlet = wire.outlet();
        let client = Client { address, local, is_tls, outlet };
        let service = service_fn(|request| {
            let response = answer(&self.shared, &client, request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_time)
            .max_buf_size(self.limits.header_bytes)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(wire), service);
        let mut connection = pin!(connection);
        // What goes wrong with a connection is the client's business; its requests are logged.
        let ended = tokio::select! {
            _ = connection.as_mut() => true,
            _ = stop.changed() => false,
        };
        if !ended {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
