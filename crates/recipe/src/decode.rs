use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::sync::Arc;

use flagstone_artifact::ParseError;
use toml::Spanned;
use toml::de::DeValue;

use crate::Diagnostic;
use crate::report::Report;
use crate::source::{At, Located, Source};

/// The longest part of a wrong value that a message repeats, in characters.
const SHOWN_TEXT: usize = 60;

/// One value in a file, with the name of its key for messages.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
    /// Where the key stands; the value's own place for an element of an array.
    pub(crate) key_span: Range<usize>,
    /// The key as the user would write it: `image.id`, `files."/etc/motd".mode`.
    pub(crate) key: String,
}

impl Node<'_> {
    /// Returns the place to point at: the value, or for a table the key that opens it.
    pub(crate) fn at(&self) -> At {
        let span = match self.value.get_ref() {
            DeValue::Table(_) => self.key_span.clone(),
            _ => self.value.span(),
        };
        At { source: Arc::clone(self.source), span }
    }

    /// Reads the value as `T` and keeps its place.
    pub(crate) fn decode<T: Decode>(&self, report: &mut Report) -> Option<Located<T>> {
        T::decode(self, report).map(|value| Located { value, at: self.at() })
    }

    /// Reports that the value has another type than `expected` (with its article).
    pub(crate) fn wrong_type(&self, expected: &str, report: &mut Report) {
        report.push(self.type_error(expected));
    }

    /// Reports the same with a hint of what to write instead.
    pub(crate) fn wrong_type_hint(&self, expected: &str, instead: &str, report: &mut Report) {
        report.push(self.type_error(expected).hint(format!("write it as {instead}")));
    }

    fn type_error(&self, expected: &str) -> Diagnostic {
        self.at()
            .error(format!("`{}` has the wrong type", self.key))
            .expected(expected)
            .found(type_name(self.value.get_ref()))
    }

    /// Returns the string; another type is reported, with what `hint` makes of a scalar as written.
    pub(crate) fn text(
        &self,
        hint: fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Option<&str> {
        let hint = match self.value.get_ref() {
            DeValue::String(text) => return Some(text),
            DeValue::Array(_) | DeValue::Table(_) => None,
            _ => hint(&self.written()),
        };
        report.push(self.type_error("a string").maybe_hint(hint));
        None
    }

    /// Returns the value as written, for messages.
    pub(crate) fn written(&self) -> String {
        shorten(self.source.slice(&self.value.span()))
    }
}

/// Advises quotes around a scalar that should be text.
pub(crate) fn quotes(written: &str) -> String {
    format!("write it in quotes: \"{written}\"")
}

/// Returns the first part of a text from a file.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_TEXT).collect()
}

/// Returns what a value is, with its article.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// What can be read from a TOML value.
pub(crate) trait Decode: Sized {
    /// Reads a value; `None` if something is wrong with it, which is in the report then.
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self>;
}

/// A string with a grammar.
pub(crate) trait Word: FromStr<Err = ParseError> {
    /// Returns what the user may have meant by a text that breaks the grammar.
    fn hint(_text: &str) -> Option<String> {
        None
    }
}

impl Word for flagstone_artifact::Architecture {
    fn hint(text: &str) -> Option<String> {
        let meant = match text {
            "x86_64" | "x64" => Self::X86_64,
            "aarch64" => Self::Arm64,
            _ => return None,
        };
        Some(format!("did you mean `{meant}`?"))
    }
}

impl Word for flagstone_artifact::ImageId {}
impl Word for flagstone_artifact::ImageVersion {}
impl Word for flagstone_artifact::Sha256Digest {}

/// Checks a text that stands at `at`.
pub(crate) fn parse_word<T: Word>(text: &str, at: &At, report: &mut Report) -> Option<T> {
    match text.parse() {
        Ok(word) => Some(word),
        Err(ParseError { text, what, rule }) => {
            let hint = T::hint(&text);
            let text = shorten(&text);
            report.push(at.error(format!("{text:?} is not {what}: {rule}")).maybe_hint(hint));
            None
        }
    }
}

impl<T: Word> Decode for T {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let text = node.text(
            |written| match written.parse::<T>() {
                Ok(_) => Some(quotes(written)),
                Err(_) => T::hint(written),
            },
            report,
        )?;
        parse_word(text, &node.at(), report)
    }
}

impl Decode for String {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        node.text(|written| Some(quotes(written)), report).map(str::to_owned)
    }
}

impl Decode for bool {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let value = node.value.get_ref().as_bool();
        if value.is_none() {
            node.wrong_type("true or false", report);
        }
        value
    }
}

/// Reads an integer within bounds.
pub(crate) fn decode_integer<T>(
    node: &Node<'_>,
    bounds: &RangeInclusive<u64>,
    report: &mut Report,
) -> Option<T>
where
    T: TryFrom<u64>,
{
    let Some(integer) = node.value.get_ref().as_integer() else {
        node.wrong_type("an integer", report);
        return None;
    };
    let value = u64::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|value| bounds.contains(value))
        .and_then(|value| T::try_from(value).ok());
    if value.is_none() {
        report.push(
            node.at()
                .error(format!("`{}` is out of bounds", node.key))
                .expected(format!("{} to {}", bounds.start(), bounds.end()))
                .found(node.written()),
        );
    }
    value
}

/// Reads an integer of either sign.
pub(crate) fn decode_signed(node: &Node<'_>, report: &mut Report) -> Option<i64> {
    let Some(integer) = node.value.get_ref().as_integer() else {
        node.wrong_type("an integer", report);
        return None;
    };
    let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
    if value.is_none() {
        report.push(node.at().error(format!("`{}` does not fit 64 bits", node.key)));
    }
    value
}

impl Decode for u64 {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        // TOML's integers are signed.
        decode_integer(node, &(0..=i64::MAX.unsigned_abs()), report)
    }
}

impl<T: Decode> Decode for Vec<Located<T>> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let Some(array) = node.value.get_ref().as_array() else {
            node.wrong_type("an array", report);
            return None;
        };
        let decoded = array.iter().enumerate().map(|(index, value)| {
            let key = format!("{}[{index}]", node.key);
            Node { source: node.source, value, key_span: value.span(), key }.decode(report)
        });
        // All elements are read, so that each wrong one is reported.
        decoded.collect::<Vec<_>>().into_iter().collect()
    }
}
