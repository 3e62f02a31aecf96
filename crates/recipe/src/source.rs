use std::ops::Range;
use std::sync::Arc;

use flagstone_artifact::locate;
use toml::de::DeTable;

use crate::origin::Origin;
use crate::report::Report;
use crate::{Diagnostic, Diagnostics, Excerpt, Position};

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
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end).max(start);
        &self.text[start..end]
    }

    fn locate(&self, span: &Range<usize>) -> (Position, Excerpt) {
        locate(&self.text, span)
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

    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        let bytes = b"ok = 1\nbad = \"\xff\x1b\"".to_vec();
        let error = Source::new(Origin::file("x.toml"), bytes).unwrap_err();
        assert_eq!(error.as_slice()[0].position, Some(Position { line: 2, column: 8 }));
        assert!(!error.to_string().contains('\x1b'));
    }
}
