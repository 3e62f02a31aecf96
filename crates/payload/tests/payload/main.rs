//! Payloads made, changed and applied.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod create;
mod delta;
mod judge;
mod patch;
mod round_trip;
mod signing;
mod support;
mod tamper;
