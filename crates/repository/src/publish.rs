//! The half that writes.

mod bucket;
mod candidate;
mod error;
mod extension;
mod folder;
mod new_root;
mod plan;
mod publisher;
mod role_key;
mod rotation;
mod signer;
mod signing_keys;
mod store;

pub use bucket::{Bucket, Credentials};
pub use error::PublishError;
pub use new_root::NewRoot;
pub use plan::{Publication, WaveAfter};
pub use publisher::{Published, Publisher, Terms};
pub use rotation::KeyChange;
pub use signing_keys::SigningKeys;
