use toml::de::DeValue;

use crate::decode::{Decode, Node};
use crate::report::Report;
use crate::source::{At, Located};
use crate::table::{Entry, Onto, Supersede, Table};

/// The value of an entry that has only one, or the removal of the inherited entry.
#[derive(Debug)]
pub(crate) enum OrRemove<T> {
    /// The value.
    Value(T),
    /// The inherited entry is taken out; the place of the `true`.
    Remove(At),
}

impl<T> OrRemove<T> {
    /// Returns the value of an entry of a merged table, where no removal is left.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Remove(_) => None,
        }
    }
}

impl<T: Decode> Decode for OrRemove<T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        if !matches!(node.value.get_ref(), DeValue::Table(_)) {
            return T::decode(node, report).map(Self::Value);
        }
        let mut table = Table::open(node, report)?;
        let remove: Option<Located<bool>> = table.take("remove", report);
        table.finish(report);
        let remove = remove.filter(|remove| remove.value);
        if remove.is_none() {
            let error = node.at().error(format!("`{}` has no value", node.key));
            report.push(error.expected("a string or { remove = true }"));
        }
        Some(Self::Remove(remove?.at))
    }
}

impl<T> Onto for OrRemove<T> {}
impl<T> Supersede for OrRemove<T> {}

impl<T> Entry for OrRemove<T> {
    fn removal(&self) -> Option<&At> {
        match self {
            Self::Value(_) => None,
            Self::Remove(at) => Some(at),
        }
    }

    fn says_more(&self) -> bool {
        false
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OrRemove<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{} or removal", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({
            "anyOf": [
                value,
                {
                    "type": "object",
                    "properties": { "remove": { "const": true } },
                    "required": ["remove"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
