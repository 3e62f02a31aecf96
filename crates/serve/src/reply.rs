use std::borrow::Cow;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use crate::folder::OpenFile;

/// An answer before it becomes HTTP.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Content,
    /// What the log says about an error.
    pub(crate) reason: Option<String>,
}

/// What the body is made of.
pub(crate) enum Content {
    Text(Cow<'static, str>),
    /// Bytes of a file, from the first to before the second.
    File(OpenFile, u64, u64),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(_, first, end) => end - first,
        }
    }
}

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

impl Reply {
    /// An answer with a text, which is made anew for each request.
    pub(crate) fn text(content_type: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        let no_store = HeaderValue::from_static("no-store");
        Self {
            status: StatusCode::OK,
            content_type,
            headers: vec![(hyper::header::CACHE_CONTROL, no_store)],
            content: Content::Text(text.into()),
            reason: None,
        }
    }

    /// An error, with a line that says what is wrong.
    pub(crate) fn error(status: StatusCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut reply = Self::text(PLAIN, format!("{reason}\n"));
        reply.status = status;
        reply.reason = Some(reason);
        reply
    }

    /// Adds a header; a value that is none is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

/// Returns the media type of a file by the end of its name.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        // What UEFI's HTTP boot recognises a program by (UEFI specification, section 24.7).
        "efi" => "application/efi",
        "iso" => "application/vnd.efi-iso",
        "img" => "application/vnd.efi-img",
        "json" | "ign" | "jsonl" => JSON,
        "ipxe" | "txt" | "toml" | "yaml" | "yml" | "sig" | "asc" | "log" => PLAIN,
        "html" => HTML,
        _ if matches!(name, "SHA256SUMS" | "SHA512SUMS") => PLAIN,
        _ => "application/octet-stream",
    }
}
