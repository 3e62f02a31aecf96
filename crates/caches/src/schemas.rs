//! The settings that programs have, compiled for GSettings.

mod key;
mod overrides;
mod schema;
mod source;
mod words;

use bytes::Bytes;
use flagstone_tree::Tree;

use crate::glib_table::GlibTable;
use crate::gvariant::{Kind, Value};
use crate::gvdb::{GvdbContent, GvdbTable};
use crate::{CacheError, Caches, files};
use key::Item;
use schema::Schema;
use source::Sources;

const DIRECTORY: &str = "usr/share/glib-2.0/schemas";
const COMPILED: &str = "usr/share/glib-2.0/schemas/gschemas.compiled";

/// The compiler, which libglib2.0 ships in a directory of the architecture.
const TOOL: &str = "glib-2.0/glib-compile-schemas";

/// Compiles all schemas, as `glib-compile-schemas` of GLib 2.84 does.
///
/// A file that breaks a rule is ignored as a whole and noted; so is, in an override, each line.
pub(crate) fn compile(tree: &Tree) -> Result<Caches, CacheError> {
    let mut caches = Caches::default();
    if !files::has_library_tool(tree, TOOL) {
        return Ok(caches);
    }
    let names = files::names(tree, DIRECTORY);
    let ending = |suffix: &str| -> Vec<&String> {
        names.iter().filter(|name| name.ends_with(suffix)).collect()
    };
    // Enumerations first: schemas refer to them.
    let sources = [ending(".enums.xml"), ending(".gschema.xml")].concat();
    if sources.is_empty() {
        return Ok(caches);
    }
    let mut found = Sources::new();
    for name in sources {
        let text = files::text(tree, &format!("{DIRECTORY}/{name}"));
        let result = text.and_then(|text| found.add(&text));
        if let Err(reason) = result {
            caches.note(format!("/{DIRECTORY}/{name} is ignored: {reason}"));
        }
    }
    let mut schemas = found.schemas;
    for name in ending(".gschema.override") {
        let path = format!("{DIRECTORY}/{name}");
        let result = files::text(tree, &path);
        match result.and_then(|text| overrides::apply(&mut schemas, &text)) {
            Ok(ignored) => {
                for line in ignored {
                    caches.note(format!("/{path}: {line}"));
                }
            }
            Err(reason) => caches.note(format!("/{path} is ignored: {reason}")),
        }
    }
    let file = database(&schemas).to_bytes();
    let file = file.map_err(|_| CacheError::TooLarge { path: COMPILED })?;
    caches.add(COMPILED, Bytes::from(file));
    Ok(caches)
}

fn database(schemas: &GlibTable<Schema>) -> GvdbTable {
    let mut top = GvdbTable::new();
    for (id, schema) in schemas.iter() {
        top.insert(id, GvdbContent::Table(table(schema)));
    }
    top
}

fn table(schema: &Schema) -> GvdbTable {
    let mut table = GvdbTable::new();
    let mut is_translated = false;
    for (name, item) in schema.items.iter() {
        let value = match item {
            Item::Child(schema) => variant(Kind::String, Value::Text(schema.clone())),
            Item::Key(key) => {
                is_translated |= key.is_translated();
                let (kind, value) = key.record();
                variant(kind, value)
            }
        };
        table.insert(name, GvdbContent::Value(value));
    }
    let domain = schema.gettext_domain.as_ref().filter(|_| is_translated);
    for (name, text) in [
        (".path", schema.path.as_ref()),
        (".extends", schema.extends.as_ref()),
        (".list-of", schema.list_of.as_ref()),
        (".gettext-domain", domain),
    ] {
        if let Some(text) = text {
            table.insert_hidden(name, variant(Kind::String, Value::Text(text.clone())));
        }
    }
    table
}

fn variant(kind: Kind, value: Value) -> Vec<u8> {
    Value::Variant(Box::new((kind, value))).to_bytes(&Kind::Variant)
}

#[cfg(test)]
mod tests;
