use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout_at};

use super::packet::{TftpErrorCode, TftpPacket};
use super::transfer::{Step, Transfer};
use crate::checks::Verdict;
use crate::folder::{OpenError, OpenFile};
use crate::http::Shared;
use crate::log::Event;
use crate::machines::Progress;
use crate::served_path::ServedPath;
use crate::state::State;

/// Longer packets are no requests, and clients send nothing else.
const MAX_PACKET: usize = 2048;
/// Transfers at once; who asks for more is told so and asks again.
const MAX_TRANSFERS: usize = 1024;
/// How long receiving rests after an error.
const REST: Duration = Duration::from_millis(100);

/// Serves the same files as HTTP does, one socket for each transfer.
pub(crate) struct TftpServer {
    socket: UdpSocket,
    shared: Arc<Shared>,
    /// Clients with a transfer, by address and port: who repeats a request gets one transfer.
    clients: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

/// Why a request is not answered with a file.
struct Refusal(TftpErrorCode, String);

impl TftpServer {
    pub(crate) fn new(socket: UdpSocket, shared: Arc<Shared>) -> Self {
        Self { socket, shared, clients: Arc::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(crate::Config::TFTP)
    }

    /// Answers requests for as long as the process lives.
    pub(crate) async fn run(self) {
        let mut buffer = [0; MAX_PACKET];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((len, client)) => self.request(&buffer[..len], client).await,
                // Told by ICMP about an earlier answer, most often.
                Err(_) => sleep(REST).await,
            }
        }
    }

    async fn request(&self, bytes: &[u8], client: SocketAddr) {
        let refusal = match TftpPacket::parse(bytes) {
            Ok(TftpPacket::Read { file, mode, options }) => {
                match self.begin(file, mode, &options, client).await {
                    Ok(()) => return,
                    Err(refusal) => {
                        self.shared.metrics.tftp_failures.add(1);
                        self.log_refusal(file, client, &refusal);
                        refusal
                    }
                }
            }
            Ok(TftpPacket::Write) => {
                Refusal(TftpErrorCode::Refused, "nothing is written here".into())
            }
            // An error is never answered with an error.
            Ok(TftpPacket::Error(..)) => return,
            Ok(_) | Err(_) => Refusal(TftpErrorCode::Illegal, "not a request for a file".into()),
        };
        let answer = TftpPacket::Error(refusal.0, &refusal.1).to_bytes();
        let _ = self.socket.send_to(&answer, client).await;
    }

    async fn begin(
        &self,
        file: &str,
        mode: &str,
        options: &[(&str, &str)],
        client: SocketAddr,
    ) -> Result<(), Refusal> {
        if !mode.eq_ignore_ascii_case("octet") {
            let reason = "files are sent in mode octet (binary) only".to_owned();
            return Err(Refusal(TftpErrorCode::Illegal, reason));
        }
        let not_found =
            || Refusal(TftpErrorCode::NotFound, "no served folder has this file".into());
        let name = file.trim_start_matches('/');
        let path: ServedPath =
            name.strip_prefix("files/").unwrap_or(name).parse().map_err(|_| not_found())?;
        let state = self.shared.state();
        let opened = state.folders.open(&path).map_err(|error| match error {
            OpenError::Missing => not_found(),
            OpenError::Unreadable(error) => Refusal(TftpErrorCode::Refused, error.to_string()),
        })?;
        let busy = |error: io::Error| Refusal(TftpErrorCode::Other, error.to_string());
        let local = SocketAddr::new(self.address().ip(), 0);
        let transfer = Transfer::new(opened.len, options);
        let Some(place) = Place::take(&self.clients, client).map_err(busy)? else { return Ok(()) };
        let socket = UdpSocket::bind(local).await.map_err(busy)?;
        socket.connect(client).await.map_err(busy)?;
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            Sending { shared, state, socket, opened, path, transfer, client }.run().await;
            drop(place);
        });
        Ok(())
    }

    fn log_refusal(&self, file: &str, client: SocketAddr, refusal: &Refusal) {
        let event = Event::new("tftp").with("client", client.to_string()).with("path", file);
        self.shared.log.write(event.with("error", refusal.1.as_str()));
    }
}

/// A client's place among the transfers.
struct Place {
    clients: Arc<Mutex<BTreeSet<SocketAddr>>>,
    client: SocketAddr,
}

