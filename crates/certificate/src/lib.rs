//! X.509 certificates, and the signatures of dm-verity root hashes that systemd and the kernel check.
//!
//! ```text
//! 32 bytes of chance ─ generate ─► key and certificate in PEM ─ SigningKey::from_pem ─► sign(root hash)
//!                                           │                                             │
//!                                   /usr/lib/verity.d of machines          verity signature partition
//! ```
//!
//! Keys are ECDSA over P-256 with SHA-256 and nonces from key and message (RFC 6979): the same key and
//! root hash give the same bytes. A signature is a detached PKCS #7 message (RFC 2315; as CMS, RFC 5652,
//! version 1, without signed attributes) over the 64 lower-case hexadecimal digits of the root hash, which
//! is what the kernel's dm-verity and systemd (`verity.d`) verify.
//!
//! The crate knows keys, certificates and that message. It must not know what a root hash protects, where
//! files are, or clocks and sources of chance: both come from the caller. That the formats are those of
//! others is why it uses `x509-cert` and `cms`, which share their ASN.1 with the OpenPGP reader's crates.

mod error;
mod root_hash;
mod trusted;

pub use error::CertificateError;
pub use root_hash::{KeyPair, RootHashSignature, SigningKey, generate};
pub use trusted::TrustedCertificate;
