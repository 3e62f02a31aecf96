use std::collections::BTreeMap;
use std::fmt::Display;

use toml::de::DeValue;

use crate::decode::{Decode, Node};
use crate::report::Report;
use crate::source::{At, Located};
use crate::table::{Onto, Table};
use flagstone_artifact::did_you_mean;

/// A list, or what a recipe changes in the list it extends.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(untagged, deny_unknown_fields))]
pub(crate) enum List<T> {
    /// The whole list; only where the extended recipe has none.
    Whole(Vec<Located<T>>),
    /// What changes in the list of the extended recipe.
    Change {
        /// Elements to append; those that are there already stay where they are.
        add: Option<Vec<Located<T>>>,
        /// Elements to take out; each must be there.
        remove: Option<Vec<Located<T>>>,
    },
}

impl<T> List<T> {
    /// Returns the elements of a merged list, in order.
    pub(crate) fn into_items(self) -> Vec<Located<T>> {
        match self {
            Self::Whole(items) => items,
            Self::Change { add, .. } => add.unwrap_or_default(),
        }
    }
}

impl<T: Decode + Display> Decode for List<T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.value.get_ref() {
            DeValue::Array(_) => {
                let items = Vec::decode(node, report)?;
                refuse_repeated(&items, report);
                Some(Self::Whole(items))
            }
            DeValue::Table(_) => {
                let mut table = Table::open(node, report)?;
                let mut items = |key, report: &mut Report| {
                    let items: Option<Vec<Located<T>>> = table.take(key, report).map(|l| l.value);
                    refuse_repeated(items.as_deref().unwrap_or_default(), report);
                    items
                };
                let (add, remove) = (items("add", report), items("remove", report));
                table.finish(report);
                Some(Self::Change { add, remove })
            }
            _ => {
                node.wrong_type("an array, or a table with `add` and `remove`", report);
                None
            }
        }
    }
}

fn refuse_repeated<T: Display>(items: &[Located<T>], report: &mut Report) {
    let mut seen: BTreeMap<String, &At> = BTreeMap::new();
    for item in items {
        let text = item.value.to_string();
        if let Some(first) = seen.get(&text) {
            let place = first.line();
            report.push(
                item.at
                    .error(format!("`{text}` stands twice in the list"))
                    .hint(format!("the first is at {place}; take one out")),
            );
        } else {
            seen.insert(text, &item.at);
        }
    }
}

impl<T: PartialEq + Display> Onto for List<T> {
    fn onto(self, base: Option<Self>, report: &mut Report) -> Self {
        let (add, remove) = match (self, &base) {
            (Self::Whole(items), None) => return Self::Whole(items),
            (Self::Whole(items), Some(_)) => {
                refuse_whole(&items, report);
                (items, Vec::new())
            }
            (Self::Change { add, remove }, _) => {
                (add.unwrap_or_default(), remove.unwrap_or_default())
            }
        };
        let mut items = base.map_or(Vec::new(), Self::into_items);
        for gone in remove {
            if let Some(index) = items.iter().position(|item| item.value == gone.value) {
                items.remove(index);
            } else {
                refuse_removal(&gone, &items, report);
            }
        }
        for new in add {
            if items.iter().all(|item| item.value != new.value) {
                items.push(new);
            }
        }
        Self::Whole(items)
    }
}

fn refuse_whole<T>(items: &[Located<T>], report: &mut Report) {
    // Only an empty list has no place; it changes nothing.
    if let Some(first) = items.first() {
        report.push(
            first
                .at
                .error("the extended recipe has this list already")
                .hint("say what changes: `add = […]`, `remove = […]` in place of the list"),
        );
    }
}

fn refuse_removal<T: Display>(gone: &Located<T>, items: &[Located<T>], report: &mut Report) {
    let gone_text = gone.value.to_string();
    let texts: Vec<String> = items.iter().map(|item| item.value.to_string()).collect();
    report.push(
        gone.at
            .error(format!("cannot remove `{gone_text}`: the extended recipe does not have it"))
            .maybe_hint(did_you_mean(&gone_text, texts.iter().map(String::as_str))),
    );
}
