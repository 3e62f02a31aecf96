//! Asking for a factory reset: everything on ROOT goes but for what is to be kept, and the next boot is a first
//! boot.
//!
//! The running system cannot empty the root that it runs from. It leaves a request there, which the
//! initrd of the next boot carries out before anything else looks at ROOT (`initrd-reset` of the crate
//! `boot`), and removes last: a cut of the power in between ends in a complete reset.

mod error;
mod kept_path;
mod request;

pub use error::ResetError;
pub use kept_path::KeptPath;
pub use request::ResetRequest;
