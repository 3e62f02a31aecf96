use super::key::Item;
use super::schema::Schema;
use crate::glib_table::GlibTable;
use crate::gvariant::parse;
use crate::key_file;

/// Applies a distribution's own defaults: groups `[schema]`, or `[schema:desktop]` for one desktop.
///
/// Schemas that are not there are passed over; the lines returned are ignored.
pub(super) fn apply(
    schemas: &mut GlibTable<Schema>,
    text: &str,
) -> Result<Vec<String>, &'static str> {
    let groups = key_file::parse(text, false).ok_or("it is no key file")?;
    let mut ignored = Vec::new();
    for group in &groups {
        let (id, desktop) = match group.name.split_once(':') {
            Some((id, desktop)) => (id, Some(desktop)),
            None => (group.name.as_str(), None),
        };
        let Some(schema) = schemas.get_mut(id) else { continue };
        for (name, _) in &group.entries {
            let value = group.get(name).unwrap_or_default();
            if let Err(reason) = apply_one(schema, name, desktop, value) {
                ignored.push(format!("{name} of [{}] is ignored: {reason}", group.name));
            }
        }
    }
    Ok(ignored)
}

fn apply_one(
    schema: &mut Schema,
    name: &str,
    desktop: Option<&str>,
    text: &str,
) -> Result<(), &'static str> {
    let Some(Item::Key(key)) = schema.items.get_mut(name) else {
        return Err("the schema has no such key");
    };
    if desktop.is_some() && key.is_translated() {
        return Err("a translated default cannot depend on the desktop");
    }
    let value = parse(&key.kind, text).ok_or("it is no value of the key's type")?;
    if !key.accepts(&value) {
        return Err("the key does not accept it");
    }
    key.replace_default(desktop, value);
    Ok(())
}
