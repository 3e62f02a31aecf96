//! File system images: EROFS and dm-verity.
//!
//! [`erofs`] turns a [`flagstone_tree::Tree`] into a read-only file system that Linux 6.1 and later
//! mounts, compressed or not; [`verity`] makes and checks the hash tree that lets the kernel verify every
//! block of it when it is read. [`verity::VerityWriter`] stands between the two: it hashes the image while
//! it passes through, so the image is written once and never read back.
//!
//! The crate knows on-disk formats and nothing else. It must not know what a file means, where on a
//! disk an image goes, or where ids, salts and times come from: they are arguments. Images are written
//! from the first byte to the last, and only their first block may be written again at the end
//! ([`ImageWriter`]). The same arguments give the same bytes, whatever the number of threads.

pub mod erofs;
mod error;
mod image_writer;
pub mod verity;

pub use error::{ErofsError, ReadError, Unfit, VerityError};
pub use image_writer::ImageWriter;
