//! The initrd's content: what is taken from the finished tree, and Flagstone's own units in it.

mod assemble;
mod content_list;
mod error;
mod netboot;
mod own_files;

pub use assemble::{Initrd, InitrdRequest, build_initrd, release_part};
pub use content_list::{ContentItem, ContentKind, ContentList};
pub use error::InitrdError;
pub use netboot::netboot_part;
