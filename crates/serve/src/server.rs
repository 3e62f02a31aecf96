use std::fmt;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::connection::{Listener, listen};
use crate::dhcp::ProxyServer;
use crate::http::Shared;
use crate::log::Log;
use crate::reload::{Fixed, Reloader};
use crate::state::State;
use crate::tftp::TftpServer;
use crate::{Config, ServeError, dhcp};

/// At least so many threads, so that one that waits for a disk keeps nobody else waiting.
const MIN_THREADS: usize = 4;

/// A server that has its sockets and knows what to serve.
pub struct Server {
    runtime: Runtime,
    listener: Listener,
    tftp: Option<TftpServer>,
    dhcp: Option<ProxyServer>,
    shared: Arc<Shared>,
    fixed: Arc<Fixed>,
    grace: std::time::Duration,
    addresses: Addresses,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// For HTTP, or HTTPS.
    pub http: SocketAddr,
    /// For TFTP.
    pub tftp: Option<SocketAddr>,
    /// For DHCP: broadcast requests, and those to the boot server.
    pub dhcp: Option<(SocketAddr, SocketAddr)>,
}

impl Server {
    /// Checks everything that was asked for and opens the sockets; answers nobody yet. Lines of the
    /// log go to `log`.
    ///
    /// # Errors
    ///
    /// Fails if the configuration has mistakes, a folder cannot be served or an address cannot be
    /// listened on.
    pub fn open(config: &Config, log: Box<dyn Write + Send>) -> Result<Self, ServeError> {
        let log = Arc::new(Log::new(config.log, log));
        let (mut state, notes) = State::new(config, &log)?;
        for note in notes {
            log.note(note);
        }
        let threads = std::thread::available_parallelism().map_or(1, Into::into).max(MIN_THREADS);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| ServeError::Threads { source })?;
        let sockets = runtime.block_on(Sockets::open(config, &mut state, &log))?;
        let addresses = sockets.addresses(config);
        let shared = Arc::new(Shared::new(state, log));
        let Sockets { http, tftp, dhcp, interface } = sockets;
        let tftp = tftp.map(|socket| TftpServer::new(socket, Arc::clone(&shared)));
        let dhcp = dhcp.map(|(listen, boot)| ProxyServer::new(listen, boot, Arc::clone(&shared)));
        let fixed = Arc::new(Fixed::new(config, interface.as_deref()));
        let listener = Listener {
            socket: http,
            limits: config.limits,
            shared: Arc::clone(&shared),
            connections: Arc::new(Semaphore::new(config.limits.connections)),
        };
        let grace = config.limits.grace;
        Ok(Self { runtime, listener, tftp, dhcp, shared, fixed, grace, addresses })
    }

    /// Returns where the server listens, with the ports that the kernel chose for those asked for
    /// as 0.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Returns what puts another configuration into force while the server runs.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            shared: Arc::clone(&self.shared),
            fixed: Arc::clone(&self.fixed),
            http: self.addresses.http,
            runtime: self.runtime.handle().clone(),
        }
    }

    /// Answers until SIGTERM or SIGINT arrives; then transfers that are going on get some time to
    /// end, unless another signal arrives. At each SIGHUP, the configuration that `configure` gives
    /// is put into force ([`Reloader::reload`]).
    ///
    /// # Errors
    ///
    /// Fails if the signals cannot be waited for.
    pub fn run(
        self,
        configure: impl Fn() -> Result<Config, ServeError> + Send + Sync + 'static,
    ) -> Result<(), ServeError> {
        let (mut signals, hangup) = {
            let _guard = self.runtime.enter();
            let signal = |kind| signal(kind).map_err(|source| ServeError::Threads { source });
            let stop = Signals(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            (stop, signal(SignalKind::hangup())?)
        };
        self.runtime.spawn(reload_at(hangup, self.reloader(), configure));
        self.run_until(async move || signals.next().await)
    }

    /// Answers until `stop` gives its first result; the second one ends transfers, too.
    ///
    /// # Errors
    ///
    /// None so far; as [`run`](Self::run).
    pub fn run_until(self, mut stop: impl AsyncFnMut()) -> Result<(), ServeError> {
        let (sender, receiver) = watch::channel(false);
        let connections = Arc::clone(&self.listener.connections);
        let most = u32::try_from(self.listener.limits.connections).unwrap_or(u32::MAX);
        let log = Arc::clone(&self.shared.log);
        self.runtime.block_on(async {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                if let Some(checks) = &shared.state().checks {
                    checks.run().await;
                }
            });
            if let Some(tftp) = self.tftp {
                tokio::spawn(tftp.run());
            }
            if let Some(dhcp) = self.dhcp {
                tokio::spawn(dhcp.run());
            }
            let accepting = tokio::spawn(self.listener.run(receiver));
            log.note(format!("listening for {}", self.addresses));
            stop().await;
            log.note("stopping: transfers that are going on may end");
            let _ = sender.send(true);
            // The socket is closed now, so nobody waits in its queue.
            let _ = accepting.await;
            let ended = timeout(self.grace, connections.acquire_many(most));
            tokio::select! {
                ended = ended => {
                    if ended.is_err() {
                        log.note("stopped; transfers were cut off");
                    }
                }
                () = stop() => log.note("stopped at once"),
            }
        });
        self.runtime.shutdown_background();
        Ok(())
    }
}

