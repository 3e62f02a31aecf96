mod files;
mod machine;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::address::BaseUrl;
use crate::body::ReplyBody;
use crate::exchange::Exchange;
use crate::label::Labels;
use crate::log::Log;
use crate::machines::{Machines, Progress};
use crate::metrics::Metrics;
use crate::reply::{Content, PLAIN, Reply};
use crate::script::first_script;
use crate::state::State;
use crate::status_page;
use crate::wire::Outlet;

/// The longest report of a machine.
const MAX_REPORT_BYTES: usize = 4096;
/// How long a report may take to arrive.
const REPORT_TIME: Duration = Duration::from_secs(10);
/// The longest line that a report shows.
const MAX_REPORT_CHARS: usize = 200;

/// What all connections share.
pub(crate) struct Shared {
    state: RwLock<Arc<State>>,
    pub(crate) log: Arc<Log>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) machines: Machines,
}

impl Shared {
    pub(crate) fn new(state: State, log: Arc<Log>) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { state, log, metrics: Arc::default(), machines: Machines::default() }
    }

    /// Returns what is in force; who asks once for each request sees nothing change in between.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, state: Arc<State>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// What is known about one connection.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// The address it came in at.
    pub(crate) local: SocketAddr,
    pub(crate) is_tls: bool,
    /// Where bodies go that the kernel sends.
    pub(crate) outlet: Option<Arc<Outlet>>,
}

/// Answers one request.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    client: &Client,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let begun = Instant::now();
    shared.metrics.http_active.up();
    let is_head = request.method() == Method::HEAD;
    let method = request.method().to_string();
    let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
    let reply = route(shared, client, request).await;
    shared.metrics.http(reply.status.as_u16());
    let total = if is_head { 0 } else { reply.content.len() };
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let progress = Progress::new(path, SystemTime::now(), total);
    if is_of_a_machine(&progress.what) {
        shared.machines.asked(client.address.ip(), &progress);
    }
    let exchange = Exchange {
        log: Arc::clone(&shared.log),
        metrics: Arc::clone(&shared.metrics),
        progress,
        begun,
        client: client.address,
        method,
        target,
        status: reply.status.as_u16(),
        reason: reply.reason.clone(),
    };
    respond(reply, client, is_head, Arc::new(exchange))
}

/// Tells whether a request says something about the boot of a machine.
fn is_of_a_machine(path: &str) -> bool {
    path.starts_with("/files/")
        || matches!(path, "/boot.ipxe" | "/ipxe" | "/ignition" | "/metadata" | "/report")
}

fn respond(
    reply: Reply,
    client: &Client,
    is_head: bool,
    exchange: Arc<Exchange>,
) -> Response<ReplyBody> {
    let len = reply.content.len();
    let body = match reply.content {
        _ if is_head || len == 0 => ReplyBody::empty(exchange),
        Content::Text(text) => ReplyBody::text(Bytes::from(text.into_owned()), exchange),
        Content::File(opened, first, _) => match &client.outlet {
            Some(outlet) => ReplyBody::span(outlet.body(opened.file, first, len, exchange)),
            None => ReplyBody::read(opened.file, first, len, exchange),
        },
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if reply.status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    let sniff = HeaderName::from_static("x-content-type-options");
    headers.insert(sniff, HeaderValue::from_static("nosniff"));
    headers.extend(reply.headers.into_iter().collect::<HeaderMap>());
    response
}

async fn route(shared: &Arc<Shared>, client: &Client, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let is_report = path == "/report";
    let allowed = match (request.method(), is_report) {
        (&Method::POST, true) => true,
        (method, false) => method == Method::GET || method == Method::HEAD,
        _ => false,
    };
    if !allowed {
        let allow = if is_report { "POST" } else { "GET, HEAD" };
        let reason = format!("this path knows {allow} only");
        return Reply::error(StatusCode::METHOD_NOT_ALLOWED, reason).header(ALLOW, allow);
    }
    if let Some(path) = path.strip_prefix("/files/") {
        return files::file(shared, path, request.headers()).await;
    }
    match path.as_str() {
        "/" => status_page::page(shared),
        "/healthz" => Reply::text(PLAIN, "ok\n"),
        "/metrics" => {
            Reply::text("text/plain; version=0.0.4; charset=utf-8", shared.metrics.text())
        }
        "/boot.ipxe" => {
            with_base(shared, client, &request, |base| Reply::text(PLAIN, first_script(base)))
        }
        "/ipxe" => with_labels(shared, client, &request, machine::script),
        "/ignition" => with_labels(shared, client, &request, machine::ignition),
        "/metadata" => with_labels(shared, client, &request, machine::metadata),
        "/report" => report(shared, client, request).await,
        _ => Reply::error(StatusCode::NOT_FOUND, "there is nothing at this path"),
    }
}

/// Finds out how the client reaches the server.
fn with_base(
    shared: &Shared,
    client: &Client,
    request: &Request<Incoming>,
    then: impl FnOnce(&BaseUrl) -> Reply,
) -> Reply {
    let host = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let base = match (&shared.state().url, host) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(host)) => BaseUrl::from_host(host, client.is_tls),
        (None, None) => Ok(BaseUrl::from_address(client.local, client.is_tls)),
    };
    match base {
        Ok(base) => then(&base),
        Err(_) => Reply::error(StatusCode::BAD_REQUEST, "the header `Host` names no host"),
    }
}

fn with_labels(
    shared: &Shared,
    client: &Client,
    request: &Request<Incoming>,
    then: impl FnOnce(&Shared, &Client, &BaseUrl, &Labels) -> Reply,
) -> Reply {
    match Labels::from_query(request.uri().query().unwrap_or_default()) {
        Ok(labels) => {
            with_base(shared, client, request, |base| then(shared, client, base, &labels))
        }
        Err(error) => Reply::error(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// Remembers what a machine says about itself after it has booted: `status=…`.
async fn report(shared: &Shared, client: &Client, request: Request<Incoming>) -> Reply {
    let labels = match Labels::from_query(request.uri().query().unwrap_or_default()) {
        Ok(labels) => labels,
        Err(error) => return Reply::error(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let body = Limited::new(request.into_body(), MAX_REPORT_BYTES).collect();
    let body = match tokio::time::timeout(REPORT_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            let reason = format!("a report has up to {MAX_REPORT_BYTES} bytes");
            return Reply::error(StatusCode::PAYLOAD_TOO_LARGE, reason);
        }
        Err(_) => return Reply::error(StatusCode::REQUEST_TIMEOUT, "the report took too long"),
    };
    let text = String::from_utf8_lossy(&body);
    let status = text.split(['\n', '&']).find_map(|part| part.trim().strip_prefix("status="));
    let status = status.and_then(|status| crate::percent::decode(status, true));
    let Some(status) = status.filter(|status| !status.trim().is_empty()) else {
        return Reply::error(StatusCode::BAD_REQUEST, "a report says `status=` and what it is");
    };
    let shown = status.trim().chars().filter(|c| !c.is_control()).take(MAX_REPORT_CHARS);
    let shown: String = shown.collect();
    shared.machines.reported(client.address.ip(), &labels, &shown);
    let mut reply = Reply::text(PLAIN, "recorded\n");
    reply.reason = Some(shown);
    reply
}

/// Says that parts of a file can be asked for.
fn accept_ranges(reply: Reply) -> Reply {
    reply.header(ACCEPT_RANGES, "bytes")
}
