use std::sync::Arc;

use toml::de::DeTable;

use crate::decode::{Decode, Node};
use crate::report::Report;
use crate::source::{At, Located};
use flagstone_artifact::did_you_mean;

/// Reads a table key by key and reports the keys that nobody asked for.
pub(crate) struct Table<'n, 'a> {
    node: &'n Node<'a>,
    entries: &'a DeTable<'a>,
    known: Vec<String>,
}

impl<'n, 'a> Table<'n, 'a> {
    /// Takes a value as a table; another type is reported.
    pub(crate) fn open(node: &'n Node<'a>, report: &mut Report) -> Option<Self> {
        let Some(table) = node.value.get_ref().as_table() else {
            node.wrong_type("a table", report);
            return None;
        };
        Some(Self { node, entries: table, known: Vec::new() })
    }

    /// Reads the value of a field; the key is the field's name with `-` for `_`.
    pub(crate) fn take<T: Decode>(
        &mut self,
        field: &str,
        report: &mut Report,
    ) -> Option<Located<T>> {
        let name = field.replace('_', "-");
        let found = self.entries.get_key_value(name.as_str());
        let decoded = found.and_then(|(key, value)| {
            let source = self.node.source;
            let key_span = key.span();
            let key = join(&self.node.key, &name);
            Node { source, value, key_span, key }.decode(report)
        });
        self.known.push(name);
        decoded
    }

    /// Reports every key that was not taken.
    pub(crate) fn finish(self, report: &mut Report) {
        let known = || self.known.iter().map(String::as_str);
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if known().any(|known| known == name) {
                continue;
            }
            let place = match self.node.key.as_str() {
                "" => "at the top level".to_owned(),
                key => format!("in [{key}]"),
            };
            let at = At { source: Arc::clone(self.node.source), span: key.span() };
            let shown = quote_key(name);
            let error = at.error(format!("unknown key `{shown}` {place}"));
            report.push(match did_you_mean(name, known()) {
                Some(hint) => error.hint(hint),
                None => error.expected(one_of(known())),
            });
        }
    }
}

fn one_of<'k>(known: impl Iterator<Item = &'k str>) -> String {
    let quoted: Vec<String> = known.map(|key| format!("`{key}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        all => format!("one of {}", all.join(", ")),
    }
}

/// Appends a key to the key of its table.
pub(crate) fn join(table: &str, key: &str) -> String {
    let key = quote_key(key);
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

/// Quotes a key that TOML does not take bare.
fn quote_key(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !key.is_empty() && key.bytes().all(bare) {
        return key.to_owned();
    }
    format!("{:?}", crate::decode::shorten(key))
}

/// What a recipe lays over the recipe it extends.
pub(crate) trait Onto: Sized {
    /// Returns this value laid over the one it extends; a scalar replaces it.
    fn onto(self, _base: Option<Self>, _report: &mut Report) -> Self {
        self
    }
}

impl Onto for bool {}
impl Onto for String {}
impl<T: crate::decode::Word> Onto for T {}

/// Lays an optional value over the one it extends.
pub(crate) fn lay<T: Onto>(
    base: Option<Located<T>>,
    value: Option<Located<T>>,
    report: &mut Report,
) -> Option<Located<T>> {
    let Some(Located { value, at }) = value else {
        return base;
    };
    let value = value.onto(base.map(|base| base.value), report);
    Some(Located { value, at })
}

/// What an entry takes out of the entry that it is laid over, where keys exclude each other.
pub(crate) trait Supersede {
    /// Clears the keys of `base` that cannot stand beside those of `self`.
    fn supersede(&self, _base: &mut Self) {}
}

/// An entry of a table whose keys are the user's own words.
pub(crate) trait Entry: Onto + Supersede {
    /// Returns where the entry says that the inherited one is to be taken out.
    fn removal(&self) -> Option<&At>;

    /// Tells whether it says anything else.
    fn says_more(&self) -> bool;
}

/// Declares the keys of a table once: as fields, for the decoder and for the JSON schema.
///
/// A `layer struct` can be laid over another; an `entry struct` can be removed besides.
macro_rules! table {
    (entry $(#[$meta:meta])* struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        table! {
            layer $(#[$meta])* struct $name {
                $($(#[$field_meta])* $field: $type,)*
                /// Takes the entry of the extended recipe out; stands alone.
                remove: bool,
            }
        }

        impl crate::table::Entry for $name {
            fn removal(&self) -> Option<&crate::source::At> {
                self.remove.as_ref().filter(|remove| remove.value).map(|remove| &remove.at)
            }

            fn says_more(&self) -> bool {
                $(self.$field.is_some())||*
            }
        }
    };
    (layer $(#[$meta:meta])* struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        table! {
            $(#[$meta])* struct $name {
                $($(#[$field_meta])* $field: $type,)*
            }
        }

        impl crate::table::Onto for $name {
            fn onto(self, base: Option<Self>, report: &mut crate::report::Report) -> Self {
                let base = base.unwrap_or_default();
                Self { $($field: crate::table::lay(base.$field, self.$field, report),)* }
            }
        }
    };
    ($(#[$meta:meta])* struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        #[cfg_attr(
            test,
            derive(schemars::JsonSchema),
            schemars(rename_all = "kebab-case", deny_unknown_fields)
        )]
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: Option<crate::source::Located<$type>>,)*
        }

        impl crate::decode::Decode for $name {
            fn decode(
                node: &crate::decode::Node<'_>,
                report: &mut crate::report::Report,
            ) -> Option<Self> {
                let mut table = crate::table::Table::open(node, report)?;
                let decoded = Self { $($field: table.take(stringify!($field), report),)* };
                table.finish(report);
                Some(decoded)
            }
        }
    };
}
pub(crate) use table;
