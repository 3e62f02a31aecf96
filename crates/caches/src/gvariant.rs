//! Values of GLib's type system: their types, their text form and their bytes.

mod kind;
mod shape;
mod text;
mod value;

pub(crate) use kind::Kind;
pub(crate) use text::parse;
pub(crate) use value::Value;

/// How deep values and types may nest. GLib allows twice as much; nobody needs a tenth.
const MAX_DEPTH: usize = 64;
