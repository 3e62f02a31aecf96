use std::fmt;

use crate::value::{Argument, Chance, Value};

/// The longest text of a command that is shown, in characters.
const SHOWN_MAX: usize = 100;

/// A simple command that a first installation may run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// Where it stands in the script, counted from 1.
    pub line: u32,
    /// Its name and arguments; empty for a redirection without a command.
    pub words: Vec<Argument>,
    /// The files that its output goes to.
    pub writes: Vec<Argument>,
    /// Whether the output goes to the end of what is there.
    pub appends: bool,
    /// The text that is its input, if the script holds it.
    pub input: Option<Value>,
    /// How likely a first installation runs it.
    pub chance: Chance,
}

impl Action {
    /// Returns the command's name without its folder, if it is known.
    pub fn name(&self) -> Option<&str> {
        let name = self.words.first()?.as_known()?;
        Some(name.rsplit('/').next().unwrap_or(name))
    }

    /// Returns the arguments, as far as they are known.
    pub fn arguments(&self) -> impl DoubleEndedIterator<Item = Option<&str>> + Clone {
        self.words.iter().skip(1).map(Argument::as_known)
    }

    /// Returns all arguments if every one is known.
    pub fn literal_arguments(&self) -> Option<Vec<&str>> {
        self.arguments().collect()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for word in &self.words {
            text.push_str(&word.to_string());
            text.push(' ');
        }
        for file in &self.writes {
            text.push_str("> ");
            text.push_str(&file.to_string());
            text.push(' ');
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String =
            text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if text.chars().count() > SHOWN_MAX {
            let cut: String = text.chars().take(SHOWN_MAX - 1).collect();
            return write!(f, "{cut}…");
        }
        f.write_str(&text)
    }
}

/// Where a command's output goes, and where its input comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redirected {
    pub(crate) writes: Vec<Argument>,
    pub(crate) appends: bool,
    pub(crate) input: Option<Value>,
}

impl Redirected {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
