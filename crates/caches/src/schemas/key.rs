use super::words::Words;
use crate::glib_table::GlibTable;
use crate::gvariant::{Kind, Value, parse};

/// What a schema has under a name.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Another schema, by its id.
    Child(String),
    Key(Box<Key>),
}

/// What the strings of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Plain,
    Enumeration,
    Flags,
}

/// The translation of a default: the category of the locale that it depends on, and what
/// distinguishes equal texts.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    /// `m` for messages, `t` for time.
    pub(super) category: u8,
    pub(super) context: Option<String>,
}

/// A setting: its type, its default and what it accepts.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) sort: Sort,
    pub(super) words: Words,
    pub(super) range: Option<(Value, Value)>,
    pub(super) has_choices: bool,
    pub(super) has_aliases: bool,
    /// Whether it only changes the default that an extended schema gives.
    pub(super) is_override: bool,
    pub(super) translation: Option<Translation>,
    pub(super) default: Option<Value>,
    /// The default as it is written, which is what translators see.
    text: String,
    for_desktops: Option<GlibTable<Value>>,
}

impl Key {
    pub(super) fn new(kind: Kind, sort: Sort, words: Words) -> Self {
        Self {
            kind,
            sort,
            words,
            range: None,
            has_choices: false,
            has_aliases: false,
            is_override: false,
            translation: None,
            default: None,
            text: String::new(),
            for_desktops: None,
        }
    }

    /// Returns a key with another default, to be set.
    pub(super) fn overridden(&self) -> Self {
        let mut key = Self::new(self.kind.clone(), self.sort, self.words.clone());
        key.range.clone_from(&self.range);
        key.is_override = true;
        key
    }

    pub(super) fn is_translated(&self) -> bool {
        self.translation.is_some()
    }

    pub(super) fn set_default(&mut self, text: &str) -> Result<(), &'static str> {
        let value = parse(&self.kind, text).ok_or("a default is no value of the key's type")?;
        text.clone_into(&mut self.text);
        self.default = Some(value);
        self.check_default()
    }

    pub(super) fn set_range(
        &mut self,
        min: Option<&str>,
        max: Option<&str>,
    ) -> Result<(), &'static str> {
        if self.range.is_some() {
            return Err("a key has two ranges");
        }
        let (least, greatest) = limits(&self.kind).ok_or("a key that is no number has a range")?;
        let bound = |text: Option<&str>, limit: &str| {
            parse(&self.kind, text.unwrap_or(limit)).ok_or("a range has a bound that is no number")
        };
        let (min, max) = (bound(min, least)?, bound(max, greatest)?);
        if min.compare(&max).is_some_and(std::cmp::Ordering::is_gt) {
            return Err("a range ends before it begins");
        }
        self.range = Some((min, max));
        self.check_default()
    }

    /// Checks the default against what is known of the key by now.
    pub(super) fn check_default(&self) -> Result<(), &'static str> {
        match &self.default {
            Some(value) if !self.accepts(value) => {
                Err("a default is not among the values that its key accepts")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn accepts(&self, value: &Value) -> bool {
        match &self.range {
            Some((min, max)) => {
                !value.compare(min).is_some_and(std::cmp::Ordering::is_lt)
                    && !value.compare(max).is_some_and(std::cmp::Ordering::is_gt)
            }
            None => self.words.is_empty() || self.accepts_strings(value),
        }
    }

    fn accepts_strings(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) => self.words.accepts(text),
            Value::Array(values) => values.iter().all(|value| self.accepts_strings(value)),
            Value::Maybe(value) => value.iter().all(|value| self.accepts_strings(value)),
            _ => false,
        }
    }

    /// Replaces the default on all desktops, or on one.
    pub(super) fn replace_default(&mut self, desktop: Option<&str>, value: Value) {
        match desktop {
            None => self.default = Some(value),
            Some(desktop) => {
                self.for_desktops.get_or_insert_with(GlibTable::new).insert(desktop, value);
            }
        }
    }

    /// Returns what the file has of the key: a tuple of its default and of what else there is, each
    /// marked by a letter.
    pub(super) fn record(&self) -> (Kind, Value) {
        let mut parts = Vec::new();
        if let Some(translation) = &self.translation {
            let text = self.text.trim_matches(crate::is_blank);
            let text = match &translation.context {
                Some(context) => format!("{context}\u{4}{text}"),
                None => text.to_owned(),
            };
            let kind = Kind::Tuple(vec![Kind::Byte, Kind::String]);
            let value = Value::Tuple(vec![Value::Byte(translation.category), Value::Text(text)]);
            parts.push((b'l', kind, value));
        }
        if !self.words.is_empty() {
            let letter = match self.sort {
                Sort::Plain => b'c',
                Sort::Enumeration => b'e',
                Sort::Flags => b'f',
            };
            let words = self.words.to_words().into_iter().map(Value::Uint32).collect();
            parts.push((letter, Kind::Array(Box::new(Kind::Uint32)), Value::Array(words)));
        }
        if let Some((min, max)) = &self.range {
            let kind = Kind::Tuple(vec![self.kind.clone(), self.kind.clone()]);
            parts.push((b'r', kind, Value::Tuple(vec![min.clone(), max.clone()])));
        }
        if let Some(desktops) = &self.for_desktops {
            let entries = desktops.iter().map(|(desktop, value)| {
                let value = Value::Variant(Box::new((self.kind.clone(), value.clone())));
                Value::Tuple(vec![Value::Text(desktop.to_owned()), value])
            });
            let entry = Kind::Entry(Box::new(Kind::String), Box::new(Kind::Variant));
            parts.push((b'd', Kind::Array(Box::new(entry)), Value::Array(entries.collect())));
        }
        // Sources refuse keys without a default.
        let default = self.default.clone().unwrap_or(Value::Tuple(Vec::new()));
        let (mut kinds, mut values) = (vec![self.kind.clone()], vec![default]);
        for (letter, kind, value) in parts {
            kinds.push(Kind::Tuple(vec![Kind::Byte, kind]));
            values.push(Value::Tuple(vec![Value::Byte(letter), value]));
        }
        (Kind::Tuple(kinds), Value::Tuple(values))
    }
}

/// Returns the least and the greatest number of a type, for ranges that are open.
fn limits(kind: &Kind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        Kind::Byte => ("0", "255"),
        Kind::Int16 => ("-32768", "32767"),
        Kind::Uint16 => ("0", "65535"),
        Kind::Int32 => ("-2147483648", "2147483647"),
        Kind::Uint32 => ("0", "4294967295"),
        Kind::Int64 => ("-9223372036854775808", "9223372036854775807"),
        Kind::Uint64 => ("0", "18446744073709551615"),
        Kind::Double => ("-inf", "inf"),
        _ => return None,
    })
}
