//! The one socket: transports, a content-addressed cache, limits.
//!
//! Everything Flagstone gets from elsewhere comes through here. A [`Request`] says what a file must
//! be (size and SHA-256) and where it may be had; a [`Fetcher`] brings it into the [`Cache`], whole
//! and right or not at all. A [`Transport`] only opens a URL at an offset, so another one (a test's,
//! a local folder's) is a few lines. Documents whose digest nobody knows yet are returned as bytes
//! under a limit, and never enter the cache.
//!
//! The crate knows URLs, sizes and digests. It must not know what it carries: no Debian, no
//! recipes, no signatures. It prints nothing; a [`Progress`] hears what happens. It reads neither
//! environment nor wall clock, except that [`HttpTransport::with_proxy_from_environment`] does what
//! it says.
//!
//! # Cache layout
//! `sha256/<aa>/<hex>` holds finished files, `partial/<hex>` unfinished ones. A partial file is
//! locked while it grows, is continued by the next run, and gets its final name by a rename after
//! its digest was found right, so a process killed at any time leaves nothing wrong behind. The
//! folder may be deleted at any time, and shared by several processes.

mod cache;
mod error;
mod exchange;
mod fetcher;
mod file;
mod http;
mod partial;
mod progress;
mod request;
mod transport;
mod url;

pub use cache::Cache;
pub use error::{FetchError, TransportError};
pub use exchange::Answer;
pub use fetcher::{Fetcher, Patience};
pub use file::FileTransport;
pub use http::HttpTransport;
pub use progress::{Outcome, Progress};
pub use request::Request;
pub use transport::{AnyTransport, Body, Transport};
pub use url::Url;
