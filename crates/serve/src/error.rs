use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Mistakes;

/// The server cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration has mistakes.
    #[error("{0}")]
    Config(Mistakes),
    /// A file that the server needs cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder cannot be served.
    #[error("failed to serve the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing that could be served.
    #[error("no folder to serve")]
    NoFolder,
    /// An address cannot be listened on.
    #[error("failed to listen for {what} on {address}")]
    Listen {
        /// "HTTP", "TFTP", "DHCP".
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Proxy DHCP needs an address that machines reach.
    #[error("proxy DHCP does not know which address machines reach this server at")]
    NoAddress,
    /// This machine does not have an interface.
    #[error("there is no interface `{name}`: this machine has {}", known.join(", "))]
    NoInterface {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The interfaces of this machine cannot be listed.
    #[error("failed to list the interfaces of this machine")]
    Interfaces {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket cannot be kept to an interface.
    #[error("failed to keep a socket for DHCP to the interface {name}")]
    KeepTo {
        /// The interface.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate or its key is of no use.
    #[error("{} has no {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// "certificate", "private key".
        what: &'static str,
    },
    /// Certificate and key do not make a server.
    #[error("the certificate {} cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: tokio_rustls::rustls::Error,
    },
    /// The threads of the server cannot be started.
    #[error("failed to start the server's threads")]
    Threads {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ServeError {
    /// Returns what a user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Listen { what, address, source } => return listen_hint(what, *address, source),
            Self::NoFolder => "name one: `flagstone serve out`, or `folders = [\"out\"]`",
            Self::NoAddress => {
                "listen on the address itself (--listen 192.0.2.1:8080), or set `address` in [dhcp]"
            }
            Self::NoInterface { .. } => "`interface` in [dhcp], or --dhcp-interface, names it",
            Self::KeepTo { .. } => {
                "before Linux 5.7 this needs the capability CAP_NET_RAW; `interface = \"*\"` in [dhcp] \
                 does without"
            }
            Self::Pem { what: "certificate", .. } => {
                "a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`"
            }
            Self::Pem { .. } => "the first line of a key in PEM says that a private key begins",
            Self::Certificate { .. } => "check that the key belongs to the certificate",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn listen_hint(what: &str, address: SocketAddr, source: &io::Error) -> Option<String> {
    let port = address.port();
    let elsewhere = match what {
        "HTTP" => "--listen ADDRESS:PORT",
        "TFTP" => "`listen` in [tftp]",
        _ => "`listen` and `boot` in [dhcp]",
    };
    match source.kind() {
        io::ErrorKind::PermissionDenied => Some(format!(
            "port {port} needs the capability CAP_NET_BIND_SERVICE (systemd: \
             AmbientCapabilities=CAP_NET_BIND_SERVICE), or another port with {elsewhere}"
        )),
        io::ErrorKind::AddrInUse => Some(format!(
            "another server has port {port} (`ss -lnp 'sport = :{port}'` shows which); stop it, or \
             choose another port with {elsewhere}"
        )),
        io::ErrorKind::AddrNotAvailable => {
            Some("this machine does not have the address (`ip address` shows those it has)".into())
        }
        _ => None,
    }
}
