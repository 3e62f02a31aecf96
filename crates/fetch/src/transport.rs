use std::fmt;
use std::io::Read;

use crate::{FileTransport, HttpTransport, TransportError, Url};

/// Opens URLs.
pub trait Transport: Send + Sync {
    /// Opens `url` at the byte `offset`.
    ///
    /// A transport that cannot start there may start at 0, and says so in [`Body::offset`].
    ///
    /// # Errors
    /// If there is no such file, or it cannot be had.
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError>;
}

/// The bytes of an opened file, from an offset to its end.
pub struct Body {
    /// Where the bytes start in the file: what was asked for, or 0.
    pub offset: u64,
    /// The length of the whole file, if the other side says it.
    pub total: Option<u64>,
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, total, reader: _ } = self;
        f.debug_struct("Body").field("offset", offset).field("total", total).finish_non_exhaustive()
    }
}

/// The transport for every URL that [`Url`] accepts.
#[derive(Debug)]
pub struct AnyTransport {
    http: HttpTransport,
    file: FileTransport,
}

impl AnyTransport {
    /// Combines a transport for the network with the one for local files.
    pub fn new(http: HttpTransport) -> Self {
        Self { http, file: FileTransport }
    }
}

impl Transport for AnyTransport {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        if url.is_file() { self.file.open(url, offset) } else { self.http.open(url, offset) }
    }
}
