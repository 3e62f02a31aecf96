use std::ops::Range;

use crate::json::{Member, Node, Value};
use crate::schema::{Key, Kind, Shape};

/// An object, read as Ignition reads it: upper and lower case of keys do not matter, the last of
/// several counts, `null` is nothing, and keys of later versions are not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) span: &'a Range<usize>,
    members: &'a [Member],
    shape: &'static Shape,
    minor: u8,
}

/// A value with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<'a, T> {
    pub(crate) value: T,
    pub(crate) span: &'a Range<usize>,
}

impl<'a> Fields<'a> {
    /// Takes an object for what its shape says; what is no object has no keys.
    pub(crate) fn new(node: &'a Node, shape: &'static Shape, minor: u8) -> Self {
        let members = match &node.value {
            Value::Object(members) => members.as_slice(),
            _ => &[],
        };
        Self { span: &node.span, members, shape, minor }
    }

    /// Returns the key that a name stands for.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        let keys = self.shape.keys.iter();
        keys.clone()
            .find(|key| key.name == name)
            .or_else(|| keys.clone().find(|key| key.name.eq_ignore_ascii_case(name)))
    }

    pub(crate) fn members(&self) -> &'a [Member] {
        self.members
    }

    fn find(&self, name: &str) -> Option<(&'a Node, &'static Kind)> {
        let key = self.shape.keys.iter().find(|key| key.name == name)?;
        let mut found = self.members.iter().rev();
        let member = found.find(|member| member.key.eq_ignore_ascii_case(name))?;
        let there = key.since <= self.minor && member.node.value != Value::Null;
        there.then_some((&member.node, &key.kind))
    }

    /// Returns the place of a key's value, or of the whole object.
    pub(crate) fn place(&self, name: &str) -> &'a Range<usize> {
        self.find(name).map_or(self.span, |(node, _)| &node.span)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Option<Located<'a, &'a str>> {
        self.find(name).and_then(|(node, _)| text(node))
    }

    /// Returns a text that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<Located<'a, &'a str>> {
        self.text(name).filter(|text| !text.value.is_empty())
    }

    pub(crate) fn integer(&self, name: &str) -> Option<Located<'a, i64>> {
        match self.find(name) {
            Some((Node { span, value: Value::Number(Some(value)) }, _)) => {
                Some(Located { value: *value, span })
            }
            _ => None,
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.find(name) {
            Some((Node { value: Value::Flag(value), .. }, _)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        match self.find(name)? {
            (node, Kind::Object(shape)) if matches!(node.value, Value::Object(_)) => {
                Some(Self::new(node, shape, self.minor))
            }
            _ => None,
        }
    }

    fn items(&self, name: &str) -> &'a [Node] {
        match self.find(name) {
            Some((Node { value: Value::List(items), .. }, _)) => items,
            _ => &[],
        }
    }

    /// Returns the objects of a list; `null` in it is an object without keys.
    pub(crate) fn objects(&self, name: &str) -> impl Iterator<Item = Self> + Clone + use<'a> {
        let shape = match self.find(name) {
            Some((_, Kind::List(Kind::Object(shape), _))) => Some(*shape),
            _ => None,
        };
        let minor = self.minor;
        let sound = |node: &&Node| matches!(node.value, Value::Object(_) | Value::Null);
        let items = self.items(name).iter().filter(sound);
        items.filter_map(move |node| Some(Self::new(node, shape?, minor)))
    }

    /// Returns the texts of a list.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = Located<'a, &'a str>> + use<'a> {
        self.items(name).iter().filter_map(text)
    }
}

fn text(node: &Node) -> Option<Located<'_, &str>> {
    match node {
        Node { span, value: Value::Text(value) } => Some(Located { value, span }),
        _ => None,
    }
}
