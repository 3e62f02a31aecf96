use super::key::Item;
use crate::glib_table::GlibTable;

/// A set of keys, for one path or, without one, for any.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) path: Option<String>,
    pub(super) gettext_domain: Option<String>,
    pub(super) extends: Option<String>,
    pub(super) list_of: Option<String>,
    pub(super) items: GlibTable<Item>,
}

/// How many ancestors of a schema are looked at; nobody has more than a few.
const MAX_ANCESTORS: usize = 100;

/// Returns a schema and those that it extends, one after the other.
pub(super) fn lineage<'a>(
    schemas: &'a GlibTable<Schema>,
    id: &str,
) -> impl Iterator<Item = &'a Schema> {
    let next = |schema: &&'a Schema| schemas.get(schema.extends.as_ref()?);
    std::iter::successors(schemas.get(id), next).take(MAX_ANCESTORS)
}

/// Checks the name of a key or child.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    const MAX_LENGTH: usize = 1024;
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_allowed) {
        return Err("a name has other characters than lower-case letters, digits and hyphens");
    }
    if name.contains("--") || name.ends_with('-') {
        return Err("a name has a hyphen at its end or two in a row");
    }
    if name.len() > MAX_LENGTH {
        return Err("a name has more than 1024 characters");
    }
    Ok(())
}
