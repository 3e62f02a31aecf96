use crate::ScriptError;

/// The deepest nesting that is followed; real scripts stay below 12.
const DEPTH_MAX: usize = 60;

/// A place in the text of a script.
///
/// Bodies of here-documents are read ahead of their turn, where the operator stands; the cursor jumps
/// over them when it comes to the end of that line.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    position: usize,
    line: u32,
    depth: usize,
    /// The line feed before a body, and where the body ends.
    skip: Option<(usize, usize)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, line: u32, depth: usize) -> Self {
        Self { text, position: 0, line, depth, skip: None }
    }

    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn starts_with(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    /// Takes one character.
    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            if let Some((at, end)) = self.skip.filter(|&(at, _)| at == self.position) {
                let body = self.text.get(at + 1..end).unwrap_or_default();
                let lines = body.bytes().filter(|&b| b == b'\n').count();
                self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
                self.position = end;
                self.skip = None;
                return Some(c);
            }
        }
        self.position += c.len_utf8();
        Some(c)
    }

    /// Takes `text` if it comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        if !self.starts_with(text) {
            return false;
        }
        for _ in text.chars() {
            self.next();
        }
        true
    }

    /// Takes characters as long as they fit.
    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let start = self.position;
        while self.peek().is_some_and(&fits) {
            self.next();
        }
        self.since(start)
    }

    /// Goes over blanks, joined lines and a comment.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => drop(self.next()),
                Some('\\') if self.starts_with("\\\n") => drop(self.eat("\\\n")),
                Some('#') => drop(self.take_while(|c| c != '\n')),
                _ => return,
            }
        }
    }

    /// Goes over blanks, comments and line feeds.
    pub(crate) fn skip_lines(&mut self) {
        loop {
            self.skip_blanks();
            if self.peek() != Some('\n') {
                return;
            }
            self.next();
        }
    }

    /// Takes the body of a here-document whose operator was just read.
    pub(crate) fn take_document(&mut self, delimiter: &str, strip: bool) -> (String, u32) {
        let (feed, start) = match self.skip {
            Some((feed, end)) => (feed, end),
            None => match self.rest().find('\n') {
                Some(at) => (self.position + at, self.position + at + 1),
                None => return (String::new(), self.line),
            },
        };
        let (mut body, mut end) = (String::new(), start);
        for line in self.text.get(start..).unwrap_or_default().split_inclusive('\n') {
            end += line.len();
            let line = if strip { line.trim_start_matches('\t') } else { line };
            if line.trim_end_matches('\n') == delimiter {
                break;
            }
            body.push_str(line);
        }
        self.skip = Some((feed, end));
        (body, self.line.saturating_add(1))
    }

    pub(crate) fn save(&self) -> (usize, u32, Option<(usize, usize)>) {
        (self.position, self.line, self.skip)
    }

    pub(crate) fn restore(&mut self, saved: (usize, u32, Option<(usize, usize)>)) {
        (self.position, self.line, self.skip) = saved;
    }

    /// Goes one level deeper.
    pub(crate) fn enter(&mut self) -> Result<(), ScriptError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("it is nested too deeply"));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn error(&self, problem: &'static str) -> ScriptError {
        ScriptError::Syntax { line: self.line, problem }
    }
}
