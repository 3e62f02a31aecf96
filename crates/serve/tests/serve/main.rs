//! The server as machines see it, over loopback.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod firmware;
mod http;
mod machines;
mod reload;
mod support;
