//! Reads JSON as RFC 8259 has it and keeps where every value stands.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::json::{Member, Node, Value};

/// How deep values may lie within each other; configurations need ten.
const DEPTH_MAX: usize = 64;

/// How many values a text may have: each costs far more memory than its bytes.
const VALUES_MAX: usize = 1 << 20;

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    /// Keys that their object has already, with the place of the first.
    pub(crate) duplicates: Vec<(Range<usize>, Range<usize>)>,
    /// Escapes of half a character (a surrogate without its other half).
    pub(crate) halves: Vec<Range<usize>>,
}

/// The first thing that is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) span: Range<usize>,
    pub(crate) message: &'static str,
    pub(crate) hint: Option<&'static str>,
}

type Read<T> = Result<T, SyntaxError>;

/// Reads a text that is one value.
pub(crate) fn read(text: &str) -> Read<Document> {
    let mut reader =
        Reader { text, at: 0, depth: 0, values: 0, duplicates: Vec::new(), halves: Vec::new() };
    if text.starts_with('\u{feff}') {
        return Err(reader.error("a byte order mark is no JSON", Some("save it as UTF-8 without")));
    }
    reader.space();
    let root = reader.value()?;
    reader.space();
    if reader.at < text.len() {
        return Err(
            reader.error("something follows the configuration", Some("one file is one object"))
        );
    }
    Ok(Document { root, duplicates: reader.duplicates, halves: reader.halves })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    duplicates: Vec<(Range<usize>, Range<usize>)>,
    halves: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Makes an error about the next character.
    fn error(&self, message: &'static str, hint: Option<&'static str>) -> SyntaxError {
        SyntaxError { span: self.at..self.at + 1, message, hint }
    }

    fn value(&mut self) -> Read<Node> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(self.error("there are more than a million values", None));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't' | b'f' | b'n') => self.word()?,
            Some(b'\'') => return Err(self.error("a string is in double quotes", None)),
            Some(b'/' | b'#') => return Err(self.comment()),
            Some(_) => return Err(self.error("expected a value", None)),
            None => return Err(self.error("the text ends where a value is expected", None)),
        };
        Ok(Node { span: start..self.at, value })
    }

    fn comment(&self) -> SyntaxError {
        self.error(
            "JSON has no comments",
            Some("Butane has them: its files begin with `variant: fcos`"),
        )
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("values lie more than 64 deep within each other", None));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Read<Value> {
        let mut members: Vec<Member> = Vec::new();
        let mut seen: BTreeMap<String, Range<usize>> = BTreeMap::new();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let start = self.at;
            match self.peek() {
                Some(b'"') => {}
                Some(b'}') => return Err(self.error("a comma has nothing after it", TRAILING)),
                Some(b'/' | b'#') => return Err(self.comment()),
                _ => return Err(self.error("expected a key in double quotes", None)),
            }
            let key = self.string()?;
            let key_span = start..self.at;
            if let Some(first) = seen.get(&key) {
                self.duplicates.push((key_span.clone(), first.clone()));
            } else {
                seen.insert(key.clone(), key_span.clone());
            }
            self.space();
            if !self.take(b':') {
                return Err(self.error("expected a colon after the key", None));
            }
            self.space();
            let node = self.value()?;
            members.push(Member { key, key_span, node });
            if self.ends(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn list(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            if self.peek() == Some(b']') {
                return Err(self.error("a comma has nothing after it", TRAILING));
            }
            items.push(self.value()?);
            if self.ends(b']')? {
                return Ok(Value::List(items));
            }
        }
    }

    /// Reads a comma, or the end.
    fn ends(&mut self, end: u8) -> Read<bool> {
        self.space();
        if self.take(end) {
            return Ok(true);
        }
        if self.take(b',') {
            self.space();
            return Ok(false);
        }
        let message = match (self.peek(), end) {
            (None, b'}') => "the text ends within an object",
            (None, _) => "the text ends within a list",
            (_, b'}') => "expected a comma or } after a value",
            _ => "expected a comma or ] after a value",
        };
        Err(self.error(message, None))
    }

    fn word(&mut self) -> Read<Value> {
        let words =
            [("true", Value::Flag(true)), ("false", Value::Flag(false)), ("null", Value::Null)];
        for (word, value) in words {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("expected a value", Some("words of JSON are true, false and null")))
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        self.take(b'-');
        if self.take(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                let hint = "JSON has no octal numbers: 0644 is written 420";
                return Err(self.error("a number begins with 0", Some(hint)));
            }
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        Ok(Value::Number(if whole { text.parse().ok() } else { None }))
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit", None)) } else { Ok(()) }
    }

    fn string(&mut self) -> Read<String> {
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            value.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => value.push(self.escape()?),
                Some(b'\n' | b'\r') => {
                    let hint = "write \\n for a line's end within a string";
                    return Err(self.error("a string ends with its line", Some(hint)));
                }
                Some(_) => {
                    let hint = "write \\t for a tab, \\u00XX for others";
                    return Err(self.error("a control character is in a string", Some(hint)));
                }
                None => {
                    let span = open..open + 1;
                    return Err(SyntaxError { span, message: "a string has no end", hint: None });
                }
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let simple = match self.peek() {
            Some(b'u') => return self.unicode(start),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => {
                let hint = "a backslash itself is written \\\\";
                let message = "no such escape";
                return Err(SyntaxError { span: start..self.at + 1, message, hint: Some(hint) });
            }
        };
        self.at += 1;
        Ok(simple)
    }

    /// Reads `uXXXX`, and what follows if it is the first half of a character.
    fn unicode(&mut self, start: usize) -> Read<char> {
        let first = self.hex()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let after = self.at;
        if first < 0xdc00 && self.take(b'\\') && self.peek() == Some(b'u') {
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.at = after;
        self.halves.push(start..after);
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Read<u32> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit =
                digit.ok_or_else(|| self.error("expected four hexadecimal digits", None))?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}

const TRAILING: Option<&str> = Some("remove the comma");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places() {
        let document =
            read(" {\"a\": [1, -20, 1.5, true, null], \"\\u00e9\\ud83d\\ude00\\n\":\"x\"} ")
                .unwrap();
        let Value::Object(members) = &document.root.value else { panic!() };
        assert_eq!(document.root.span, 1..61);
        assert_eq!(members[0].key_span, 2..5);
        let Value::List(items) = &members[0].node.value else { panic!() };
        let numbers: Vec<_> = items.iter().map(|item| (item.span.clone(), &item.value)).collect();
        assert_eq!(numbers[1], (11..14, &Value::Number(Some(-20))));
        assert_eq!(numbers[2], (16..19, &Value::Number(None)));
        assert_eq!(members[1].key, "é\u{1f600}\n");
        assert!(document.duplicates.is_empty() && document.halves.is_empty());
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_stands() {
        for (text, at, message) in [
            ("", 0, "the text ends where a value is expected"),
            ("\u{feff}{}", 0, "a byte order mark is no JSON"),
            ("{} x", 3, "something follows the configuration"),
            ("{\"a\":1,}", 7, "a comma has nothing after it"),
            ("[1,]", 3, "a comma has nothing after it"),
            ("[1 2]", 3, "expected a comma or ] after a value"),
            ("{\"a\" 1}", 5, "expected a colon after the key"),
            ("{a:1}", 1, "expected a key in double quotes"),
            ("{\"a\":1", 6, "the text ends within an object"),
            ("[0644]", 2, "a number begins with 0"),
            ("[-]", 2, "expected a digit"),
            ("[1.]", 3, "expected a digit"),
            ("[1e+]", 4, "expected a digit"),
            ("[tru]", 1, "expected a value"),
            ("['a']", 1, "a string is in double quotes"),
            ("[\"a]", 1, "a string has no end"),
            ("[\"a\n\"]", 3, "a string ends with its line"),
            ("[\"\t\"]", 2, "a control character is in a string"),
            ("[\"\\x\"]", 2, "no such escape"),
            ("[\"\\u12g4\"]", 6, "expected four hexadecimal digits"),
            ("// a", 0, "JSON has no comments"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.span.start, error.message), (at, message), "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep).unwrap_err().span.start, DEPTH_MAX);
        assert!(read(&"[".repeat(DEPTH_MAX)).unwrap_err().message.starts_with("the text ends"));
    }

    #[test]
    fn duplicates_and_half_characters_are_found() {
        let document = read(r#"{"a":1,"b":{"a":1},"\u0061":2,"c":"\ud83d x\udc00"}"#).unwrap();
        assert_eq!(document.duplicates, [(19..27, 1..4)]);
        assert_eq!(document.halves, [35..41, 43..49]);
    }
}
