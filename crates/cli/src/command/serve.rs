use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use flagstone_serve::{Config, LogFormat, ServeError, Server, TlsFiles};

/// Arguments of `flagstone serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    /// Folders whose files are served below `/files/`, such as the output of `flagstone build`; a
    /// set of files for network boot in them is what machines boot, unless a configuration says
    /// otherwise
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,

    /// Configuration with groups and profiles; arguments go before what it says
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Address and port of HTTP [default: what the configuration says, or 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Serve the same files over TFTP, too, for firmware that knows nothing else
    #[arg(long)]
    tftp: bool,

    /// Tell machines by proxy DHCP what to boot, which implies --tftp; addresses are left to the
    /// network's own DHCP server
    #[arg(long)]
    proxy_dhcp: bool,

    /// Interface that proxy DHCP is kept to, which implies --proxy-dhcp; * for all [default: what the
    /// configuration says, or the one that has the address machines are told]
    #[arg(long, value_name = "NAME")]
    dhcp_interface: Option<String>,

    /// Folder with iPXE's programs [default: what the configuration says, or /usr/lib/ipxe]
    #[arg(long, value_name = "DIR")]
    ipxe: Option<PathBuf>,

    /// Do not compare the files of profiles with SHA256SUMS beside them
    #[arg(long)]
    no_check: bool,

    /// Certificate chain, PEM; HTTP becomes HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// How a line of the log is written [default: what the configuration says, or text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// key=value
    Text,
    /// One object a line
    Json,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let server = Server::open(&self.configure()?, Box::new(io::stderr()))?;
        let this = self.clone();
        server.run(move || this.configure())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Reads the configuration; what the arguments say goes before it.
    fn configure(&self) -> Result<Config, ServeError> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        self.apply(&mut config);
        Ok(config)
    }

    /// Lets arguments go before the configuration.
    fn apply(&self, config: &mut Config) {
        if !self.folders.is_empty() {
            config.folders.clone_from(&self.folders);
        }
        config.listen = self.listen.unwrap_or(config.listen);
        if self.tftp || self.proxy_dhcp || self.dhcp_interface.is_some() {
            config.tftp.get_or_insert(Config::TFTP);
        }
        if self.proxy_dhcp {
            config.dhcp.get_or_insert_default();
        }
        if let Some(name) = &self.dhcp_interface {
            config.dhcp.get_or_insert_default().interface = Some(name.clone());
        }
        config.ipxe = self.ipxe.clone().or_else(|| config.ipxe.take());
        config.check &= !self.no_check;
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        }
        config.log = match self.log_format {
            Some(Format::Json) => LogFormat::Json,
            Some(Format::Text) => LogFormat::Text,
            None => config.log,
        };
    }
}
