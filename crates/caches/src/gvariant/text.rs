//! The text form of values (GLib, "GVariant Text Format").

mod scan;

use super::shape::Shape;
use super::{Kind, MAX_DEPTH, Value};
use crate::integer;
use scan::Scanner;

/// Parses a value of a known kind; `None` if the text is no such value.
pub(crate) fn parse(kind: &Kind, text: &str) -> Option<Value> {
    let mut scanner = Scanner::new(text);
    let node = Node::read(&mut scanner, MAX_DEPTH)?;
    scanner.is_at_end().then(|| node.value(kind))?
}

/// A value as it is written, before its kind is known.
#[derive(Clone, Debug)]
enum Node {
    Boolean(bool),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Variant(Box<Self>),
    Maybe(Option<Box<Self>>),
    Array(Vec<Self>),
    Tuple(Vec<Self>),
    Dictionary(Vec<(Self, Self)>),
    Entry(Box<(Self, Self)>),
    Declared(Kind, Box<Self>),
}

/// The words that declare the type of the value after them.
const TYPE_WORDS: [(&str, Kind); 13] = [
    ("boolean", Kind::Boolean),
    ("byte", Kind::Byte),
    ("int16", Kind::Int16),
    ("uint16", Kind::Uint16),
    ("int32", Kind::Int32),
    ("handle", Kind::Handle),
    ("uint32", Kind::Uint32),
    ("int64", Kind::Int64),
    ("uint64", Kind::Uint64),
    ("double", Kind::Double),
    ("string", Kind::String),
    ("objectpath", Kind::ObjectPath),
    ("signature", Kind::Signature),
];

