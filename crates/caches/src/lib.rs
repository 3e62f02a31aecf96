//! Caches of desktop data, which programs read in place of the many files they are made from.
//!
//! With dpkg, triggers run a tool for each. An image's /usr is read-only and its packages' scripts
//! never run, so [`Caches`] makes them when the image is built, byte for byte as the tools of
//! Debian's trixie write them (GLib 2.84, shared-mime-info 2.4, desktop-file-utils 0.28, GTK 4.18).
//! The tests compare with the tools.
//!
//! A cache is made if its tool is in the tree, as dpkg would make it, since then its readers may be.
//! A source that breaks a rule is ignored as the tool ignores it, with a note.
//!
//! The crate knows these formats and the order in which GLib's hash tables give their entries, which
//! most of them are written in. It must not know where a tree came from.

mod caches;
mod desktop_entries;
mod error;
mod files;
mod fonts;
mod glib_table;
mod gvariant;
mod gvdb;
mod icon_theme;
mod integer;
#[cfg(test)]
mod judge;
mod key_file;
mod mime;
mod schemas;
mod xml;

pub use caches::{Caches, ToolVersions};
pub use error::CacheError;

/// Tells whether GLib calls a character blank (`g_ascii_isspace`).
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r')
}
