//! Makes patches: finds out how both images are stored, which old content resembles new content that
//! changed, and what makes one of the other. Every patch is applied once before it is taken.

mod frames;
mod groups;
mod kin;
mod layout;
mod levels;
mod patches;
mod pieces;
mod unit;

pub(crate) use patches::{Patched, patches};
