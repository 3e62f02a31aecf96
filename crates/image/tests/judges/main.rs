//! Independent judges of what this crate writes: erofs-utils, cryptsetup and the running kernel.
//!
//! A judge that is missing is named and skipped, unless `FLAGSTONE_REQUIRE_JUDGES` is 1. Mounting
//! needs root, a loop device and a kernel with EROFS, and is skipped where one of them is missing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod compressed;
mod erofs;
mod random;
mod reader;
mod sample;
mod tool;
mod verity;
