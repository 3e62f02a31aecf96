use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::http::Shared;
use crate::state::State;
use crate::{Config, ServeError};

/// Puts another configuration into force in a server that runs.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) fixed: Arc<Fixed>,
    /// Where HTTP is listened for.
    pub(crate) http: SocketAddr,
    pub(crate) runtime: Handle,
}

/// What stays as it is until a restart: a name for people, and the value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fixed([(&'static str, String); 6]);

impl Fixed {
    pub(crate) fn new(config: &Config, interface: Option<&str>) -> Self {
        let dhcp = config.dhcp.as_ref().map(|dhcp| (dhcp.listen, dhcp.boot, interface));
        Self([
            ("`listen`", config.listen.to_string()),
            ("`enable` and `listen` in [tftp]", format!("{:?}", config.tftp)),
            ("`proxy`, `listen`, `boot` and `interface` in [dhcp]", format!("{dhcp:?}")),
            ("whether there is [tls]", config.tls.is_some().to_string()),
            ("[limits]", format!("{:?}", config.limits)),
            ("[log]", format!("{:?}", config.log)),
        ])
    }

    /// Returns the names of what another configuration says otherwise.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(old, new)| old.1 != new.1).map(|(old, _)| old.0).collect()
    }
}

impl Reloader {
    /// Puts a configuration into force that was read anew, and tells whether it is. One that is
    /// wrong changes nothing. The log has every mistake, and what needs a restart; transfers that
    /// are going on end as they were begun.
    ///
    /// Reads files; from asynchronous code, call it where waiting is allowed.
    pub fn reload(&self, read: Result<Config, ServeError>) -> bool {
        let Shared { log, metrics, .. } = &*self.shared;
        match read.and_then(|config| self.replace(&config)) {
            Ok(()) => {
                metrics.reloads.add(1);
                log.note("the configuration was read anew and is in force");
                true
            }
            Err(error) => {
                metrics.failed_reloads.add(1);
                for line in lines(&error) {
                    log.error(line);
                }
                log.error(
                    "the configuration that was read anew is wrong; the old one stays in force",
                );
                false
            }
        }
    }

    fn replace(&self, config: &Config) -> Result<(), ServeError> {
        let old = self.shared.state();
        let (mut state, notes) = State::new(config, &self.shared.log)?;
        // What needs a restart goes on as it is.
        if state.tls.is_some() != old.tls.is_some() {
            state.tls.clone_from(&old.tls);
        }
        let interface = state.prepare_proxy(config, self.http)?;
        if state.proxy.is_none() {
            state.proxy.clone_from(&old.proxy);
        }
        for note in notes {
            self.shared.log.note(note);
        }
        for what in self.fixed.differences(&Fixed::new(config, interface.as_deref())) {
            self.shared.log.note(format!("{what} changed: that needs a restart"));
        }
        let state = Arc::new(state);
        self.shared.replace(Arc::clone(&state));
        self.runtime.spawn(async move {
            if let Some(checks) = &state.checks {
                checks.run().await;
            }
        });
        Ok(())
    }
}

/// One line for each mistake, or for an error with its causes.
fn lines(error: &ServeError) -> Vec<String> {
    let with_hint = |text: String, hint: Option<String>| match hint {
        Some(hint) => format!("{text}; hint: {hint}"),
        None => text,
    };
    if let ServeError::Config(mistakes) = error {
        let without_hint = |mistake: &crate::Mistake| {
            let text = crate::Mistake { hint: None, ..mistake.clone() }.to_string();
            with_hint(text, mistake.hint.clone())
        };
        return mistakes.as_slice().iter().map(without_hint).collect();
    }
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    vec![with_hint(text, error.hint())]
}
