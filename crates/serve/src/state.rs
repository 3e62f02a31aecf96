use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::address::BaseUrl;
use crate::checks::Checks;
use crate::dhcp::{self, Interfaces, ProxySettings};
use crate::folder::Folders;
use crate::log::Log;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::{Config, ServeError, tls};

/// What a configuration makes of the served folders. One that is read anew makes another state, and
/// whatever was begun with one ends with it.
pub(crate) struct State {
    pub(crate) plan: Plan,
    pub(crate) folders: Folders,
    /// `None` if nothing is to be checked.
    pub(crate) checks: Option<Checks>,
    pub(crate) url: Option<BaseUrl>,
    /// `None` if HTTP is not HTTPS.
    pub(crate) tls: Option<TlsAcceptor>,
    /// What proxy DHCP tells machines, as soon as it is known where HTTP is listened for.
    pub(crate) proxy: Option<ProxySettings>,
}

impl State {
    /// Finds everything that the configuration is about, and says what a person may want to know.
    pub(crate) fn new(config: &Config, log: &Arc<Log>) -> Result<(Self, Vec<String>), ServeError> {
        if config.folders.is_empty() {
            return Err(ServeError::NoFolder);
        }
        let served: Vec<PathBuf> = config.folders.iter().chain(&config.ipxe).cloned().collect();
        let folders = Folders::new(&served)?;
        let (plan, mut notes) = Plan::new(config, &folders).map_err(ServeError::Config)?;
        if config.tftp.is_some() || config.dhcp.is_some() {
            notes.extend(dhcp::missing(&folders));
        }
        let checks = config.check.then(|| {
            let files = plan.profiles().flat_map(Profile::files);
            Checks::new(&folders, log, files)
        });
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let url = config.url.clone();
        Ok((Self { plan, folders, checks, url, tls, proxy: None }, notes))
    }

    /// Finds out what machines are told, and returns the interface that sockets are kept to.
    pub(crate) fn prepare_proxy(
        &mut self,
        config: &Config,
        http: SocketAddr,
    ) -> Result<Option<String>, ServeError> {
        let Some(dhcp) = &config.dhcp else { return Ok(None) };
        let interfaces = Interfaces::read()?;
        let interface = interfaces.choose(dhcp, http.ip())?;
        self.proxy = Some(dhcp::settings(dhcp, http, &interfaces, self)?);
        Ok(interface)
    }
}
