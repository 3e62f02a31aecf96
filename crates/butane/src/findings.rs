use std::ops::Range;

use flagstone_artifact::Diagnostic;

/// How many findings are kept; more are only counted.
const KEPT: usize = 100;

/// Why a configuration is not translated.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be translated")]
pub struct Refusal {
    /// What is wrong, by place.
    pub errors: Vec<Diagnostic>,
    /// What is doubtful besides.
    pub warnings: Vec<Diagnostic>,
    /// How many more there are of both.
    pub left_out: usize,
}

impl From<Diagnostic> for Refusal {
    fn from(error: Diagnostic) -> Self {
        Self { errors: vec![error], ..Self::default() }
    }
}

/// Something that was found, before it is shown.
#[derive(Debug)]
pub(crate) struct Problem {
    span: Range<usize>,
    diagnostic: Diagnostic,
}

impl Problem {
    pub(crate) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { span: span.clone(), diagnostic: Diagnostic::new("", message) }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.diagnostic.expected = Some(expected.into());
        self
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.diagnostic.found = Some(found.into());
        self
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.diagnostic = self.diagnostic.maybe_hint(hint);
        self
    }
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
        Self { path, text, found: Refusal::default() }
    }

    pub(crate) fn error(&mut self, problem: Problem) {
        // Counting lines is slow, and what is not kept needs none.
        if self.found.errors.len() < KEPT {
            let diagnostic = self.located(problem);
            self.found.errors.push(diagnostic);
        } else {
            self.found.left_out += 1;
        }
    }

    pub(crate) fn warn(&mut self, problem: Problem) {
        if self.found.warnings.len() < KEPT {
            let diagnostic = self.located(problem);
            self.found.warnings.push(diagnostic);
        } else {
            self.found.left_out += 1;
        }
    }

    fn located(&self, problem: Problem) -> Diagnostic {
        let mut diagnostic = problem.diagnostic.at(self.text, &problem.span);
        self.path.clone_into(&mut diagnostic.path);
        diagnostic
    }

    /// Says of a key that the first of its name stands elsewhere.
    pub(crate) fn twice(&mut self, second: &Range<usize>, first: &Range<usize>) {
        let kept = self.found.errors.len() < KEPT;
        let line = kept.then(|| self.text[..first.start].matches('\n').count() + 1);
        let hint = line.map(|line| format!("the first is in line {line}"));
        self.error(Problem::new(second, "the key is there twice").maybe_hint(hint));
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