struct Signals(Signal, Signal);

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Reads the configuration anew at each signal, one after another.
async fn reload_at(
    mut signal: Signal,
    reloader: Reloader,
    configure: impl Fn() -> Result<Config, ServeError> + Send + Sync + 'static,
) {
    let configure = Arc::new(configure);
    while signal.recv().await.is_some() {
        let (reloader, configure) = (reloader.clone(), Arc::clone(&configure));
        let task = tokio::task::spawn_blocking(move || reloader.reload(configure()));
        let _ = task.await;
    }
}

/// Everything that listens.
struct Sockets {
    http: TcpListener,
    tftp: Option<UdpSocket>,
    dhcp: Option<(UdpSocket, UdpSocket)>,
    /// What those of DHCP are kept to.
    interface: Option<String>,
}

impl Sockets {
    /// Opens them, and lets the state know where HTTP is listened for.
    async fn open(config: &Config, state: &mut State, log: &Log) -> Result<Self, ServeError> {
        let http = bound("HTTP", config.listen, async { listen(config.listen) }).await?;
        let tftp = match config.tftp {
            None => None,
            Some(address) => Some(bound("TFTP", address, UdpSocket::bind(address)).await?),
        };
        let at = http.local_addr().unwrap_or(config.listen);
        let interface = state.prepare_proxy(config, at)?;
        if let Some(name) = &interface {
            log.note(format!("proxy DHCP is kept to the interface {name}"));
        }
        let open = |address| dhcp::open(address, interface.as_deref());
        let dhcp = config.dhcp.as_ref().map(|dhcp| Ok((open(dhcp.listen)?, open(dhcp.boot)?)));
        Ok(Self { http, tftp, dhcp: dhcp.transpose()?, interface })
    }

    fn addresses(&self, config: &Config) -> Addresses {
        let address = |socket: &UdpSocket| socket.local_addr().ok();
        Addresses {
            http: self.http.local_addr().unwrap_or(config.listen),
            tftp: self.tftp.as_ref().and_then(address),
            dhcp: self.dhcp.as_ref().and_then(|(a, b)| address(a).zip(address(b))),
        }
    }
}

async fn bound<T>(
    what: &'static str,
    address: SocketAddr,
    socket: impl Future<Output = std::io::Result<T>>,
) -> Result<T, ServeError> {
    socket.await.map_err(|source| ServeError::Listen { what, address, source })
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP on {}", self.http)?;
        self.tftp.iter().try_for_each(|address| write!(f, ", TFTP on {address}"))?;
        let dhcp = self.dhcp.iter();
        dhcp.copied().try_for_each(|(listen, boot)| write!(f, ", DHCP on {listen} and {boot}"))
    }
}
