//! Repositories published, read, changed and replayed.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod attacks;
mod bucket;
mod interruption;
mod judge;
mod publication;
mod rotation;
mod support;
