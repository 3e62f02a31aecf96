//! A release as systemd-sysupdate wants it: a folder of files, and transfer files in the image.
//!
//! [`transfers`] gives the files below [`TRANSFERS`] that tell systemd-sysupdate(8) where releases are and what becomes of them
//! (sysupdate.d(5), systemd 257): hash tree and /usr go into the slot that does not run, whose partitions get
//! label and identifier of the release; the kernel image comes last, under a name by which the loader counts
//! tries. [`Addition`] puts a release into a folder that any web server can serve. Both know the names of
//! [`Part`], so that they fit each other. What machines have then is what `flagstone-agent` would have written.
//!
//! A folder's list `SHA256SUMS` is what holds: files come before it, and it gets its name by one rename. Its
//! signature is OpenPGP's and made by whoever has the key; systemd-sysupdate wants it in [`SIGNATURE`].
//!
//! The crate knows names, partition types and folders. It must not know how a release is built, nor speak to a
//! network; keys never come here.

mod addition;
mod error;
mod part;
mod transfer;

pub use addition::{Addition, SIGNATURE};
pub use error::SysupdateError;
pub use part::{Part, takes_version};
pub use transfer::{KEYRING, TRANSFERS, Transfer, transfers};
