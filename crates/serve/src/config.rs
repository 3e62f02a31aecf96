use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::address::BaseUrl;
use crate::config_file;
use crate::diagnostic::Located;
use crate::group::Group;
use crate::label::LabelName;
use crate::{Mistakes, ServeError};

/// Where Debian's package `ipxe` has its files.
const IPXE_FOLDER: &str = "/usr/lib/ipxe";

/// How the server is set up: what a file says, and what the caller changes in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where HTTP, or HTTPS, is listened for.
    pub listen: SocketAddr,
    /// The folders whose files are served, searched in this order.
    pub folders: Vec<PathBuf>,
    /// The folder with iPXE's programs, searched last.
    pub ipxe: Option<PathBuf>,
    /// Whether files of profiles are checked against `SHA256SUMS` beside them.
    pub check: bool,
    /// Where TFTP is listened for, if at all.
    pub tftp: Option<SocketAddr>,
    /// Proxy DHCP, if it is wanted.
    pub dhcp: Option<DhcpConfig>,
    /// Certificate and key, if HTTP is to be HTTPS.
    pub tls: Option<TlsFiles>,
    /// What clients may use up.
    pub limits: Limits,
    /// How the log is written.
    pub log: LogFormat,
    /// What machines are told to reach the server at; else what they wrote into `Host`.
    pub(crate) url: Option<BaseUrl>,
    /// Labels that profiles use beyond the standard ones.
    pub(crate) labels: Vec<LabelName>,
    pub(crate) profiles: Vec<ProfileSpec>,
    pub(crate) groups: Vec<Group>,
}

/// Where proxy DHCP listens, and what it tells machines.
#[derive(Clone, Debug)]
pub struct DhcpConfig {
    /// Where requests that firmware broadcasts arrive; port 67 by rights.
    pub listen: SocketAddr,
    /// Where requests to the boot server itself arrive; port 4011 by rights.
    pub boot: SocketAddr,
    /// The address machines reach this server at, if the one of [`Config::listen`] is none.
    pub address: Option<Ipv4Addr>,
    /// The interface that is listened on and answered through; without one that of the address,
    /// with `*` all of them.
    pub interface: Option<String>,
    /// What UEFI firmware that boots by HTTP is given if both are there.
    pub http_boot: HttpBoot,
}

/// What UEFI firmware that boots by HTTP is given; where it is not there, it gets the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpBoot {
    /// iPXE, which asks what the machine boots.
    #[default]
    Ipxe,
    /// The UKI of the machine's profile.
    Uki,
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What clients may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Size of a request's head, in bytes.
    pub header_bytes: usize,
    /// How long a request's head may take, and how long a connection may be idle.
    pub header_time: Duration,
    /// How often a client's rate is looked at while it does not keep up.
    pub write_time: Duration,
    /// What it has to take then, in bytes a second.
    pub minimum_rate: u64,
    /// How long transfers may go on after the server was told to stop.
    pub grace: Duration,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            minimum_rate: 1024,
            grace: Duration::from_secs(30),
        }
    }
}

impl Default for DhcpConfig {
    fn default() -> Self {
        let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        Self {
            listen: any(67),
            boot: any(4011),
            address: None,
            interface: None,
            http_boot: HttpBoot::Ipxe,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let ipxe = PathBuf::from(IPXE_FOLDER);
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080),
            folders: Vec::new(),
            ipxe: ipxe.is_dir().then_some(ipxe),
            check: true,
            tftp: None,
            dhcp: None,
            tls: None,
            limits: Limits::default(),
            log: LogFormat::default(),
            url: None,
            labels: Vec::new(),
            profiles: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl Config {
    /// The address that TFTP has by rights.
    pub const TFTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 69);

    /// Reads a configuration file. Paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or with all mistakes that show without looking at the
    /// served folders.
    pub fn load(path: &std::path::Path) -> Result<Self, ServeError> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ServeError::Read { path: path.to_owned(), source })?;
        Self::parse(path, text).map_err(ServeError::Config)
    }

    /// Reads the text of a configuration file that lies at `path`.
    ///
    /// # Errors
    ///
    /// Fails with all mistakes that show without looking at the served folders.
    pub fn parse(path: &std::path::Path, text: String) -> Result<Self, Mistakes> {
        config_file::parse(path, text)
    }
}

/// A profile as the configuration has it.
#[derive(Clone, Debug)]
pub(crate) struct ProfileSpec {
    pub(crate) name: Located<String>,
    pub(crate) kernel: Option<Located<String>>,
    pub(crate) initrd: Vec<Located<String>>,
    pub(crate) uki: Option<Located<String>>,
    pub(crate) script: Option<Located<String>>,
    pub(crate) cmdline: Vec<Located<String>>,
    /// Relative to the configuration's folder: it need not be below a served one.
    pub(crate) ignition: Option<Located<PathBuf>>,
}