impl Node {
    fn read(scanner: &mut Scanner<'_>, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let token = scanner.next()?;
        let inner = |scanner: &mut Scanner<'_>| Self::read(scanner, depth);
        match token {
            "[" => Self::read_list(scanner, "]", inner).map(Self::Array),
            "(" => Self::read_tuple(scanner, inner),
            "<" => {
                let value = inner(scanner)?;
                scanner.expect(">")?;
                Some(Self::Variant(Box::new(value)))
            }
            "{" => Self::read_dictionary(scanner, inner),
            "true" | "false" => Some(Self::Boolean(token == "true")),
            "nothing" => Some(Self::Maybe(None)),
            "just" => Some(Self::Maybe(Some(Box::new(inner(scanner)?)))),
            "inf" | "nan" => Some(Self::Number(token.to_owned())),
            _ => match token.as_bytes() {
                [b'\'' | b'"', ..] => scan::unquote(token).map(Self::Text),
                [b'b', b'\'' | b'"', ..] => scan::unquote_bytes(&token[1..]).map(Self::Bytes),
                [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => Some(Self::Number(token.to_owned())),
                [b'@', ..] => {
                    let kind = Kind::parse(&token[1..])?;
                    Some(Self::Declared(kind, Box::new(inner(scanner)?)))
                }
                _ => {
                    let (_, kind) = TYPE_WORDS.iter().find(|(word, _)| *word == token)?;
                    Some(Self::Declared(kind.clone(), Box::new(inner(scanner)?)))
                }
            },
        }
    }

    /// Reads values up to a closing bracket, with commas between them.
    fn read_list<'a>(
        scanner: &mut Scanner<'a>,
        end: &str,
        mut inner: impl FnMut(&mut Scanner<'a>) -> Option<Self>,
    ) -> Option<Vec<Self>> {
        let mut values = Vec::new();
        while !scanner.take(end) {
            if !values.is_empty() {
                scanner.expect(",")?;
            }
            values.push(inner(scanner)?);
        }
        Some(values)
    }

    /// Reads a tuple, in which a comma must follow the first value even if there is no second.
    fn read_tuple<'a>(
        scanner: &mut Scanner<'a>,
        mut inner: impl FnMut(&mut Scanner<'a>) -> Option<Self>,
    ) -> Option<Self> {
        if scanner.take(")") {
            return Some(Self::Tuple(Vec::new()));
        }
        let mut values = vec![inner(scanner)?];
        scanner.expect(",")?;
        values.extend(Self::read_list(scanner, ")", inner)?);
        Some(Self::Tuple(values))
    }

    fn read_dictionary<'a>(
        scanner: &mut Scanner<'a>,
        mut inner: impl FnMut(&mut Scanner<'a>) -> Option<Self>,
    ) -> Option<Self> {
        if scanner.take("}") {
            return Some(Self::Dictionary(Vec::new()));
        }
        let key = inner(scanner)?;
        if scanner.take(",") {
            let value = inner(scanner)?;
            scanner.expect("}")?;
            return Some(Self::Entry(Box::new((key, value))));
        }
        scanner.expect(":")?;
        let mut entries = vec![(key, inner(scanner)?)];
        while !scanner.take("}") {
            scanner.expect(",")?;
            let key = inner(scanner)?;
            scanner.expect(":")?;
            entries.push((key, inner(scanner)?));
        }
        Some(Self::Dictionary(entries))
    }

    /// Returns the value that this is as one of a kind.
    fn value(&self, kind: &Kind) -> Option<Value> {
        match (self, kind) {
            (Self::Declared(_, inner), _) => inner.value(kind),
            (Self::Maybe(value), Kind::Maybe(element)) => match value {
                None => Some(Value::Maybe(None)),
                Some(value) => value.value(element).map(just),
            },
            // What need not be a maybe may be one all the same.
            (_, Kind::Maybe(element)) => self.value(element).map(just),
            (Self::Boolean(value), Kind::Boolean) => Some(Value::Boolean(*value)),
            (Self::Number(token), _) => number(token, kind),
            (Self::Text(text), Kind::String) => Some(Value::Text(text.clone())),
            (Self::Text(text), Kind::ObjectPath) => {
                is_object_path(text).then(|| Value::Text(text.clone()))
            }
            (Self::Text(text), Kind::Signature) => {
                Kind::parse_all(text).map(|_| Value::Text(text.clone()))
            }
            (Self::Bytes(bytes), Kind::Array(element)) if **element == Kind::Byte => {
                let ended = bytes.iter().copied().chain([0]);
                Some(Value::Array(ended.map(Value::Byte).collect()))
            }
            (Self::Variant(inner), Kind::Variant) => {
                let kind = inner.shape()?.settle()?;
                let value = inner.value(&kind)?;
                Some(Value::Variant(Box::new((kind, value))))
            }
            (Self::Array(values), Kind::Array(element)) => {
                let values = values.iter().map(|value| value.value(element));
                values.collect::<Option<_>>().map(Value::Array)
            }
            (Self::Tuple(values), Kind::Tuple(kinds)) if values.len() == kinds.len() => {
                let values = values.iter().zip(kinds).map(|(value, kind)| value.value(kind));
                values.collect::<Option<_>>().map(Value::Tuple)
            }
            (Self::Dictionary(entries), Kind::Array(element)) => {
                let Kind::Entry(key, value) = &**element else { return None };
                let entries = entries.iter().map(|entry| {
                    Some(Value::Tuple(vec![entry.0.value(key)?, entry.1.value(value)?]))
                });
                entries.collect::<Option<_>>().map(Value::Array)
            }
            (Self::Entry(entry), Kind::Entry(key, value)) => {
                Some(Value::Tuple(vec![entry.0.value(key)?, entry.1.value(value)?]))
            }
            _ => None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        let shape = match self {
            Self::Declared(kind, _) => return Some(Shape::of(kind)),
            Self::Maybe(None) => return Some(Shape::Maybe(Box::new(Shape::Any))),
            Self::Maybe(Some(value)) => return Some(Shape::Maybe(Box::new(value.shape()?))),
            Self::Boolean(_) => Shape::Plain(Kind::Boolean),
            Self::Number(token) if is_floating(token) => Shape::Plain(Kind::Double),
            Self::Number(_) => Shape::Number,
            Self::Text(_) => Shape::Text,
            Self::Bytes(_) => Shape::Array(Box::new(Shape::Plain(Kind::Byte))),
            Self::Variant(_) => Shape::Plain(Kind::Variant),
            Self::Array(values) => Shape::Array(Box::new(common(values.iter())?)),
            Self::Tuple(values) => {
                Shape::Tuple(values.iter().map(Self::shape).collect::<Option<_>>()?)
            }
            Self::Dictionary(entries) => {
                let Some((_, first)) = entries.first() else {
                    let entry = Shape::Entry(Box::new(Shape::Any), Box::new(Shape::Any));
                    return Some(Shape::Array(Box::new(entry)).loose());
                };
                let key = basic(common(entries.iter().map(|(key, _)| key))?)?;
                // The first value's type is that of all.
                let entry = Shape::Entry(Box::new(key), Box::new(first.shape()?));
                Shape::Array(Box::new(entry))
            }
            Self::Entry(entry) => {
                let key = basic(entry.0.shape()?)?;
                Shape::Entry(Box::new(key), Box::new(entry.1.shape()?))
            }
        };
        Some(shape.loose())
    }
}

fn just(value: Value) -> Value {
    Value::Maybe(Some(Box::new(value)))
}

/// Returns the shape that all nodes have in common.
fn common<'a>(mut nodes: impl Iterator<Item = &'a Node>) -> Option<Shape> {
    nodes.try_fold(Shape::Any, |all, node| all.unify(node.shape()?))
}

/// Returns the shape of a dictionary's key, which is never a maybe.
fn basic(key: Shape) -> Option<Shape> {
    let key = match key {
        Shape::Loose(inner) => *inner,
        key => key,
    };
    let is_basic = match &key {
        Shape::Number | Shape::Text => true,
        Shape::Plain(kind) => kind.is_basic(),
        _ => false,
    };
    is_basic.then_some(key)
}

fn is_floating(token: &str) -> bool {
    token.contains('.')
        || (!token.starts_with("0x") && token.contains('e'))
        || token.contains("inf")
        || token.contains("nan")
}

fn number(token: &str, kind: &Kind) -> Option<Value> {
    if *kind == Kind::Double {
        let value = match token.strip_prefix("0x") {
            Some(_) => u32::try_from(integer::parse(token)?).ok().map(f64::from)?,
            None => token.parse::<f64>().ok()?,
        };
        let overflown = value.is_infinite() && !token.contains("inf");
        return (!overflown).then_some(Value::Double(value));
    }
    let value = integer::parse(token)?;
    match kind {
        Kind::Byte => value.try_into().ok().map(Value::Byte),
        Kind::Int16 => value.try_into().ok().map(Value::Int16),
        Kind::Uint16 => value.try_into().ok().map(Value::Uint16),
        Kind::Int32 | Kind::Handle => value.try_into().ok().map(Value::Int32),
        Kind::Uint32 => value.try_into().ok().map(Value::Uint32),
        Kind::Int64 => value.try_into().ok().map(Value::Int64),
        Kind::Uint64 => value.try_into().ok().map(Value::Uint64),
        _ => None,
    }
}

/// Tells whether a text is an object's path (D-Bus specification, "Valid Object Paths").
fn is_object_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    rest.is_empty() || rest.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(text: &str) -> Option<String> {
        match parse(&Kind::Variant, text)? {
            Value::Variant(inner) => Some(inner.0.to_string()),
            _ => None,
        }
    }

