use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as PlainSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::answer::{ProxyAnswer, ProxySettings};
use super::interface::{ALL, Interfaces, told_address};
use super::packet::DhcpPacket;
use super::programs;
use crate::ServeError;
use crate::config::DhcpConfig;
use crate::http::Shared;
use crate::log::Event;
use crate::state::State;

/// Longer packets do not fit a network that machines boot from.
const MAX_PACKET: usize = 4096;
/// How long receiving rests after an error.
const REST: Duration = Duration::from_millis(100);
/// An address of the outside world (RFC 5737) that nothing is ever sent to: it tells which of this
/// machine's addresses would be used.
const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Tells machines that boot what to boot, beside the server that gives them their address.
pub(crate) struct ProxyServer {
    listen: UdpSocket,
    boot: UdpSocket,
    shared: Arc<Shared>,
}

/// Finds out what machines are told.
pub(crate) fn settings(
    dhcp: &DhcpConfig,
    http: SocketAddr,
    interfaces: &Interfaces,
    state: &State,
) -> Result<ProxySettings, ServeError> {
    let address = told_address(dhcp, http.ip()).or_else(|| match dhcp.interface.as_deref() {
        None | Some(ALL) => own_address(),
        Some(name) => interfaces.address_of(name),
    });
    let address = address.ok_or(ServeError::NoAddress)?;
    let base = state.url.as_ref().map_or_else(
        || {
            let scheme = if state.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{address}:{}", http.port())
        },
        ToString::to_string,
    );
    Ok(programs::find(&state.folders, address, base, dhcp.http_boot))
}

/// Opens a socket that hears and reaches one interface alone, if it is given.
pub(crate) fn open(address: SocketAddr, interface: Option<&str>) -> Result<UdpSocket, ServeError> {
    let failed = |source: std::io::Error| ServeError::Listen { what: "DHCP", address, source };
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(family, SocketType::DGRAM, flags, None)
        .map_err(|error| failed(error.into()))?;
    let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
    // Before the socket has its port, so that servers for other interfaces may have the same.
    if let Some(name) = interface {
        let kept = socket.bind_device(Some(name.as_bytes()));
        kept.map_err(|source| ServeError::KeepTo { name: name.to_owned(), source })?;
    }
    bind(&socket, &address).map_err(|error| failed(error.into()))?;
    Ok(socket)
}

/// Returns the address that this machine reaches others from.
fn own_address() -> Option<Ipv4Addr> {
    let socket = PlainSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(OUTSIDE).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_unspecified() => Some(address),
        _ => None,
    }
}

impl ProxyServer {
    pub(crate) fn new(listen: UdpSocket, boot: UdpSocket, shared: Arc<Shared>) -> Self {
        Self { listen, boot, shared }
    }

    /// Answers for as long as the process lives.
    pub(crate) async fn run(self) {
        for socket in [&self.listen, &self.boot] {
            if let Err(error) = socket.set_broadcast(true) {
                self.shared.log.error(format!("answers by broadcast are not possible: {error}"));
            }
        }
        if let Some(ProxySettings { address, base, .. }) = &self.shared.state().proxy {
            self.shared.log.note(format!("proxy DHCP sends machines to {address} and {base}"));
        }
        tokio::join!(self.answer_all(&self.listen, false), self.answer_all(&self.boot, true));
    }

    async fn answer_all(&self, socket: &UdpSocket, is_boot_port: bool) {
        let mut buffer = [0; MAX_PACKET];
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((len, from)) => self.answer(socket, &buffer[..len], from, is_boot_port).await,
                Err(_) => sleep(REST).await,
            }
        }
    }

    async fn answer(&self, socket: &UdpSocket, bytes: &[u8], from: SocketAddr, is_boot_port: bool) {
        let metrics = &self.shared.metrics;
        let Ok(packet) = DhcpPacket::parse(bytes) else { return metrics.dhcp_malformed.add(1) };
        let SocketAddr::V4(from) = from else { return metrics.dhcp_ignored.add(1) };
        let state = self.shared.state();
        let answer = state.proxy.as_ref().and_then(|settings| {
            let uki = programs::uki(&state.plan, &packet);
            ProxyAnswer::to(&packet, from, is_boot_port, settings, uki.as_deref())
        });
        let Some(answer) = answer else { return metrics.dhcp_ignored.add(1) };
        let sent = socket.send_to(&answer.packet.to_bytes(), answer.to).await;
        metrics.dhcp_answers.add(1);
        let event = Event::new("dhcp")
            .with("client", packet.client_text())
            .with("boot", answer.boot)
            .with("to", answer.to.to_string())
            .maybe("error", sent.err().map(|error| error.to_string()));
        self.shared.log.write(event);
    }
}
