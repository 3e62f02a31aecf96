//! Translates Butane, the YAML that people write, to the JSON that Ignition reads.
//!
//! [`is_butane`] tells the two languages apart. [`translate`] reads the versions of `fcos` and
//! `flatcar` whose Ignition the images have, 3.0.0 to 3.3.0 of the specification, and later ones
//! as far as they ask for nothing newer. What comes out is a [`Translation`]: the JSON, and for
//! each place in it the place in the YAML that caused it, so that whoever judges the JSON can speak
//! of the YAML. What cannot be translated is a [`Refusal`], with line and column of everything that
//! is wrong. Files that a configuration embeds are read from a [`FilesDir`] and from nowhere else.
//!
//! Scalars are read as Butane's own reader reads them, which is neither YAML 1.1 nor 1.2: `0644` is
//! octal, `yes` is a text unless a flag is asked for. Beyond that the crate is stricter: what Butane
//! drops with a warning is refused.
//!
//! The crate must not know what Ignition makes of a configuration, nor what an image has: that is
//! judged on the JSON. It trusts no byte: size, depth, number of values and what aliases repeat are
//! bounded.

mod data_url;
mod detect;
mod files_dir;
mod findings;
mod json;
mod mount_unit;
mod release;
mod scalar;
mod schema;
mod sugar;
mod translate;
mod trees;
mod yaml;
mod yaml_reader;

pub use detect::is_butane;
pub use files_dir::FilesDir;
pub use findings::Refusal;
pub use json::Places;
pub use translate::{SOURCE_MAX, Translation, translate};
