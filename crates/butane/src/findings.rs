use std::ops::Range;

use flagstone_artifact::Diagnostic;

/// How many findings are kept; more are only counted.
const KEPT: usize = 100;

/// Why a configuration is not translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be translated")]
pub struct Refusal {
    /// What is wrong, by place.
    pub errors: Vec<Diagnostic>,
    /// What is doubtful besides.
    pub warnings: Vec<Diagnostic>,
    /// How many more there are of both.
    pub left_out: usize,
}

/// Collects what is found in one text.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    path: &'a str,
    text: &'a str,
    found: Refusal,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        let found = Refusal { errors: Vec::new(), warnings: Vec::new(), left_out: 0 };
        Self { path, text, found }
    }

    /// Makes a diagnostic about a place.
    pub(crate) fn at(&self, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::new(self.path, message);
        // Counting lines is slow, and what is not kept needs none.
        let full = self.found.errors.len() >= KEPT && self.found.warnings.len() >= KEPT;
        if full { diagnostic } else { diagnostic.at(self.text, span) }
    }

    pub(crate) fn error(&mut self, diagnostic: Diagnostic) {
        if self.found.errors.len() < KEPT {
            self.found.errors.push(diagnostic);
        } else {
            self.found.left_out += 1;
        }
    }

    pub(crate) fn warn(&mut self, diagnostic: Diagnostic) {
        if self.found.warnings.len() < KEPT {
            self.found.warnings.push(diagnostic);
        } else {
            self.found.left_out += 1;
        }
    }

    /// Returns the warnings.
    ///
    /// # Errors
    /// Everything that was found, if there is an error among it.
    pub(crate) fn finish(mut self) -> Result<Vec<Diagnostic>, Refusal> {
        let place = |diagnostic: &Diagnostic| diagnostic.position;
        self.found.errors.sort_by_key(place);
        self.found.warnings.sort_by_key(place);
        if self.found.errors.is_empty() { Ok(self.found.warnings) } else { Err(self.found) }
    }
}

/// Quotes a text of the configuration for a message: short, and on one line.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
