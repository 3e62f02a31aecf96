use std::ops::Range;

/// A value and the bytes of the text that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<Member>),
}

/// A text, which may stand for something else.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Whether it is written without quotes, so that it may be a number, a flag or nothing.
    pub(crate) plain: bool,
}

/// One key of a mapping, with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// Returns the members of a mapping; what is none has none.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Mapping(members) => members,
            _ => &[],
        }
    }

    /// Returns a key of a mapping with its value.
    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    /// Returns what messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}
