//! The syntax tree of a shell script (POSIX.1-2017, Shell Command Language, 2.10).

use std::sync::Arc;

/// Commands one after the other.
pub(crate) type List = Vec<AndOr>;

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AndOr {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(Join, Pipeline)>,
}

/// How a pipeline depends on what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
}

/// Commands whose output is the next one's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    pub(crate) commands: Vec<Command>,
}

/// A command with its redirections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    pub(crate) redirects: Vec<Redirect>,
    /// Counted from 1.
    pub(crate) line: u32,
}

/// What a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple {
        assignments: Vec<Assignment>,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    If {
        arms: Vec<(List, List)>,
        otherwise: List,
    },
    Case {
        subject: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    For {
        variable: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    While {
        condition: List,
        until: bool,
        body: List,
    },
    Function {
        name: String,
        body: Arc<Command>,
    },
    /// `((…))`: no program is called in it.
    Arithmetic,
}

/// `name=value` before a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    /// `None` if the value is beyond what is followed: an array, an appended one.
    pub(crate) value: Option<Word>,
}

/// One redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) direction: Direction,
    /// The file or descriptor; of a here-document its text.
    pub(crate) target: Word,
}

/// Where data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a file, a here-document, or a descriptor.
    In,
    /// To a file.
    Out,
    /// To the end of a file.
    Append,
    /// From a text in the script.
    Text,
    /// To another descriptor.
    Duplicate,
}

/// A word before it is expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) parts: Vec<Part>,
    /// As it stands in the script.
    pub(crate) source: String,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text; `quoted` text is no pattern and no list of words.
    Literal { text: String, quoted: bool },
    /// `$name`, `${name}`, `${name-word}`, and the like.
    Parameter { name: String, operation: Option<Operation>, quoted: bool },
    /// `$(…)` or backquotes.
    Commands { list: List, quoted: bool },
    /// `$((…))`, and whatever else gives text that is not followed.
    Opaque,
}

/// What is done to a parameter before it is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// `-`, `:-`, `=`, `:=`, `?`, `:?`, `+`, `:+`, `#`, `##`, `%`, `%%`; others are not followed.
    pub(crate) operator: String,
    pub(crate) word: Word,
}
