//! Commands (Shell Command Language, 2.9 and 2.10), and what of bash Debian's scripts use.

use std::sync::Arc;

use crate::ScriptError;
use crate::cursor::Cursor;
use crate::syntax::{
    AndOr, Assignment, Command, Direction, Join, Kind, List, Part, Pipeline, Redirect, Word,
};
use crate::word::{arithmetic, ends_word, parse_document, parse_word};

/// The longest script that is read, in bytes; real ones stay below 200,000.
const LENGTH_MAX: usize = 1 << 20;

/// Words that end a list of commands where a command could stand.
const CLOSERS: [&str; 7] = ["then", "else", "elif", "fi", "do", "done", "esac"];

/// Reads a script.
///
/// # Errors
/// [`ScriptError`] if it is not one, or is longer or deeper than any real one.
pub(crate) fn parse(text: &str) -> Result<List, ScriptError> {
    if text.len() > LENGTH_MAX {
        return Err(ScriptError::TooLong(LENGTH_MAX));
    }
    parse_nested(text, 1, 0)
}

/// Reads a script that stands inside another one.
pub(crate) fn parse_nested(text: &str, line: u32, depth: usize) -> Result<List, ScriptError> {
    let mut cursor = Cursor::new(text, line, depth);
    if let Some(at) = text.bytes().position(|b| b == 0) {
        let lines = text[..at].matches('\n').count();
        let line = line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        return Err(ScriptError::Syntax { line, problem: "it holds a zero byte" });
    }
    let list = parse_list(&mut cursor)?;
    match cursor.peek() {
        None => Ok(list),
        Some(_) => Err(cursor.error("something closes what was not opened")),
    }
}

/// Reads commands up to a closing sign, and that sign.
pub(crate) fn parse_list_until(cursor: &mut Cursor<'_>, close: &str) -> Result<List, ScriptError> {
    cursor.enter()?;
    let list = parse_list(cursor)?;
    cursor.leave();
    if !cursor.eat(close) {
        return Err(cursor.error("a parenthesis is not closed"));
    }
    Ok(list)
}

/// Reads commands until something stands that starts none.
fn parse_list(cursor: &mut Cursor<'_>) -> Result<List, ScriptError> {
    let mut list = List::new();
    loop {
        cursor.skip_lines();
        if ends_list(cursor) {
            return Ok(list);
        }
        list.push(parse_and_or(cursor)?);
        cursor.skip_blanks();
        match cursor.peek() {
            Some(';') if !cursor.starts_with(";;") && !cursor.starts_with(";&") => {
                cursor.next();
            }
            Some('&') if !cursor.starts_with("&&") => drop(cursor.next()),
            Some('\n') | None => {}
            _ if ends_list(cursor) => return Ok(list),
            _ => return Err(cursor.error("a command ends in an unexpected way")),
        }
    }
}

fn ends_list(cursor: &Cursor<'_>) -> bool {
    match cursor.peek() {
        None | Some(')') => true,
        Some(';') => cursor.starts_with(";;") || cursor.starts_with(";&"),
        _ => next_reserved(cursor).is_some_and(|word| word == "}" || CLOSERS.contains(&word)),
    }
}

/// Returns the word that comes next if it can be a reserved one.
fn next_reserved<'a>(cursor: &Cursor<'a>) -> Option<&'a str> {
    let rest = cursor.rest();
    let end = rest.find(ends_word).unwrap_or(rest.len());
    let word = &rest[..end];
    let plain = |b: u8| b.is_ascii_lowercase() || matches!(b, b'{' | b'}' | b'!' | b'[' | b']');
    (!word.is_empty() && word.bytes().all(plain)).then_some(word)
}

fn parse_and_or(cursor: &mut Cursor<'_>) -> Result<AndOr, ScriptError> {
    let first = parse_pipeline(cursor)?;
    let mut rest = Vec::new();
    loop {
        cursor.skip_blanks();
        let join = if cursor.eat("&&") {
            Join::And
        } else if cursor.eat("||") {
            Join::Or
        } else {
            return Ok(AndOr { first, rest });
        };
        cursor.skip_lines();
        rest.push((join, parse_pipeline(cursor)?));
    }
}