    #[test]
    fn types_are_inferred_from_texts() {
        for (text, expected) in [
            ("<1>", "i"),
            ("<1.0>", "d"),
            ("<'x'>", "s"),
            ("<['a', 'b']>", "as"),
            ("<[1, 2.5]>", "ad"),
            ("<@as []>", "as"),
            ("<[1, just 2]>", "ami"),
            ("<{'a': <1>, 'b': <'x'>}>", "a{sv}"),
            ("<(1, 'a', uint32 7)>", "(isu)"),
            ("<[('xkb', 'us')]>", "a(ss)"),
            ("<[objectpath '/a', '/b']>", "ao"),
            ("<b'abc'>", "ay"),
            ("<{'k', true}>", "{sb}"),
        ] {
            assert_eq!(variant(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["<[]>", "<[1, 'a']>", "<nothing>", "<{[1]: 2}>", "<1", "<>", "<{}>"] {
            assert_eq!(variant(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_that_do_not_fit_their_type_are_refused() {
        for (kind, text) in [
            ("y", "256"),
            ("n", "-32769"),
            ("u", "-1"),
            ("i", "08"),
            ("i", "1 2"),
            ("i", "--1"),
            ("i", "1u"),
            ("s", "'a"),
            ("s", "'a\\"),
            ("s", "'\\u0000'"),
            ("s", "'\\ud800'"),
            ("o", "'/a/'"),
            ("g", "'z'"),
            ("(ss)", "('a', 'b', 'c')"),
            ("(s)", "('a')"),
            ("as", "['a' 'b']"),
            ("b", "yes"),
            ("d", "1e999"),
            ("s", ""),
        ] {
            assert_eq!(parse(&Kind::parse(kind).unwrap(), text), None, "{kind} {text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&Kind::String, &deep), None);
    }

    #[test]
    fn numbers_have_cs_forms() {
        assert_eq!(parse(&Kind::Int32, "010"), Some(Value::Int32(8)));
        assert_eq!(parse(&Kind::Int32, " -0x10 "), Some(Value::Int32(-16)));
        assert_eq!(parse(&Kind::Int64, "-9223372036854775808"), Some(Value::Int64(i64::MIN)));
        assert_eq!(parse(&Kind::Uint64, "18446744073709551615"), Some(Value::Uint64(u64::MAX)));
        assert_eq!(parse(&Kind::Double, "-inf"), Some(Value::Double(f64::NEG_INFINITY)));
        assert_eq!(parse(&Kind::Double, ".5"), Some(Value::Double(0.5)));
        assert_eq!(parse(&Kind::Double, "2"), Some(Value::Double(2.0)));
    }
}
