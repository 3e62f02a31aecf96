use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::{Body, Transport, TransportError, Url};

/// How long a connection, and the first answer on it, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the server may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Over which time the rate of a body is judged.
const PACE_WINDOW: Duration = Duration::from_mins(1);
/// How many bytes must come within [`PACE_WINDOW`]: 1 KiB/s, below which no build would end.
const PACE_BYTES: u64 = 60 * 1024;

/// Speaks HTTP and HTTPS.
///
/// Certificates are checked against the system's own trust store. No body is asked for in
/// compressed form, so that lengths and offsets are the file's.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    agent: Agent,
}

impl HttpTransport {
    /// Creates a transport that connects directly.
    pub fn new() -> Self {
        Self::with_proxy(None)
    }

    /// Creates a transport that uses the proxy which the conventional variables (`http_proxy`,
    /// `https_proxy`, `all_proxy`, `no_proxy`) name, if any.
    pub fn with_proxy_from_environment() -> Self {
        Self::with_proxy(Proxy::try_from_env())
    }

    fn with_proxy(proxy: Option<Proxy>) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(proxy)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(READ_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .user_agent(concat!("flagstone/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self { agent: config.new_agent() }
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }
}

impl HttpTransport {
    /// Sends JSON and returns the answer, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`TransportError::Status`] for any status but 200; what [`Transport::open`] can fail with;
    /// [`TransportError::Protocol`] for an answer that is too long.
    pub fn post_json(&self, url: &Url, json: &[u8], limit: u64) -> Result<Vec<u8>, TransportError> {
        let request = self.agent.post(url.as_str()).header(CONTENT_TYPE, "application/json");
        let response = request.send(json).map_err(transport_error)?;
        if response.status() != StatusCode::OK {
            return Err(TransportError::Status(response.status().as_u16()));
        }
        let mut answer = Vec::new();
        let reader = Paced::new(response.into_body().into_reader());
        reader.take(limit + 1).read_to_end(&mut answer).map_err(TransportError::Read)?;
        if answer.len() as u64 > limit {
            return Err(TransportError::Protocol("an answer longer than any that is expected"));
        }
        Ok(answer)
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HttpTransport {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        let mut request = self.agent.get(url.as_str());
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let response = request.call().map_err(transport_error)?;
        let (start, total) = match response.status() {
            StatusCode::OK => (0, content_length(response.headers())),
            StatusCode::PARTIAL_CONTENT if offset > 0 => content_range(response.headers())
                .filter(|(start, _)| *start == offset)
                .ok_or(TransportError::Protocol("a range that was not asked for"))?,
            // The part at hand is longer than the file there: start over.
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => return self.open(url, 0),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(TransportError::NotFound),
            status => return Err(TransportError::Status(status.as_u16())),
        };
        let reader = response.into_body().into_reader();
        Ok(Body { offset: start, total, reader: Box::new(Paced::new(reader)) })
    }
}

pub(crate) fn transport_error(error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::Timeout(_) => TransportError::TimedOut,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            TransportError::TimedOut
        }
        error => TransportError::Connection(Box::new(error)),
    }
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads `bytes <start>-<end>/<total>` (RFC 9110, 14.4).
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Refuses a body that trickles: silence is caught by the socket, a byte now and then is not.
pub(crate) struct Paced<R> {
    inner: R,
    since: Instant,
    received: u64,
}

impl<R: Read> Paced<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, since: Instant::now(), received: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.received += count as u64;
        if self.since.elapsed() >= PACE_WINDOW {
            if count > 0 && self.received < PACE_BYTES {
                return Err(io::ErrorKind::TimedOut.into());
            }
            (self.since, self.received) = (Instant::now(), 0);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request a connection with what `answer` makes of its `Range` header.
    fn serve(answers: Vec<fn(Option<&str>) -> String>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/pool/a+b_1~2.deb", listener.local_addr().unwrap());
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let reader = BufReader::new(stream.try_clone().unwrap());
                let lines: Vec<_> =
                    reader.lines().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
                assert!(lines[0].starts_with("GET /pool/a+b_1~2.deb HTTP/1.1"), "{}", lines[0]);
                let range = lines.iter().find_map(|line| {
                    line.to_lowercase().strip_prefix("range: ").map(str::to_owned)
                });
                stream.write_all(answer(range.as_deref()).as_bytes()).unwrap();
            }
        });
        url.parse().unwrap()
    }

    fn read(body: Body) -> io::Result<String> {
        let mut text = String::new();
        let mut reader = body.reader;
        reader.read_to_string(&mut text).map(|_| text)
    }

    fn whole(_: Option<&str>) -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".into()
    }

    #[test]
    fn ranges_are_asked_for_and_checked() {
        let part = |range: Option<&str>| {
            assert_eq!(range, Some("bytes=2-"));
            "HTTP/1.1 206 OK\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\
             Connection: close\r\n\r\nllo"
                .to_owned()
        };
        let other = |_: Option<&str>| {
            "HTTP/1.1 206 OK\r\nContent-Range: bytes 1-4/5\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\nello"
                .to_owned()
        };
        let url = serve(vec![whole, part, whole, other]);
        let http = HttpTransport::new();
        for (offset, expected) in [(0, (0, "hello")), (2, (2, "llo")), (2, (0, "hello"))] {
            let body = http.open(&url, offset).unwrap();
            assert_eq!((body.offset, body.total), (expected.0, Some(5)));
            assert_eq!(read(body).unwrap(), expected.1);
        }
        assert!(matches!(http.open(&url, 2), Err(TransportError::Protocol(_))));
    }

    #[test]
    fn statuses_are_told_apart() {
        let url = serve(vec![
            |_| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            |_| "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            |_| "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            whole,
            |_| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhello".into(),
        ]);
        let http = HttpTransport::new();
        assert!(matches!(http.open(&url, 0), Err(TransportError::NotFound)));
        let busy = http.open(&url, 0).unwrap_err();
        assert!(busy.is_transient(), "{busy}");
        assert_eq!(read(http.open(&url, 99).unwrap()).unwrap(), "hello");
        assert!(read(http.open(&url, 0).unwrap()).is_err(), "a body shorter than announced");
    }

    #[test]
    fn a_closed_port_is_a_transient_failure() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/x").parse().unwrap();
        let error = HttpTransport::new().open(&url, 0).unwrap_err();
        assert!(matches!(error, TransportError::Connection(_)) && error.is_transient());
    }
}
