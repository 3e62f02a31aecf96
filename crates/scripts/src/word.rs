//! Words: quoting and expansions (Shell Command Language, 2.2 and 2.6).

use crate::ScriptError;
use crate::cursor::Cursor;
use crate::parser::{parse_list_until, parse_nested};
use crate::syntax::{Operation, Part, Word};

/// Where a word ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At a blank or an operator.
    Operator,
    /// At the closing double quote.
    Quote,
    /// At the closing brace of `${…}`.
    Brace,
    /// At the end of the text.
    Text,
}

/// Tells whether a character ends a word that is not quoted.
pub(crate) fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

/// Reads the word that stands here; `None` if there is none.
pub(crate) fn parse_word(cursor: &mut Cursor<'_>) -> Result<Option<Word>, ScriptError> {
    let start = cursor.position();
    let parts = parse_parts(cursor, End::Operator, false)?;
    let source = cursor.since(start).to_owned();
    Ok((!source.is_empty()).then_some(Word { parts, source }))
}

/// Reads a text in which only `$`, backquotes and backslashes are special: a here-document.
pub(crate) fn parse_document(text: &str, line: u32, depth: usize) -> Result<Word, ScriptError> {
    let mut cursor = Cursor::new(text, line, depth);
    cursor.enter()?;
    let parts = parse_parts(&mut cursor, End::Text, true)?;
    Ok(Word { parts, source: text.to_owned() })
}

struct Parts {
    parts: Vec<Part>,
    quoted: bool,
}

impl Parts {
    fn push(&mut self, c: char, is_quoted: bool) {
        match self.parts.last_mut() {
            Some(Part::Literal { text, quoted }) if *quoted == is_quoted => text.push(c),
            _ => self.parts.push(Part::Literal { text: c.into(), quoted: is_quoted }),
        }
    }

    /// Adds quoted text, the empty one too: `''` is a word.
    fn push_quoted(&mut self, text: &str) {
        self.parts.push(Part::Literal { text: text.to_owned(), quoted: true });
    }
}

fn parse_parts(cursor: &mut Cursor<'_>, end: End, quoted: bool) -> Result<Vec<Part>, ScriptError> {
    let mut out = Parts { parts: Vec::new(), quoted };
    loop {
        let Some(c) = cursor.peek() else {
            return match end {
                End::Operator | End::Text => Ok(out.parts),
                End::Quote => Err(cursor.error("a double quote is not closed")),
                End::Brace => Err(cursor.error("a brace is not closed")),
            };
        };
        match (c, end) {
            ('"', End::Quote) | ('}', End::Brace) => return Ok(out.parts),
            ('<' | '>', End::Operator) if cursor.rest()[1..].starts_with('(') => {
                process_substitution(cursor, &mut out)?;
            }
            (c, End::Operator) if ends_word(c) => return Ok(out.parts),
            ('\\', _) => backslash(cursor, &mut out, end),
            ('$', _) => dollar(cursor, &mut out)?,
            ('`', _) => backquotes(cursor, &mut out)?,
            ('\'', End::Operator) => single_quotes(cursor, &mut out)?,
            ('\'', End::Brace) if !quoted => single_quotes(cursor, &mut out)?,
            ('"', End::Operator | End::Brace) => {
                cursor.next();
                cursor.enter()?;
                let inner = parse_parts(cursor, End::Quote, true)?;
                cursor.leave();
                cursor.next();
                out.push_quoted("");
                out.parts.extend(inner);
            }
            (c, _) => {
                cursor.next();
                out.push(c, quoted);
            }
        }
    }
}

fn backslash(cursor: &mut Cursor<'_>, out: &mut Parts, end: End) {
    cursor.next();
    let Some(c) = cursor.next() else {
        out.push('\\', true);
        return;
    };
    if c == '\n' {
        return;
    }
    // Between double quotes a backslash keeps itself before most characters.
    let special = matches!(c, '$' | '`' | '"' | '\\') || (c == '}' && end == End::Brace);
    if out.quoted && !special {
        out.push('\\', true);
    }
    out.push(c, true);
}

fn single_quotes(cursor: &mut Cursor<'_>, out: &mut Parts) -> Result<(), ScriptError> {
    cursor.next();
    let text = cursor.take_while(|c| c != '\'');
    if cursor.next().is_none() {
        return Err(cursor.error("a single quote is not closed"));
    }
    out.push_quoted(text);
    Ok(())
}