impl Place {
    /// Returns a place; `None` if the client has one.
    fn take(
        clients: &Arc<Mutex<BTreeSet<SocketAddr>>>,
        client: SocketAddr,
    ) -> io::Result<Option<Self>> {
        let mut all = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_TRANSFERS && !all.contains(&client) {
            return Err(io::Error::other("too many transfers, try again"));
        }
        let is_new = all.insert(client);
        Ok(is_new.then(|| Self { clients: Arc::clone(clients), client }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.client);
    }
}

/// One transfer with its socket.
struct Sending {
    shared: Arc<Shared>,
    state: Arc<State>,
    socket: UdpSocket,
    opened: OpenFile,
    path: ServedPath,
    transfer: Transfer,
    client: SocketAddr,
}

impl Sending {
    async fn run(mut self) {
        let begun = Instant::now();
        let metrics = Arc::clone(&self.shared.metrics);
        metrics.tftp_transfers.add(1);
        metrics.tftp_active.up();
        let what = format!("tftp:{}", self.path);
        let progress = Progress::new(what, SystemTime::now(), self.opened.len);
        self.shared.machines.asked(self.client.ip(), &progress);
        let outcome = self.send(&progress).await;
        metrics.tftp_active.down();
        metrics.tftp_bytes.add(progress.sent());
        if outcome.is_err() {
            metrics.tftp_failures.add(1);
        }
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Event::new("tftp")
            .with("client", self.client.to_string())
            .with("path", self.path.as_str())
            .with("bytes", progress.sent())
            .with("ms", milliseconds)
            .maybe("error", outcome.err());
        self.shared.log.write(event);
    }

    async fn send(&mut self, progress: &Progress) -> Result<(), String> {
        if let Some(checks) = &self.state.checks
            && let Verdict::Bad(why) = checks.check(&self.path, &self.opened).await
        {
            self.shared.metrics.refused_files.add(1);
            self.fail(TftpErrorCode::Refused, "the file differs from SHA256SUMS").await;
            return Err(why);
        }
        let mut step = self.transfer.start();
        loop {
            match step {
                Step::Done => break,
                Step::GiveUp => return Err("the client does not answer".to_owned()),
                Step::Wait => {}
                Step::SendOptions => {
                    let options = self.transfer.options().to_vec();
                    self.packet(&TftpPacket::OptionAcknowledge(options)).await;
                }
                Step::SendBlocks(first, last) => {
                    for block in first..=last {
                        self.block(block).await?;
                    }
                }
            }
            step = self.next().await?;
            let arrived = self.transfer.arrived();
            progress.add(arrived.saturating_sub(progress.sent()));
        }
        progress.add(self.opened.len.saturating_sub(progress.sent()));
        Ok(())
    }

    async fn block(&self, block: u64) -> Result<(), String> {
        let (offset, len) = self.transfer.span(block);
        let mut data = vec![0; usize::try_from(len).unwrap_or_default()];
        if let Err(error) = self.opened.file.read_exact_at(&mut data, offset) {
            self.fail(TftpErrorCode::Other, "the file cannot be read").await;
            return Err(error.to_string());
        }
        let number = u16::try_from(block & 0xffff).unwrap_or_default();
        self.packet(&TftpPacket::Data(number, &data)).await;
        Ok(())
    }

    /// Waits for the client, until it is time to say something again.
    async fn next(&mut self) -> Result<Step, String> {
        let until = tokio::time::Instant::now() + self.transfer.wait();
        let mut buffer = [0; MAX_PACKET];
        loop {
            let received = match timeout_at(until, self.socket.recv(&mut buffer)).await {
                Err(_) => return Ok(self.transfer.nothing_came()),
                Ok(Err(error)) => return Err(error.to_string()),
                Ok(Ok(len)) => TftpPacket::parse(&buffer[..len]),
            };
            match received {
                Ok(TftpPacket::Acknowledge(number)) => match self.transfer.acknowledge(number) {
                    Step::Wait => {}
                    step => return Ok(step),
                },
                // Firmware asks for the size and then ends the transfer so.
                Ok(TftpPacket::Error(_, text)) => {
                    return Err(format!("the client ended it: {text}"));
                }
                _ => {}
            }
        }
    }

    async fn packet(&self, packet: &TftpPacket<'_>) {
        // What is lost here is sent again, as what is lost elsewhere.
        let _ = self.socket.send(&packet.to_bytes()).await;
    }

    async fn fail(&self, code: TftpErrorCode, message: &str) {
        self.packet(&TftpPacket::Error(code, message)).await;
    }
}
