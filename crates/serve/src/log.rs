use std::fmt::Write as _;
use std::io::Write;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::LogFormat;

/// Writes one line for each thing that happens, to standard error as a rule.
pub(crate) struct Log {
    format: LogFormat,
    out: Mutex<Box<dyn Write + Send>>,
}

/// One line of the log: what happened, and its fields in their order.
pub(crate) struct Event {
    fields: Vec<(&'static str, Value)>,
}

impl Event {
    /// Begins a line; `kind` is `http`, `tftp`, `dhcp`, `note` or `error`.
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { fields: vec![("event", kind.into())] }
    }

    /// Adds a field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a field if there is a value.
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl Log {
    pub(crate) fn new(format: LogFormat, out: Box<dyn Write + Send>) -> Self {
        Self { format, out: Mutex::new(out) }
    }

    /// Writes a line. Nobody to read it is no reason to stop serving.
    pub(crate) fn write(&self, event: Event) {
        let line = line(self.format, &rfc3339(SystemTime::now()), event);
        if let Ok(mut out) = self.out.lock() {
            let _ = out.write_all(line.as_bytes());
            let _ = out.flush();
        }
    }

    /// Writes a line for a person.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.write(Event::new("note").with("message", text.into()));
    }

    /// Writes a line about something that went wrong.
    pub(crate) fn error(&self, text: impl Into<String>) {
        self.write(Event::new("error").with("message", text.into()));
    }
}

/// Returns a time as RFC 3339 has it, in UTC, with milliseconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "?".to_owned(), |time| format!("{time:.3}"))
}

fn line(format: LogFormat, time: &str, event: Event) -> String {
    let fields = std::iter::once(("time", Value::from(time))).chain(event.fields);
    if format == LogFormat::Json {
        let object: Map<String, Value> =
            fields.map(|(name, value)| (name.to_owned(), value)).collect();
        return Value::Object(object).to_string() + "\n";
    }
    let mut line = String::new();
    for (name, value) in fields {
        let separator = if line.is_empty() { "" } else { " " };
        let _ = match &value {
            // JSON's escapes keep control characters off the terminal, and one line one line.
            Value::String(text) if text.is_empty() || !text.bytes().all(is_bare) => {
                write!(line, "{separator}{name}={}", ascii(&value.to_string()))
            }
            Value::String(text) => write!(line, "{separator}{name}={text}"),
            other => write!(line, "{separator}{name}={other}"),
        };
    }
    line + "\n"
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' && byte != b'='
}

/// JSON leaves some control characters as they are; a terminal obeys them.
fn ascii(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if c.is_control() {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let event = || {
            Event::new("http")
                .with("path", "/a b\n\u{1b}[31m\u{9b}")
                .with("status", 200)
                .maybe("machine", None::<&str>)
        };
        assert_eq!(
            line(LogFormat::Text, "T", event()),
            "time=T event=http path=\"/a b\\n\\u001b[31m\\u009b\" status=200\n"
        );
        let json: Value = serde_json::from_str(&line(LogFormat::Json, "T", event())).unwrap();
        assert_eq!(
            (&json["path"], &json["status"]),
            (&"/a b\n\u{1b}[31m\u{9b}".into(), &200.into())
        );
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
