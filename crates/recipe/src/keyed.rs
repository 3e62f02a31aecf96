use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use toml::de::DeValue;

use crate::decode::{Decode, Node, Word, parse_word};
use crate::report::Report;
use crate::source::{At, Located};
use crate::table::{Entry, Onto, join};
use flagstone_artifact::did_you_mean;

/// A table whose keys are the user's own words; each entry's place is that of its key.
#[derive(Debug)]
pub(crate) struct Keyed<K, V>(pub(crate) BTreeMap<K, Located<V>>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Word + Ord, V: Decode> Decode for Keyed<K, V> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let Some(table) = node.value.get_ref().as_table() else {
            node.wrong_type("a table", report);
            return None;
        };
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let source = node.source;
            let at = At { source: Arc::clone(source), span: key.span() };
            if let Some((dotted, span)) = unquoted::<K>(name, value.get_ref(), key.span().start) {
                let at = At { source: Arc::clone(source), span };
                let error = at.error(format!("`{name}` is not a key of [{}]", node.key));
                report.push(error.hint(format!("quote a key with dots: \"{dotted}\"")));
                continue;
            }
            let key_name = join(&node.key, name);
            let inner = Node { source, value, key_span: key.span(), key: key_name };
            let word = parse_word(name, &at, report);
            let value = V::decode(&inner, report);
            if let (Some(word), Some(value)) = (word, value) {
                entries.insert(word, Located { value, at });
            }
        }
        Some(Self(entries))
    }
}

/// Recognises a key with dots that lacks its quotes (`[units.ssh.service]`), which TOML takes as
/// tables in tables: returns what was meant, and the place.
fn unquoted<K: Word>(
    name: &str,
    value: &DeValue<'_>,
    start: usize,
) -> Option<(String, std::ops::Range<usize>)> {
    if name.parse::<K>().is_ok() {
        return None;
    }
    let (mut dotted, mut table, mut found) = (name.to_owned(), value.as_table()?, None);
    // No path of more words than this is worth a hint.
    for _ in 0..8 {
        let Some((key, inner)) = table.iter().find(|(key, _)| key.get_ref() != "remove") else {
            break;
        };
        dotted = format!("{dotted}.{}", key.get_ref());
        // The longest that is a key: `net.ipv4.ip_forward`, not `net.ipv4`.
        if dotted.parse::<K>().is_ok() {
            found = Some((dotted.clone(), start..key.span().end));
        }
        let Some(next) = inner.get_ref().as_table() else { break };
        table = next;
    }
    found
}

impl<K: Ord + Display, V: Entry> Onto for Keyed<K, V> {
    fn onto(self, base: Option<Self>, report: &mut Report) -> Self {
        let mut merged = base.unwrap_or_default().0;
        for (key, Located { value, at }) in self.0 {
            match value.removal() {
                Some(removal) if value.says_more() => {
                    report.push(removal.error("`remove` stands alone").hint(format!(
                        "to replace the entry `{key}`, give its keys anew without `remove`"
                    )));
                }
                Some(_) => {
                    if merged.remove(&key).is_none() {
                        refuse_removal(&key, &at, &merged, report);
                    }
                }
                None => {
                    let mut base = merged.remove(&key).map(|base| base.value);
                    if let Some(base) = &mut base {
                        value.supersede(base);
                    }
                    let value = value.onto(base, report);
                    merged.insert(key, Located { value, at });
                }
            }
        }
        Self(merged)
    }
}

fn refuse_removal<K: Display, V>(
    key: &K,
    at: &At,
    entries: &BTreeMap<K, Located<V>>,
    report: &mut Report,
) {
    let gone = key.to_string();
    let keys: Vec<String> = entries.keys().map(ToString::to_string).collect();
    report.push(
        at.error(format!("cannot remove `{gone}`: the extended recipe does not have it"))
            .maybe_hint(did_you_mean(&gone, keys.iter().map(String::as_str))),
    );
}

#[cfg(test)]
impl<K, V: schemars::JsonSchema> schemars::JsonSchema for Keyed<K, V>
where
    K: schemars::JsonSchema,
{
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Entries of {}", V::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = K::json_schema(generator).get("pattern").cloned();
        let value = generator.subschema_for::<V>();
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "pattern": pattern },
            "additionalProperties": value,
        })
    }
}
