//! Expansions, as far as their texts are known.

use crate::ScriptError;
use crate::pattern::matches;
use crate::state::State;
use crate::syntax::{Kind, List, Operation, Part, Word};
use crate::value::{Argument, Value};
use crate::walk::Walker;

/// The most words that one word may turn into.
const FIELDS_MAX: usize = 500;

impl Walker<'_> {
    /// Expands a word where it stays one: an assignment's value, a file's name, the word of `case`.
    pub(crate) fn text(&mut self, word: &Word, state: &mut State) -> Result<Value, ScriptError> {
        let mut value = Value::Known(String::new());
        for part in &word.parts {
            let more = self.part(part, state)?;
            value = value.then(&more);
        }
        Ok(value)
    }

    /// Expands a word of a command, which may turn into several words or none.
    pub(crate) fn fields(
        &mut self,
        word: &Word,
        state: &mut State,
    ) -> Result<Vec<Argument>, ScriptError> {
        let mut fields: Vec<Value> = Vec::new();
        let mut open: Option<Value> = None;
        let append = |open: &mut Option<Value>, more: &Value| {
            *open = Some(open.take().unwrap_or(Value::Known(String::new())).then(more));
        };
        for part in &word.parts {
            if let Some(all) = all_arguments(part, state) {
                for (at, value) in all.into_iter().enumerate() {
                    if at > 0 {
                        fields.extend(open.take());
                    }
                    append(&mut open, &value);
                }
                continue;
            }
            let value = self.part(part, state)?;
            match (part, &value) {
                (Part::Literal { text, quoted: false }, _) => {
                    append(&mut open, &without_pattern(text));
                }
                (
                    Part::Parameter { quoted: false, .. } | Part::Commands { quoted: false, .. },
                    Value::Known(text),
                ) => {
                    if text.starts_with([' ', '\t', '\n']) {
                        fields.extend(open.take());
                    }
                    for (at, piece) in text.split_ascii_whitespace().enumerate() {
                        if at > 0 {
                            fields.extend(open.take());
                        }
                        append(&mut open, &without_pattern(piece));
                    }
                    if text.ends_with([' ', '\t', '\n']) {
                        fields.extend(open.take());
                    }
                }
                _ => append(&mut open, &value),
            }
            if fields.len() > FIELDS_MAX {
                return Err(ScriptError::TooInvolved);
            }
        }
        fields.extend(open);
        let text = |value: &Value| value.known().map_or_else(|| word.source.clone(), str::to_owned);
        Ok(fields.into_iter().map(|value| Argument::new(value.clone(), text(&value))).collect())
    }

    fn part(&mut self, part: &Part, state: &mut State) -> Result<Value, ScriptError> {
        match part {
            Part::Literal { text, .. } => Ok(Value::Known(text.clone())),
            Part::Opaque => Ok(Value::Unknown),
            Part::Commands { list, .. } => self.output(list, state),
            Part::Parameter { name, operation: None, .. } => {
                Ok(parameter(name, state).unwrap_or_else(|| Value::Known(String::new())))
            }
            Part::Parameter { name, operation: Some(operation), .. } => {
                self.operation(name, operation, state)
            }
        }
    }

    fn operation(
        &mut self,
        name: &str,
        operation: &Operation,
        state: &mut State,
    ) -> Result<Value, ScriptError> {
        let value = parameter(name, state);
        let word = self.text(&operation.word, state)?;
        let colon = operation.operator.starts_with(':');
        // Whether the parameter counts as set; `None` if that is not known.
        let set = match &value {
            None => Some(false),
            Some(Value::Known(text)) => Some(!colon || !text.is_empty()),
            Some(Value::Prefix(_) | Value::Temporary) => Some(true),
            Some(Value::Unknown) => None,
        };
        let value = value.unwrap_or_else(|| Value::Known(String::new()));
        Ok(match (operation.operator.trim_start_matches(':'), set) {
            ("-" | "?" | "=", Some(true)) => value,
            ("-", Some(false)) | ("=", _) => {
                let value = if set.is_some() { word } else { Value::Unknown };
                state.set(name, value.clone());
                value
            }
            ("+", Some(false)) => Value::Known(String::new()),
            (operator @ ("#" | "##" | "%" | "%%"), _) => match (&value, &word) {
                (Value::Known(text), Value::Known(pattern)) => trim(text, operator, pattern),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        })
    }

    /// Returns what commands print; they run as in a subshell.
    fn output(&mut self, list: &List, state: &State) -> Result<Value, ScriptError> {
        let first = self.actions.len();
        self.apart(state.clone(), |walker, state| walker.list(list, state))?;
        let printed = match simple_words(list) {
            Some(_) if self.actions.len() == first + 1 => self.actions.last().map(|action| {
                let arguments = action.literal_arguments();
                match (action.name(), arguments.as_deref()) {
                    (Some("mktemp" | "tempfile"), _) => Value::Temporary,
                    (Some("echo"), Some(words)) if !words.iter().any(|w| w.starts_with('-')) => {
                        Value::Known(words.join(" "))
                    }
                    // Nothing is diverted before packages are installed.
                    (Some("dpkg-divert"), Some(["--truename", path])) => {
                        Value::Known((*path).to_owned())
                    }
                    (Some("dpkg-divert"), Some(["--listpackage", _])) => {
                        Value::Known(String::new())
                    }
                    (Some("basename"), Some([path])) => {
                        let name = path.trim_end_matches('/').rsplit('/').next();
                        Value::Known(name.unwrap_or_default().to_owned())
                    }
                    (Some("dirname"), Some([path])) if path.starts_with('/') => {
                        let dir = path.trim_end_matches('/').rsplit_once('/').map(|(dir, _)| dir);
                        Value::Known(dir.filter(|dir| !dir.is_empty()).unwrap_or("/").to_owned())
                    }
                    _ => Value::Unknown,
                }
            }),
            _ => None,
        };
        Ok(printed.unwrap_or(Value::Unknown))
    }
}

