//! What an image is made of, as SPDX 2.3 (ISO/IEC 5962) and `CycloneDX` 1.6 (ECMA-424) documents.
//!
//! A [`Bill`] lists the packages of one image with version, source, digest, licences and what they
//! depend on; [`Bill::to_spdx`] and [`Bill::to_cyclonedx`] write it down. Both are functions of the
//! bill alone: identifiers are derived from its content, and the only time in them is the bill's.
//!
//! The crate knows the two formats and the names of licences: Debian's short names become SPDX
//! expressions, and a licence without an SPDX identifier becomes a `LicenseRef` with its text. It
//! must not know where packages or their licences were read from. What nobody stated stays
//! `NOASSERTION`; nothing is guessed from texts.

mod bill;
mod cyclonedx;
mod licence;
mod spdx_document;

pub use bill::{Bill, Licences, Package};
