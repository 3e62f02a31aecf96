use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use crate::origin::Origin;
use crate::report::Report;
use crate::{Diagnostic, Diagnostics, Excerpt, Position};

/// The longest part of a line that an excerpt shows, in characters.
const EXCERPT_WIDTH: usize = 100;

/// How many characters an excerpt of a long line shows before the marked ones.
const EXCERPT_LEAD: usize = 40;

/// One file's text and where it came from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) origin: Origin,
    text: String,
}

impl Source {
    /// Takes a file's bytes as text.
    ///
    /// # Errors
    /// One diagnostic, which shows the first byte that is not UTF-8.
    pub(crate) fn new(origin: Origin, bytes: Vec<u8>) -> Result<Arc<Self>, Diagnostics> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Arc::new(Self { origin, text })),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = Arc::new(Self { origin, text });
                Err(At { source, span: at..at + 1 }.error("the file is not UTF-8 text").into())
            }
        }
    }

    /// Parses the text as TOML; syntax errors go to the report, and the table is what could be
    /// read nevertheless.
    pub(crate) fn parse(self: &Arc<Self>, report: &mut Report) -> toml::Spanned<DeTable<'_>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let at = At { source: Arc::clone(self), span };
            report.push(at.error(format!("invalid TOML: {}", error.message().replace('\n', ", "))));
        }
        table
    }

    /// Returns the text of a span as the user wrote it.
    pub(crate) fn slice(&self, span: &Range<usize>) -> &str {
        let span = self.clamp(span);
        &self.text[span]
    }

    /// Moves a span to character boundaries inside the text.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end).max(start);
        start..end
    }

    fn locate(&self, span: &Range<usize>) -> (Position, Excerpt) {
        let Range { start, end } = self.clamp(span);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |len| start + len);
        let line = self.text[..start].matches('\n').count() + 1;
        let before = self.text[line_start..start].chars().count();
        let marked = self.text[start..end.min(line_end).max(start)].chars().count();

        let skipped = if before > EXCERPT_WIDTH - EXCERPT_LEAD { before - EXCERPT_LEAD } else { 0 };
        let shown: String = self.text[line_start..line_end]
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
}

fn fit_for_terminal(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) source: Arc<Source>,
    /// Byte offsets.
    pub(crate) span: Range<usize>,
}

impl At {
    /// Creates a diagnostic that points here.
    pub(crate) fn error(&self, message: impl Into<String>) -> Diagnostic {
        let (position, excerpt) = self.source.locate(&self.span);
        let mut diagnostic = Diagnostic::new(self.source.origin.to_string(), message);
        diagnostic.position = Some(position);
        diagnostic.excerpt = Some(excerpt);
        diagnostic
    }

    /// Returns the place as `file:line`, for a diagnostic that mentions a second place.
    pub(crate) fn line(&self) -> String {
        format!("{}:{}", self.source.origin, self.source.locate(&self.span).0.line)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) at: At,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(text: &str, span: Range<usize>) -> (Position, Excerpt) {
        Source { origin: Origin::file("x.toml"), text: text.to_owned() }.locate(&span)
    }

    #[test]
    fn columns_count_characters_and_marks_stay_on_the_line() {
        let (position, excerpt) = locate("a = 1\né\t= \"x\r\ny\"", 10..16);
        assert_eq!((position.line, position.column), (2, 4));
        assert_eq!((excerpt.line.as_str(), excerpt.indent, excerpt.width), ("é = \"x", 3, 3));
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let (position, excerpt) = locate(&"x".repeat(5000), 3000..4000);
        assert_eq!(position.column, 3001);
        assert_eq!(excerpt.line.len(), EXCERPT_WIDTH);
        assert_eq!((excerpt.indent, excerpt.width), (EXCERPT_LEAD, EXCERPT_WIDTH - EXCERPT_LEAD));
    }

    #[test]
    fn spans_outside_the_text_are_moved_inside() {
        for span in [0..9, 7..9, 1..2, 3..3] {
            locate("é", span);
        }
        locate("", 0..0);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        let bytes = b"ok = 1\nbad = \"\xff\x1b\"".to_vec();
        let error = Source::new(Origin::file("x.toml"), bytes).unwrap_err();
        assert_eq!(error.as_slice()[0].position, Some(Position { line: 2, column: 8 }));
        assert!(!error.to_string().contains('\x1b'));
    }
}
