use std::fmt;
use std::io::Read;

use ureq::SendBody;
use ureq::http::Request;
use ureq::http::header::{CONTENT_LENGTH, ETAG};

use crate::http::{Paced, content_length, transport_error};
use crate::{HttpTransport, TransportError, Url};

/// What a server answered to a request that somebody has signed.
pub struct Answer {
    /// The status, which may be one of failure.
    pub status: u16,
    /// What the server calls this version of the file (RFC 9110, 8.8.3), as it wrote it.
    pub etag: Option<String>,
    /// The length of the body, if the server says it.
    pub length_bytes: Option<u64>,
    /// The body.
    pub reader: Box<dyn Read + Send>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, etag, length_bytes, reader: _ } = self;
        let mut f = f.debug_struct("Answer");
        f.field("status", status).field("etag", etag).field("length_bytes", length_bytes);
        f.finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// Gets a file with these headers, whatever the status.
    ///
    /// # Errors
    /// [`TransportError::Connection`], [`TransportError::TimedOut`].
    pub fn get_with(
        &self,
        url: &Url,
        headers: &[(&str, String)],
    ) -> Result<Answer, TransportError> {
        let mut request = self.agent().get(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        Ok(answer(request.call().map_err(transport_error)?))
    }

    /// Puts a file with these headers, whatever the status. A body that is shorter than its length breaks the
    /// connection.
    ///
    /// # Errors
    /// [`TransportError::Connection`], [`TransportError::TimedOut`];
    /// [`TransportError::Protocol`] for headers that are none.
    pub fn put_with(
        &self,
        url: &Url,
        headers: &[(&str, String)],
        body: &mut dyn Read,
        length_bytes: u64,
    ) -> Result<Answer, TransportError> {
        let mut request = Request::put(url.as_str()).header(CONTENT_LENGTH, length_bytes);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut body = body;
        let request = request.body(SendBody::from_reader(&mut body));
        let request = request.map_err(|_| TransportError::Protocol("a header that is none"))?;
        Ok(answer(self.agent().run(request).map_err(transport_error)?))
    }
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Answer {
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    Answer {
        status: response.status().as_u16(),
        etag: etag.map(str::to_owned),
        length_bytes: content_length(response.headers()),
        reader: Box::new(Paced::new(response.into_body().into_reader())),
    }
}
