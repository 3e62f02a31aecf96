use std::fmt;

/// Something a person may want to know about a build that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The step that says it: "merge", "users", "split", …
    pub step: &'static str,
    /// What it says.
    pub text: String,
}

impl Note {
    pub(crate) fn new(step: &'static str, text: impl Into<String>) -> Self {
        Self { step, text: text.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.text)
    }
}