/// Returns the words of a list that is one simple command.
fn simple_words(list: &List) -> Option<&[Word]> {
    let [and_or] = list.as_slice() else { return None };
    let [command] = and_or.first.commands.as_slice() else { return None };
    match &command.kind {
        Kind::Simple { words, .. } if and_or.rest.is_empty() => Some(words),
        _ => None,
    }
}

/// Returns the words that `$@` stands for; a quoted `$*` is one word and none of these.
fn all_arguments(part: &Part, state: &State) -> Option<Vec<Value>> {
    match part {
        Part::Parameter { name, operation: None, quoted }
            if name == "@" || (name == "*" && !quoted) =>
        {
            state.arguments.clone()
        }
        _ => None,
    }
}

/// Returns the value of a parameter, `None` if it is not set.
fn parameter(name: &str, state: &State) -> Option<Value> {
    if let Ok(number) = name.parse::<usize>() {
        let Some(arguments) = state.arguments.as_ref().filter(|_| number > 0) else {
            return Some(Value::Unknown);
        };
        return arguments.get(number - 1).cloned();
    }
    Some(match (name, &state.arguments) {
        ("#", Some(arguments)) => Value::Known(arguments.len().to_string()),
        ("@" | "*", Some(arguments)) => {
            let known: Option<Vec<&str>> = arguments.iter().map(Value::known).collect();
            known.map_or(Value::Unknown, |known| Value::Known(known.join(" ")))
        }
        _ => state.get(name),
    })
}

/// A pattern stands for names that are not known, but that begin as it does.
fn without_pattern(text: &str) -> Value {
    match text.find(['*', '?', '[']) {
        Some(at) if text.len() > 1 => Value::Prefix(text[..at].to_owned()),
        _ => Value::Known(text.to_owned()),
    }
}

/// `${name#pattern}` and its kin.
fn trim(text: &str, operator: &str, pattern: &str) -> Value {
    let mut cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let suffix = operator.starts_with('%');
    // The shortest piece first, or the longest.
    if suffix != (operator.len() == 2) {
        cuts.reverse();
    }
    let cut = cuts.into_iter().find(|&cut| {
        let piece = if suffix { &text[cut..] } else { &text[..cut] };
        matches(pattern, piece)
    });
    let rest = match cut {
        None => text,
        Some(cut) if suffix => &text[..cut],
        Some(cut) => &text[cut..],
    };
    Value::Known(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affixes_are_trimmed_as_in_a_shell() {
        for (operator, pattern, rest) in [
            ("#", "*/", "b/c.d.e"),
            ("##", "*/", "c.d.e"),
            ("%", ".*", "a/b/c.d"),
            ("%%", ".*", "a/b/c"),
            ("%", "x", "a/b/c.d.e"),
        ] {
            assert_eq!(trim("a/b/c.d.e", operator, pattern).known(), Some(rest), "{operator}");
        }
    }
}