fn parse_pipeline(cursor: &mut Cursor<'_>) -> Result<Pipeline, ScriptError> {
    let mut negated = false;
    while next_reserved(cursor) == Some("!") {
        cursor.next();
        cursor.skip_blanks();
        negated = !negated;
    }
    let mut commands = vec![parse_command(cursor)?];
    loop {
        cursor.skip_blanks();
        if cursor.starts_with("||") || !cursor.eat("|") {
            return Ok(Pipeline { negated, commands });
        }
        cursor.eat("&");
        cursor.skip_lines();
        commands.push(parse_command(cursor)?);
    }
}

fn parse_command(cursor: &mut Cursor<'_>) -> Result<Command, ScriptError> {
    cursor.enter()?;
    let line = cursor.line();
    let compound = match next_reserved(cursor) {
        Some(word @ ("{" | "if" | "case" | "for" | "while" | "until" | "function" | "[[")) => {
            cursor.eat(word);
            Some(parse_compound(cursor, word)?)
        }
        None if cursor.starts_with("((") && arithmetic(cursor) => Some(Kind::Arithmetic),
        None if cursor.eat("(") => Some(Kind::Subshell(parse_list_until(cursor, ")")?)),
        _ => None,
    };
    let command = if let Some(kind) = compound {
        let mut redirects = Vec::new();
        loop {
            cursor.skip_blanks();
            match parse_redirect(cursor)? {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
        Command { kind, redirects, line }
    } else {
        parse_simple(cursor, line)?
    };
    cursor.leave();
    Ok(command)
}

fn parse_compound(cursor: &mut Cursor<'_>, word: &str) -> Result<Kind, ScriptError> {
    match word {
        "{" => {
            let list = parse_list(cursor)?;
            expect(cursor, "}")?;
            Ok(Kind::Group(list))
        }
        "if" => parse_if(cursor),
        "case" => parse_case(cursor),
        "for" => parse_for(cursor),
        "while" | "until" => {
            let condition = parse_list(cursor)?;
            let body = parse_do(cursor)?;
            Ok(Kind::While { condition, until: word == "until", body })
        }
        "[[" => parse_double_brackets(cursor),
        _ => {
            cursor.skip_blanks();
            let name =
                parse_word(cursor)?.ok_or_else(|| cursor.error("a function lacks its name"))?;
            cursor.skip_blanks();
            if cursor.eat("(") {
                cursor.skip_blanks();
                expect(cursor, ")")?;
            }
            cursor.skip_lines();
            let body = Arc::new(parse_command(cursor)?);
            Ok(Kind::Function { name: name.source, body })
        }
    }
}

/// Takes a reserved word or sign that must come next.
fn expect(cursor: &mut Cursor<'_>, word: &str) -> Result<(), ScriptError> {
    cursor.skip_lines();
    let sign = word.len() == 1 && !word.starts_with('}');
    if (sign || next_reserved(cursor) == Some(word)) && cursor.eat(word) {
        return Ok(());
    }
    Err(cursor.error("a compound command lacks its end"))
}

fn parse_if(cursor: &mut Cursor<'_>) -> Result<Kind, ScriptError> {
    let mut arms = Vec::new();
    loop {
        let condition = parse_list(cursor)?;
        expect(cursor, "then")?;
        arms.push((condition, parse_list(cursor)?));
        match next_reserved(cursor) {
            Some("elif") => drop(cursor.eat("elif")),
            Some("else") => {
                cursor.eat("else");
                let otherwise = parse_list(cursor)?;
                expect(cursor, "fi")?;
                return Ok(Kind::If { arms, otherwise });
            }
            _ => {
                expect(cursor, "fi")?;
                return Ok(Kind::If { arms, otherwise: List::new() });
            }
        }
    }
}

fn parse_case(cursor: &mut Cursor<'_>) -> Result<Kind, ScriptError> {
    cursor.skip_blanks();
    let subject = parse_word(cursor)?.ok_or_else(|| cursor.error("case lacks its word"))?;
    expect(cursor, "in")?;
    let mut arms = Vec::new();
    loop {
        cursor.skip_lines();
        if next_reserved(cursor) == Some("esac") {
            cursor.eat("esac");
            return Ok(Kind::Case { subject, arms });
        }
        cursor.eat("(");
        let mut patterns = Vec::new();
        loop {
            cursor.skip_blanks();
            let pattern = parse_word(cursor)?;
            patterns.push(pattern.ok_or_else(|| cursor.error("case lacks a pattern"))?);
            cursor.skip_blanks();
            if !cursor.eat("|") {
                break;
            }
        }
        expect(cursor, ")")?;
        arms.push((patterns, parse_list(cursor)?));
        if cursor.starts_with(";;&") || cursor.starts_with(";&") {
            return Err(cursor.error("a case that falls through is not followed"));
        }
        if !cursor.eat(";;") {
            expect(cursor, "esac")?;
            return Ok(Kind::Case { subject, arms });
        }
    }
}

fn parse_for(cursor: &mut Cursor<'_>) -> Result<Kind, ScriptError> {
    cursor.skip_blanks();
    if cursor.starts_with("((") {
        return Err(cursor.error("a counting for is not followed"));
    }
    let variable = parse_word(cursor)?.ok_or_else(|| cursor.error("for lacks its variable"))?;
    cursor.skip_lines();
    let words = if next_reserved(cursor) == Some("in") {
        cursor.eat("in");
        let mut words = Vec::new();
        loop {
            cursor.skip_blanks();
            match parse_word(cursor)? {
                Some(word) => words.push(word),
                None => break,
            }
        }
        Some(words)
    } else {
        None
    };
    cursor.skip_blanks();
    cursor.eat(";");
    let body = parse_do(cursor)?;
    Ok(Kind::For { variable: variable.source, words, body })
}

fn parse_do(cursor: &mut Cursor<'_>) -> Result<List, ScriptError> {
    expect(cursor, "do")?;
    let body = parse_list(cursor)?;
    expect(cursor, "done")?;
    Ok(body)
}

/// `[[ … ]]` of bash, as a command of that name; operators are words like all others.
fn parse_double_brackets(cursor: &mut Cursor<'_>) -> Result<Kind, ScriptError> {
    let literal = |text: &str| Word {
        parts: vec![Part::Literal { text: text.to_owned(), quoted: false }],
        source: text.to_owned(),
    };
    let mut words = vec![literal("[[")];
    loop {
        cursor.skip_lines();
        match parse_word(cursor)? {
            Some(word) if word.source == "]]" => {
                words.push(word);
                return Ok(Kind::Simple { assignments: Vec::new(), words });
            }
            Some(word) => words.push(word),
            None => match cursor.next() {
                Some(c) => words.push(literal(&c.to_string())),
                None => return Err(cursor.error("a test is not closed")),
            },
        }
    }
}

fn parse_simple(cursor: &mut Cursor<'_>, line: u32) -> Result<Command, ScriptError> {
    let mut assignments = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut redirects = Vec::new();
    loop {
        cursor.skip_blanks();
        if let Some(redirect) = parse_redirect(cursor)? {
            redirects.push(redirect);
            continue;
        }
        if cursor.peek() == Some('(') {
            let Some(name) = function_name(&words, assignments.is_empty()) else {
                return Err(cursor.error("a parenthesis stands where none can"));
            };
            cursor.next();
            cursor.skip_blanks();
            expect(cursor, ")")?;
            cursor.skip_lines();
            let body = Arc::new(parse_command(cursor)?);
            return Ok(Command { kind: Kind::Function { name, body }, redirects, line });
        }
        let Some(word) = parse_word(cursor)? else { break };
        if words.is_empty()
            && let Some(assignment) = assignment(&word)
        {
            if word.source.ends_with('=') && cursor.peek() == Some('(') {
                skip_array(cursor)?;
                assignments.push(Assignment { value: None, ..assignment });
            } else {
                assignments.push(assignment);
            }
            continue;
        }
        words.push(word);
    }
    if words.is_empty() && assignments.is_empty() && redirects.is_empty() {
        return Err(cursor.error("a command is missing"));
    }
    Ok(Command { kind: Kind::Simple { assignments, words }, redirects, line })
}

/// Returns the name of the function that the words before `()` define.
fn function_name(words: &[Word], alone: bool) -> Option<String> {
    match words {
        [name] if alone => Some(name.source.clone()),
        _ => None,
    }
}

/// Takes a word that starts with `name=` apart; `name+=` and `name[…]=` give an unknown value.
pub(crate) fn assignment(word: &Word) -> Option<Assignment> {
    let Some(Part::Literal { text, quoted: false }) = word.parts.first() else { return None };
    let (left, right) = text.split_once('=')?;
    let end = left.find(['+', '[']).unwrap_or(left.len());
    let (name, further) = left.split_at(end);
    let first = name.bytes().next()?;
    let plain = |b: u8| b == b'_' || b.is_ascii_alphanumeric();
    if first.is_ascii_digit() || !name.bytes().all(plain) {
        return None;
    }
    let name = name.to_owned();
    if !further.is_empty() {
        return Some(Assignment { name, value: None });
    }
    let mut parts = word.parts.clone();
    if right.is_empty() {
        parts.remove(0);
    } else if let Some(Part::Literal { text, .. }) = parts.first_mut() {
        right.clone_into(text);
    }
    let source = word.source.split_once('=').map(|(_, right)| right.to_owned());
    Some(Assignment { name, value: Some(Word { parts, source: source.unwrap_or_default() }) })
}

/// Goes over the values of an array of bash.
fn skip_array(cursor: &mut Cursor<'_>) -> Result<(), ScriptError> {
    cursor.next();
    loop {
        cursor.skip_lines();
        if cursor.eat(")") {
            return Ok(());
        }
        if parse_word(cursor)?.is_none() {
            return Err(cursor.error("an array is not closed"));
        }
    }
}

fn parse_redirect(cursor: &mut Cursor<'_>) -> Result<Option<Redirect>, ScriptError> {
    const OPERATORS: [(&str, Direction); 10] = [
        ("&>>", Direction::Append),
        ("&>", Direction::Out),
        ("<<<", Direction::In),
        (">>", Direction::Append),
        (">&", Direction::Duplicate),
        (">|", Direction::Out),
        ("<&", Direction::In),
        ("<>", Direction::Out),
        (">", Direction::Out),
        ("<", Direction::In),
    ];
    let saved = cursor.save();
    cursor.take_while(|c| c.is_ascii_digit());
    if cursor.starts_with("<(") || cursor.starts_with(">(") {
        cursor.restore(saved);
        return Ok(None);
    }
    if cursor.starts_with("<<") && !cursor.starts_with("<<<") {
        cursor.eat("<<");
        return parse_here_document(cursor).map(Some);
    }
    let Some((_, direction)) = OPERATORS.into_iter().find(|(operator, _)| cursor.eat(operator))
    else {
        cursor.restore(saved);
        return Ok(None);
    };
    cursor.skip_blanks();
    let target = parse_word(cursor)?.ok_or_else(|| cursor.error("a redirection leads nowhere"))?;
    let number = target.source.bytes().all(|b| b.is_ascii_digit()) || target.source == "-";
    let direction = match direction {
        // `>&file` of bash.
        Direction::Duplicate if !number => Direction::Out,
        direction => direction,
    };
    Ok(Some(Redirect { direction, target }))
}

fn parse_here_document(cursor: &mut Cursor<'_>) -> Result<Redirect, ScriptError> {
    let strip = cursor.eat("-");
    cursor.skip_blanks();
    let word = parse_word(cursor)?;
    let word = word.ok_or_else(|| cursor.error("a here-document lacks its end"))?;
    let mut delimiter = String::new();
    let mut quoted = false;
    for part in &word.parts {
        match part {
            Part::Literal { text, quoted: part_quoted } => {
                delimiter.push_str(text);
                quoted |= part_quoted;
            }
            _ => return Err(cursor.error("the end of a here-document is no plain word")),
        }
    }
    let (body, line) = cursor.take_document(&delimiter, strip);
    let target = if quoted {
        Word { parts: vec![Part::Literal { text: body.clone(), quoted: true }], source: body }
    } else {
        parse_document(&body, line, cursor.depth())?
    };
    Ok(Redirect { direction: Direction::Text, target })
}
