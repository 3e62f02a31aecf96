//! Keys, signatures by several of them, and their files.
//!
//! A [`Statement`] is what gets signed: a [`Purpose`] and the SHA-256 of a message. A [`PrivateKey`]
//! signs it, a [`Signatures`] file carries signatures of several keys, and [`TrustedKeys`] tells
//! whether enough of those that a machine trusts have signed. Signing and collecting are apart, so
//! that a key can live on a machine without a network: [`Statement::to_sign`] goes there,
//! a [`Signature`] comes back, and [`Signatures::add`] puts it into the file.
//!
//! The crate knows keys, identifiers, thresholds and text. It must not know what a message is, nor
//! anything of disks and networks. Randomness is an argument; only the functions that take a path
//! touch files, and none of them replaces one.
//!
//! # Why so
//! Ed25519 (RFC 8032) through `ed25519-dalek`, verified strictly: keys and commitments of small order
//! and encodings that are not canonical are refused, so that a signature has one meaning only. The
//! purpose is part of what is signed, so that a signature made for one thing is none for
//! another. The digest in between keeps what has to reach an offline key at a few bytes. All files
//! are lines of text in one fixed order with one spelling; docs/install.md gives their grammar.

mod document;
mod error;
mod hex;
mod key_folder;
mod key_id;
mod key_kind;
mod key_name;
mod lines;
mod private_key;
mod public_key;
mod purpose;
mod signatures;
mod statement;
mod trusted_keys;

pub use document::Document;
pub use error::SignatureError;
pub use key_folder::{REVOKED_FILE, THRESHOLD_FILE, default_threshold, read_trusted_keys};
pub use key_id::KeyId;
pub use key_kind::KeyKind;
pub use key_name::KeyName;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub use purpose::Purpose;
pub use signatures::{Signature, Signatures};
pub use statement::Statement;
pub use trusted_keys::{KEYS_MAX, TrustedKeys};