/// `<(…)` and `>(…)` of bash: a name of a pipe.
fn process_substitution(cursor: &mut Cursor<'_>, out: &mut Parts) -> Result<(), ScriptError> {
    cursor.next();
    cursor.next();
    let list = parse_list_until(cursor, ")")?;
    out.parts.push(Part::Commands { list, quoted: true });
    Ok(())
}

fn backquotes(cursor: &mut Cursor<'_>, out: &mut Parts) -> Result<(), ScriptError> {
    let line = cursor.line();
    cursor.next();
    let mut text = String::new();
    loop {
        match cursor.next() {
            None => return Err(cursor.error("a backquote is not closed")),
            Some('`') => break,
            Some('\\') => match cursor.next() {
                Some(c @ ('`' | '\\' | '$')) => text.push(c),
                Some('"') if out.quoted => text.push('"'),
                Some(c) => text.extend(['\\', c]),
                None => {}
            },
            Some(c) => text.push(c),
        }
    }
    let list = parse_nested(&text, line, cursor.depth())?;
    out.parts.push(Part::Commands { list, quoted: out.quoted });
    Ok(())
}

fn dollar(cursor: &mut Cursor<'_>, out: &mut Parts) -> Result<(), ScriptError> {
    let quoted = out.quoted;
    cursor.next();
    match cursor.peek() {
        Some('(') if cursor.starts_with("((") && arithmetic(cursor) => out.parts.push(Part::Opaque),
        Some('(') => {
            cursor.next();
            let list = parse_list_until(cursor, ")")?;
            out.parts.push(Part::Commands { list, quoted });
        }
        Some('{') => braces(cursor, out)?,
        Some('\'') if !quoted => {
            cursor.next();
            ansi_quotes(cursor)?;
            out.parts.push(Part::Opaque);
        }
        Some('"') if !quoted => {}
        Some(c) if c == '_' || c.is_ascii_alphabetic() => {
            let name = cursor.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).to_owned();
            out.parts.push(Part::Parameter { name, operation: None, quoted });
        }
        Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!' | '0'..='9')) => {
            cursor.next();
            out.parts.push(Part::Parameter { name: c.into(), operation: None, quoted });
        }
        _ => out.push('$', quoted),
    }
    Ok(())
}

/// Goes over `((…))`; returns whether it was one.
pub(crate) fn arithmetic(cursor: &mut Cursor<'_>) -> bool {
    let saved = cursor.save();
    let mut open = 0_u32;
    while let Some(c) = cursor.next() {
        match c {
            '(' => open += 1,
            ')' if open == 2 => {
                if cursor.eat(")") {
                    return true;
                }
                break;
            }
            ')' => open -= 1,
            _ => {}
        }
    }
    cursor.restore(saved);
    false
}

/// Goes over `$'…'` of bash.
fn ansi_quotes(cursor: &mut Cursor<'_>) -> Result<(), ScriptError> {
    loop {
        match cursor.next() {
            None => return Err(cursor.error("a single quote is not closed")),
            Some('\\') => drop(cursor.next()),
            Some('\'') => return Ok(()),
            Some(_) => {}
        }
    }
}

/// `${…}`.
fn braces(cursor: &mut Cursor<'_>, out: &mut Parts) -> Result<(), ScriptError> {
    const OPERATORS: [&str; 12] =
        [":-", ":=", ":?", ":+", "-", "=", "?", "+", "##", "#", "%%", "%"];
    let quoted = out.quoted;
    cursor.next();
    let length = cursor.starts_with("#") && !cursor.starts_with("#}");
    if length {
        cursor.next();
    }
    let mut name = cursor.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).to_owned();
    if name.is_empty() {
        let special = cursor.take_while(|c| matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!'));
        special.clone_into(&mut name);
    }
    if cursor.eat("}") && !length {
        out.parts.push(Part::Parameter { name, operation: None, quoted });
        return Ok(());
    }
    if cursor.since(cursor.position().saturating_sub(1)) == "}" {
        out.parts.push(Part::Opaque);
        return Ok(());
    }
    let operator = OPERATORS.into_iter().find(|operator| cursor.eat(operator));
    let start = cursor.position();
    cursor.enter()?;
    let parts = parse_parts(cursor, End::Brace, quoted)?;
    cursor.leave();
    let word = Word { parts, source: cursor.since(start).to_owned() };
    cursor.next();
    let operator = operator.filter(|_| !length && !name.is_empty()).unwrap_or("unknown").to_owned();
    out.parts.push(Part::Parameter { name, operation: Some(Operation { operator, word }), quoted });
    Ok(())
}
