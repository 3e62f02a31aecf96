use std::collections::BTreeMap;
use std::ops::Range;

/// A value of JSON, and the bytes of the YAML that caused it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json {
    pub(crate) span: Range<usize>,
    pub(crate) value: JsonValue,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonValue {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Json>),
    Object(Object),
}

/// The keys of an object, in the order they are written in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object {
    members: Vec<JsonMember>,
}

/// One key of an object, with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonMember {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Json,
}

/// Where what stands in the JSON comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// By the byte at which a key or value begins in the JSON, the bytes of the YAML.
    starts: BTreeMap<usize, Range<usize>>,
}

impl Places {
    /// Returns the bytes of the YAML that caused the key or value at a byte of the JSON, or what it
    /// stands in.
    pub fn of(&self, json_start: usize) -> Range<usize> {
        let mut before = self.starts.range(..=json_start);
        before.next_back().map_or(0..0, |(_, span)| span.clone())
    }
}

impl Json {
    pub(crate) fn text(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { span, value: JsonValue::Text(text.into()) }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        match &self.value {
            JsonValue::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_object_mut(&mut self) -> Option<&mut Object> {
        match &mut self.value {
            JsonValue::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Tells whether it is a list or an object without anything in it.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            JsonValue::List(items) => items.is_empty(),
            JsonValue::Object(object) => object.members.is_empty(),
            _ => false,
        }
    }
}

impl Object {
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.members.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let mut members = self.members.iter_mut();
        members.find(|member| member.key == key).map(|member| &mut member.value)
    }

    /// Returns the text of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::as_text)
    }

    /// Returns the text of a key, unless it is empty.
    pub(crate) fn filled(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// Returns the items of a list.
    pub(crate) fn list(&self, key: &str) -> &[Json] {
        match self.get(key).map(|json| &json.value) {
            Some(JsonValue::List(items)) => items,
            _ => &[],
        }
    }

    /// Returns the items of a list, which is made if there is none.
    pub(crate) fn list_mut(&mut self, key: &str, span: &Range<usize>) -> &mut Vec<Json> {
        let list = || Json { span: span.clone(), value: JsonValue::List(Vec::new()) };
        match &mut self.entry(key, span, list).value {
            JsonValue::List(items) => items,
            other => {
                *other = JsonValue::List(Vec::new());
                let JsonValue::List(items) = other else { unreachable!("it was just made one") };
                items
            }
        }
    }

    /// Returns the object of a key, which is made if there is none.
    pub(crate) fn object_mut(&mut self, key: &str, span: &Range<usize>) -> &mut Self {
        let object = || Json { span: span.clone(), value: JsonValue::Object(Self::default()) };
        match &mut self.entry(key, span, object).value {
            JsonValue::Object(object) => object,
            other => {
                *other = JsonValue::Object(Self::default());
                let JsonValue::Object(object) = other else { unreachable!("it was just made one") };
                object
            }
        }
    }

    fn entry(&mut self, key: &str, span: &Range<usize>, make: impl FnOnce() -> Json) -> &mut Json {
        let found = self.members.iter().position(|member| member.key == key);
        let at = found.unwrap_or_else(|| {
            self.push(key, span.clone(), make());
            self.members.len() - 1
        });
        &mut self.members[at].value
    }

    /// Adds a key that is not there.
    pub(crate) fn push(&mut self, key: &str, key_span: Range<usize>, value: Json) {
        self.members.push(JsonMember { key: key.to_owned(), key_span, value });
    }

    /// Puts a value in the place of one, or adds it; both come from `span`.
    pub(crate) fn set(&mut self, key: &str, span: &Range<usize>, value: JsonValue) {
        let json = Json { span: span.clone(), value };
        match self.get_mut(key) {
            Some(there) => *there = json,
            None => self.push(key, span.clone(), json),
        }
    }

    /// Adds a value that comes from `span`, unless the key is there.
    pub(crate) fn add(&mut self, key: &str, span: &Range<usize>, value: JsonValue) {
        if self.get(key).is_none() {
            self.set(key, span, value);
        }
    }

    /// Puts a key before all others.
    pub(crate) fn put_first(&mut self, key: &str) {
        if let Some(at) = self.members.iter().position(|member| member.key == key) {
            self.members[..=at].rotate_right(1);
        }
    }
}

/// Writes a value, and says where what stands in it comes from.
pub(crate) fn write(root: &Json, pretty: bool) -> (String, Places) {
    let mut writer = Writer { text: String::new(), places: Places::default(), pretty, depth: 0 };
    writer.value(root);
    writer.text.push('\n');
    (writer.text, writer.places)
}

struct Writer {
    text: String,
    places: Places,
    pretty: bool,
    depth: usize,
}

impl Writer {
    fn mark(&mut self, span: &Range<usize>) {
        self.places.starts.insert(self.text.len(), span.clone());
    }

    fn value(&mut self, json: &Json) {
        self.mark(&json.span);
        match &json.value {
            JsonValue::Text(text) => self.string(text),
            JsonValue::Integer(number) => self.text.push_str(&number.to_string()),
            JsonValue::Flag(flag) => self.text.push_str(if *flag { "true" } else { "false" }),
            JsonValue::List(items) => self.nested(['[', ']'], items, Self::value),
            JsonValue::Object(object) => {
                self.nested(['{', '}'], &object.members, |writer, member| {
                    writer.mark(&member.key_span);
                    writer.string(&member.key);
                    writer.text.push(':');
                    if writer.pretty {
                        writer.text.push(' ');
                    }
                    writer.value(&member.value);
                });
            }
        }
    }

    fn nested<T>(&mut self, [begin, end]: [char; 2], items: &[T], write: fn(&mut Self, &T)) {
        self.text.push(begin);
        self.depth += 1;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            self.line();
            write(self, item);
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.line();
        }
        self.text.push(end);
    }

    fn line(&mut self) {
        if self.pretty {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("  ", self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_in_both_ways_of_writing() {
        let mut object = Object::default();
        object.push("a", 1..2, Json::text(3..4, "x\n\""));
        object.list_mut("b", &(5..6)).push(Json { span: 7..8, value: JsonValue::Integer(-1) });
        object.set("c", &(9..10), JsonValue::Flag(true));
        object.put_first("c");
        let root = Json { span: 0..99, value: JsonValue::Object(object) };
        let (compact, places) = write(&root, false);
        assert_eq!(compact, "{\"c\":true,\"a\":\"x\\n\\\"\",\"b\":[-1]}\n");
        assert_eq!(places.of(0), 0..99);
        assert_eq!(places.of(compact.find("\"a\"").unwrap()), 1..2);
        let (pretty, places) = write(&root, true);
        assert!(pretty.contains("\n  \"b\": [\n    -1\n  ]\n}"), "{pretty}");
        assert_eq!(places.of(pretty.find("-1").unwrap()), 7..8);
        assert_eq!(places.of(pretty.find("true").unwrap()), 9..10);
    }
}
