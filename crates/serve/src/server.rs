use std::fmt;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::checks::Checks;
use crate::connection::{Listener, listen};
use crate::dhcp::ProxyServer;
use crate::folder::Folders;
use crate::http::Shared;
use crate::log::Log;
use crate::machines::Machines;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::tftp::TftpServer;
use crate::{Config, ServeError, dhcp, tls};

/// At least so many threads, so that one that waits for a disk keeps nobody else waiting.
const MIN_THREADS: usize = 4;

/// A server that has its sockets and knows what to serve.
pub struct Server {
    runtime: Runtime,
    listener: Listener,
    tftp: Option<TftpServer>,
    dhcp: Option<ProxyServer>,
    shared: Arc<Shared>,
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
        let shared = shared(config, log)?;
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let threads = std::thread::available_parallelism().map_or(1, Into::into).max(MIN_THREADS);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| ServeError::Threads { source })?;
        let sockets = runtime.block_on(Sockets::open(config, &shared))?;
        let addresses = sockets.addresses(config);
        let Sockets { http, tftp, dhcp } = sockets;
        let listener = Listener {
            socket: http,
            tls: acceptor,
            limits: config.limits,
            shared: Arc::clone(&shared),
            connections: Arc::new(Semaphore::new(config.limits.connections)),
        };
        let grace = config.limits.grace;
        Ok(Self { runtime, listener, tftp, dhcp, shared, grace, addresses })
    }

    /// Returns where the server listens, with the ports that the kernel chose for those asked for
    /// as 0.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Answers until SIGTERM or SIGINT arrives; then transfers that are going on get some time to
    /// end, unless another signal arrives.
    ///
    /// # Errors
    ///
    /// Fails if the signals cannot be waited for.
    pub fn run(self) -> Result<(), ServeError> {
        let signals = {
            let _guard = self.runtime.enter();
            let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
            let [terminate, interrupt] = kinds.map(signal);
            let both = terminate.and_then(|terminate| Ok((terminate, interrupt?)));
            both.map_err(|source| ServeError::Threads { source })?
        };
        let mut signals = Signals(signals.0, signals.1);
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
                if let Some(checks) = &shared.checks {
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

/// Finds everything that the configuration is about.
fn shared(config: &Config, log: Box<dyn Write + Send>) -> Result<Arc<Shared>, ServeError> {
    if config.folders.is_empty() {
        return Err(ServeError::NoFolder);
    }
    let log = Arc::new(Log::new(config.log, log));
    let served: Vec<PathBuf> = config.folders.iter().chain(&config.ipxe).cloned().collect();
    let folders = Folders::new(&served)?;
    let (plan, mut notes) = Plan::new(config, &folders).map_err(ServeError::Config)?;
    if config.tftp.is_some() || config.dhcp.is_some() {
        notes.extend(dhcp::missing(&folders));
    }
    for note in notes {
        log.note(note);
    }
    let checks = config.check.then(|| {
        let files = plan.profiles().flat_map(Profile::files);
        Checks::new(&folders, &log, files)
    });
    Ok(Arc::new(Shared {
        plan,
        folders,
        checks,
        log,
        metrics: Arc::default(),
        machines: Machines::default(),
        url: config.url.clone(),
    }))
}

/// Everything that listens.
struct Sockets {
    http: TcpListener,
    tftp: Option<TftpServer>,
    dhcp: Option<ProxyServer>,
}

impl Sockets {
    async fn open(config: &Config, shared: &Arc<Shared>) -> Result<Self, ServeError> {
        let http = bound("HTTP", config.listen, async { listen(config.listen) }).await?;
        let tftp = match config.tftp {
            None => None,
            Some(address) => {
                let socket = bound("TFTP", address, UdpSocket::bind(address)).await?;
                Some(TftpServer::new(socket, Arc::clone(shared)))
            }
        };
        let dhcp = match &config.dhcp {
            None => None,
            Some(at) => {
                let http = http.local_addr().unwrap_or(config.listen);
                let interfaces = dhcp::Interfaces::read()?;
                let interface = interfaces.choose(at, http.ip())?;
                let settings = dhcp::settings(config, at, http, &interfaces, shared)?;
                let listen = dhcp::open(at.listen, interface.as_deref())?;
                let boot = dhcp::open(at.boot, interface.as_deref())?;
                if let Some(name) = interface {
                    shared.log.note(format!("proxy DHCP is kept to the interface {name}"));
                }
                Some(ProxyServer::new(listen, boot, settings, Arc::clone(shared)))
            }
        };
        Ok(Self { http, tftp, dhcp })
    }

    fn addresses(&self, config: &Config) -> Addresses {
        Addresses {
            http: self.http.local_addr().unwrap_or(config.listen),
            tftp: self.tftp.as_ref().map(TftpServer::address),
            dhcp: self.dhcp.as_ref().map(ProxyServer::addresses),
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
