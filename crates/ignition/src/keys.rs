//! Keys and types, by the schema.

use std::collections::BTreeMap;

use flagstone_artifact::{did_you_mean, quote};

use crate::fields::Fields;
use crate::json::{Node, Value};
use crate::report::{Collector, Problem};
use crate::schema::{Kind, Shape, Unique};
use crate::version::VERSIONS;

/// Checks a value against what it should be, with all within it.
pub(crate) fn check(node: &Node, kind: &Kind, minor: u8, out: &mut Collector<'_>) {
    match (kind, &node.value) {
        (_, Value::Null)
        | (Kind::Text, Value::Text(_))
        | (Kind::Integer, Value::Number(Some(_)))
        | (Kind::Flag, Value::Flag(_)) => {}
        (Kind::Object(shape), Value::Object(_)) => object(node, shape, minor, out),
        (Kind::List(of, unique), Value::List(items)) => {
            for item in items {
                check(item, of, minor, out);
            }
            repeated(items, of, unique, minor, out);
        }
        (_, value) => {
            let problem = Problem::refused(&node.span, "the value is of the wrong type");
            let hint = match (kind, value) {
                (Kind::List(..), _) => Some("write it in [ ]"),
                (Kind::Integer, Value::Text(_)) => Some("write it without quotes, in decimal"),
                (Kind::Flag, Value::Text(_)) => Some("write it without quotes"),
                (Kind::Text, _) => Some("write it in quotes"),
                _ => None,
            };
            let problem = problem.expected(kind.name()).found(value.kind());
            out.add(problem.maybe_hint(hint.map(str::to_owned)));
        }
    }
}

fn object(node: &Node, shape: &'static Shape, minor: u8, out: &mut Collector<'_>) {
    let fields = Fields::new(node, shape, minor);
    for member in fields.members() {
        let Some(key) = fields.key(&member.key) else {
            let names = shape.keys.iter().map(|key| key.name);
            let what = format!("unknown key {} {}", quote(&member.key), shape.place);
            let hint = did_you_mean(&member.key, names.clone())
                .unwrap_or_else(|| format!("known are {}", names.collect::<Vec<_>>().join(", ")));
            out.add(
                Problem::doubtful(&member.key_span, format!("{what}: Ignition ignores it"))
                    .hint(hint),
            );
            continue;
        };
        if key.since > minor {
            let came = VERSIONS[usize::from(key.since)];
            let stated = VERSIONS[usize::from(minor)];
            let message =
                format!("`{}` is ignored by version {stated}; it came with {came}", key.name);
            let hint = format!("state version {came} or later");
            out.add(Problem::doubtful(&member.key_span, message).hint(hint));
            continue;
        }
        if key.name != member.key {
            let message = format!("the key {} is in other letters", quote(&member.key));
            out.add(
                Problem::doubtful(&member.key_span, message).expected(format!("`{}`", key.name)),
            );
        }
        check(&member.node, &key.kind, minor, out);
    }
}

/// Finds items that are alike; each but the first is refused.
fn repeated(items: &[Node], of: &Kind, unique: &Unique, minor: u8, out: &mut Collector<'_>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        let (text, span) = match (unique, of, &item.value) {
            (Unique::Item, _, Value::Text(text)) => (text.as_str(), &item.span),
            (Unique::Item, _, Value::Null) => ("", &item.span),
            (Unique::Key(key), Kind::Object(shape), Value::Object(_) | Value::Null) => {
                let fields = Fields::new(item, shape, minor);
                (fields.text(key).map_or("", |text| text.value), fields.place(key))
            }
            _ => continue,
        };
        if seen.insert(text, span.start).is_some() {
            out.add(Problem::refused(span, format!("{} is there twice", quote(text))));
        }
    }
}
