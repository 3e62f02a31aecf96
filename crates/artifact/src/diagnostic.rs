use std::fmt;
use std::ops::Range;

/// The longest part of a line that an excerpt shows, in characters.
const EXCERPT_WIDTH: usize = 100;

/// How many characters an excerpt of a long line shows before the marked ones.
const EXCERPT_LEAD: usize = 40;

/// A place in a text: lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One line of the text a diagnostic is about, fit for a terminal: control characters replaced and
/// long lines cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or the part of it that matters.
    pub line: String,
    /// How many characters of `line` precede the marked ones.
    pub indent: usize,
    /// How many characters to mark, at least 1.
    pub width: usize,
}

/// One thing that is wrong with a file that people write, such as a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The file, as the user named it, or the name of what is shipped.
    pub path: String,
    /// Where in the file; `None` if the whole file is meant.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What stands there instead.
    pub found: Option<String>,
    /// What the user can do.
    pub hint: Option<String>,
    /// The line at `position`.
    pub excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// Creates a diagnostic about a whole file; [`at`](Self::at) points into it.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            position: None,
            message: message.into(),
            expected: None,
            found: None,
            hint: None,
            excerpt: None,
        }
    }

    /// Points at a span of bytes of the file's text.
    #[must_use]
    pub fn at(mut self, text: &str, span: &Range<usize>) -> Self {
        let (position, excerpt) = locate(text, span);
        self.position = Some(position);
        self.excerpt = Some(excerpt);
        self
    }

    /// Says what would be right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what stands there instead.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the hint if there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        let gutter = self.position.map_or(1, |position| position.line.to_string().len());
        if let (Some(position), Some(excerpt)) = (self.position, &self.excerpt) {
            write!(f, "\n{:gutter$} |", "")?;
            write!(f, "\n{} | {}", position.line, excerpt.line)?;
            let marks = "^".repeat(excerpt.width);
            write!(f, "\n{:gutter$} | {:2$}{marks}", "", "", excerpt.indent)?;
        }
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => {
                write!(f, "\n{:gutter$} = expected {expected}, found {found}", "")?;
            }
            (Some(expected), None) => write!(f, "\n{:gutter$} = expected {expected}", "")?,
            (None, Some(found)) => write!(f, "\n{:gutter$} = found {found}", "")?,
            (None, None) => {}
        }
        self.hint.iter().try_for_each(|hint| write!(f, "\n{:gutter$} = hint: {hint}", ""))
    }
}

/// Returns where a span of bytes of a text stands, and the line of its beginning with the span
/// marked. A span that is not inside, or not on the borders of characters, is moved there.
pub fn locate(text: &str, span: &Range<usize>) -> (Position, Excerpt) {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |len| start + len);
    let line = text[..start].matches('\n').count() + 1;
    let before = text[line_start..start].chars().count();
    let marked = text[start..end.min(line_end).max(start)].chars().count();

    let skipped = if before > EXCERPT_WIDTH - EXCERPT_LEAD { before - EXCERPT_LEAD } else { 0 };
    let shown: String = text[line_start..line_end]
        .trim_end_matches('\r')
        .chars()
        .skip(skipped)
        .take(EXCERPT_WIDTH)
        .map(fit_for_terminal)
        .collect();
    let indent = before - skipped;
    let width = marked.min(shown.chars().count().saturating_sub(indent)).max(1);
    (Position { line, column: before + 1 }, Excerpt { line: shown, indent, width })
}

fn fit_for_terminal(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Quotes a text of a file for a message: the first 60 characters, and on one line.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_marks_stay_on_the_line() {
        let (position, excerpt) = locate("a = 1\né\t= \"x\r\ny\"", &(10..16));
        assert_eq!((position.line, position.column), (2, 4));
        assert_eq!((excerpt.line.as_str(), excerpt.indent, excerpt.width), ("é = \"x", 3, 3));
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let (position, excerpt) = locate(&"x".repeat(5000), &(3000..4000));
        assert_eq!(position.column, 3001);
        assert_eq!(excerpt.line.len(), EXCERPT_WIDTH);
        assert_eq!((excerpt.indent, excerpt.width), (EXCERPT_LEAD, EXCERPT_WIDTH - EXCERPT_LEAD));
    }

    #[test]
    fn spans_outside_the_text_are_moved_inside() {
        for span in [0..9, 7..9, 1..2, 3..3] {
            locate("é", &span);
        }
        locate("", &(0..0));
    }
}
