use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the server counts; `/metrics` shows it.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Counter,
    pub(crate) open_connections: Gauge,
    pub(crate) http_2xx: Counter,
    pub(crate) http_3xx: Counter,
    pub(crate) http_4xx: Counter,
    pub(crate) http_5xx: Counter,
    pub(crate) http_bytes: Counter,
    pub(crate) http_active: Gauge,
    pub(crate) http_aborted: Counter,
    pub(crate) tls_failures: Counter,
    pub(crate) slow_clients: Counter,
    pub(crate) tftp_transfers: Counter,
    pub(crate) tftp_failures: Counter,
    pub(crate) tftp_bytes: Counter,
    pub(crate) tftp_active: Gauge,
    pub(crate) dhcp_answers: Counter,
    pub(crate) dhcp_ignored: Counter,
    pub(crate) dhcp_malformed: Counter,
    pub(crate) refused_files: Counter,
    pub(crate) reloads: Counter,
    pub(crate) failed_reloads: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn http(&self, status: u16) {
        let counter = match status {
            500.. => &self.http_5xx,
            400.. => &self.http_4xx,
            300.. => &self.http_3xx,
            _ => &self.http_2xx,
        };
        counter.add(1);
    }

    /// Writes all numbers in Prometheus' text format, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
            let _ = writeln!(out, "# HELP flagstone_{name} {help}\n# TYPE flagstone_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(out, "flagstone_{name}{labels} {value}");
            }
        };
        let codes = [
            ("{code=\"2xx\"}", self.http_2xx.get()),
            ("{code=\"3xx\"}", self.http_3xx.get()),
            ("{code=\"4xx\"}", self.http_4xx.get()),
            ("{code=\"5xx\"}", self.http_5xx.get()),
        ];
        metric("http_requests_total", "counter", "Requests answered, by class of status.", &codes);
        let dhcp = [
            ("{result=\"answered\"}", self.dhcp_answers.get()),
            ("{result=\"ignored\"}", self.dhcp_ignored.get()),
            ("{result=\"malformed\"}", self.dhcp_malformed.get()),
        ];
        metric("dhcp_packets_total", "counter", "Packets received by proxy DHCP.", &dhcp);
        let reloads = [
            ("{result=\"accepted\"}", self.reloads.get()),
            ("{result=\"refused\"}", self.failed_reloads.get()),
        ];
        metric("reloads_total", "counter", "Configurations read anew.", &reloads);
        for (name, help, counter) in [
            ("connections_total", "Connections accepted.", &self.connections),
            ("http_sent_bytes_total", "Bytes of bodies sent over HTTP.", &self.http_bytes),
            (
                "http_aborted_total",
                "Answers that a client did not take to the end.",
                &self.http_aborted,
            ),
            ("tls_failures_total", "Connections that failed to agree on TLS.", &self.tls_failures),
            (
                "slow_clients_total",
                "Connections closed because a client was too slow.",
                &self.slow_clients,
            ),
            ("tftp_transfers_total", "Transfers over TFTP that were begun.", &self.tftp_transfers),
            (
                "tftp_failures_total",
                "Transfers over TFTP that failed or were refused.",
                &self.tftp_failures,
            ),
            ("tftp_sent_bytes_total", "Bytes of files sent over TFTP.", &self.tftp_bytes),
            (
                "refused_files_total",
                "Answers refused since a file differs from SHA256SUMS.",
                &self.refused_files,
            ),
        ] {
            metric(name, "counter", help, &[("", counter.get())]);
        }
        for (name, help, gauge) in [
            ("connections", "Connections that are open.", &self.open_connections),
            ("http_active", "Answers that are being sent.", &self.http_active),
            ("tftp_active", "Transfers over TFTP that are going on.", &self.tftp_active),
        ] {
            metric(name, "gauge", help, &[("", gauge.get())]);
        }
        out
    }
}
