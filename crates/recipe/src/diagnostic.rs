use std::fmt;

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

/// One thing that is wrong with a recipe or a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The file, as the user named it, or the name of a shipped recipe.
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
    /// Creates a diagnostic about a whole file.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
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

    /// Sets the hint if there is one.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
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

/// Everything that was found wrong at once; never empty.
///
/// Each diagnostic shows its own hint, and the list has no further cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics {
    pub(crate) items: Vec<Diagnostic>,
    /// How many more were found than `items` holds.
    pub(crate) left_out: usize,
}

impl Diagnostics {
    /// Returns the diagnostics, by file and position.
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.items
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(item: Diagnostic) -> Self {
        Self { items: vec![item], left_out: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            item.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\n\n… and {} more", self.left_out)?;
        }
        Ok(())
    }
}
