use std::ops::Range;

use flagstone_artifact::Diagnostic;
use serde::Serialize;

use crate::written::Written;

/// How many findings are shown; more are only counted.
pub(crate) const SHOWN: usize = 100;

/// What becomes of a configuration that has what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Ignition refuses the whole configuration when it reads it.
    Refused,
    /// Ignition takes it, and then it fails on the machine, or cannot mean what it says.
    Fails,
    /// It works, but perhaps not as it was meant.
    Doubtful,
}

impl Verdict {
    /// Tells whether it is an error; what is none is a warning.
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::Doubtful)
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What becomes of the configuration.
    pub verdict: Verdict,
    /// Where it is, what is wrong, and what would be right.
    pub diagnostic: Diagnostic,
}

/// Everything that was found in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is worth showing, by place.
    pub findings: Vec<Finding>,
    /// How many errors there are, those that `findings` lacks included.
    pub errors: usize,
    /// How many warnings there are, likewise.
    pub warnings: usize,
    /// Whether Ignition itself would refuse the file.
    pub refused: bool,
}

impl Report {
    /// Adds what was found by others.
    pub fn add(&mut self, verdict: Verdict, diagnostics: Vec<Diagnostic>) {
        let count = diagnostics.len();
        *if verdict.is_error() { &mut self.errors } else { &mut self.warnings } += count;
        self.refused |= verdict == Verdict::Refused && count > 0;
        let findings = diagnostics.into_iter();
        self.findings.extend(findings.map(|diagnostic| Finding { verdict, diagnostic }));
        self.sort();
    }

    fn sort(&mut self) {
        self.findings.sort_by_key(|finding| {
            (finding.diagnostic.position, finding.verdict, finding.diagnostic.message.clone())
        });
    }

    /// Returns how many findings there are beyond those that are shown.
    pub fn left_out(&self) -> usize {
        self.errors + self.warnings - self.findings.len()
    }
}

/// Something that was found, before it is shown.
#[derive(Debug)]
pub(crate) struct Problem<'p> {
    pub(crate) verdict: Verdict,
    span: &'p Range<usize>,
    message: String,
    expected: Option<String>,
    found: Option<String>,
    hint: Option<String>,
    /// The line, from 1, of the text that stands at `span`, and what that line says.
    line: Option<(usize, &'p str)>,
}

impl<'p> Problem<'p> {
    fn new(verdict: Verdict, span: &'p Range<usize>, message: impl Into<String>) -> Self {
        let (expected, found, hint) = (None, None, None);
        Self { verdict, span, message: message.into(), expected, found, hint, line: None }
    }

    /// Ignition refuses the configuration.
    pub(crate) fn refused(span: &'p Range<usize>, message: impl Into<String>) -> Self {
        Self::new(Verdict::Refused, span, message)
    }

    /// Ignition takes it, and it fails later.
    pub(crate) fn fails(span: &'p Range<usize>, message: impl Into<String>) -> Self {
        Self::new(Verdict::Fails, span, message)
    }

    /// It may not be what was meant.
    pub(crate) fn doubtful(span: &'p Range<usize>, message: impl Into<String>) -> Self {
        Self::new(Verdict::Doubtful, span, message)
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which line of a text it is about.
    pub(crate) fn line(mut self, line: usize, text: &'p str) -> Self {
        self.line = Some((line, text));
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// Collects problems of one file.
#[derive(Debug)]
pub(crate) struct Collector<'a> {
    path: &'a str,
    text: &'a str,
    /// What the text was translated from.
    written: Option<&'a Written<'a>>,
    report: Report,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, written: None, report: Report::default() }
    }

    /// Makes one for a text that was translated: places and words are those of what was written.
    pub(crate) fn translated(written: &'a Written<'a>) -> Self {
        let Written { path, text, .. } = *written;
        Self { path, text, written: Some(written), report: Report::default() }
    }

    /// Chooses the words of JSON, or those of the language that it was translated from.
    pub(crate) fn words<T>(&self, json: T, written: T) -> T {
        if self.written.is_some() { written } else { json }
    }

    /// Returns how what begins at a byte of the JSON was written, if JSON is a translation.
    pub(crate) fn spelled(&self, span: &Range<usize>) -> Option<&'a str> {
        let written = self.written?;
        written.text.get((written.place)(span.start))
    }

    /// Adds a problem; past the first hundred it is only counted, and errors go before warnings.
    pub(crate) fn add(&mut self, problem: Problem<'_>) {
        let is_error = problem.verdict.is_error();
        self.report.errors += usize::from(is_error);
        self.report.warnings += usize::from(!is_error);
        self.report.refused |= problem.verdict == Verdict::Refused;
        if self.report.findings.len() == SHOWN {
            let mut kept = self.report.findings.iter();
            let warning = kept.rposition(|finding| !finding.verdict.is_error());
            let Some(warning) = warning.filter(|_| is_error) else { return };
            self.report.findings.remove(warning);
        }
        let place = self.written.map(|written| written.place_of(problem.span, problem.line));
        let span = place.as_ref().unwrap_or(problem.span);
        let mut diagnostic = Diagnostic::new(self.path, problem.message).at(self.text, span);
        diagnostic.expected = problem.expected;
        diagnostic.found = problem.found;
        diagnostic.hint = problem.hint;
        self.report.findings.push(Finding { verdict: problem.verdict, diagnostic });
    }

    pub(crate) fn finish(self) -> Report {
        let mut report = self.report;
        report.sort();
        report
    }
}
