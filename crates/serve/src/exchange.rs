use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::log::{Event, Log};
use crate::machines::Progress;
use crate::metrics::Metrics;

/// One answer from its begin until its last byte was handed to the kernel, or the client was gone:
/// when it is dropped, it is logged and counted.
pub(crate) struct Exchange {
    pub(crate) log: Arc<Log>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) begun: Instant,
    pub(crate) client: SocketAddr,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// Why the status is what it is, if it is an error.
    pub(crate) reason: Option<String>,
}

impl Exchange {
    /// Counts bytes of the body as sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.progress.add(bytes);
        self.metrics.http_bytes.add(bytes);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.http_active.down();
        let sent = self.progress.sent();
        let is_whole = sent >= self.progress.total;
        if !is_whole {
            self.metrics.http_aborted.add(1);
        }
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Event::new("http")
            .with("client", self.client.to_string())
            .with("method", self.method.as_str())
            .with("path", self.target.as_str())
            .with("status", self.status)
            .with("bytes", sent)
            .with("ms", milliseconds)
            .maybe("aborted", (!is_whole).then_some(true))
            .maybe("reason", self.reason.take());
        self.log.write(event);
    }
}
