//! Commands that a recipe runs inside the tree.

use toml::de::DeValue;

use crate::decode::{Decode, Node, Word};
use crate::report::Report;
use crate::source::Located;
use crate::table::{Onto, Supersede, table};
use crate::word::word;

word! {
    /// The name of a command that a recipe runs.
    RunName, "the name of a command",
    "it has 1 to 32 of a-z, 0-9 and \"-\", and starts with a letter or digit",
    "^[a-z0-9][a-z0-9-]{0,31}$",
    |text| (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Word for RunName {}

/// The shell that scripts are for, and the arguments before them: it stops at the first failure.
const SHELL: [&str; 3] = ["/bin/sh", "-e", "-c"];

/// The longest script: the kernel takes no longer argument (`MAX_ARG_STRLEN`).
const SCRIPT_MAX: usize = (128 << 10) - 1;

/// A command to run inside the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The program's absolute path in the image, then its arguments.
    pub command: Vec<String>,
    /// Where the recipe says so, as `file:line`, for messages.
    pub place: String,
}

table! {
    entry
    /// A command to run inside the tree, which makes the build depend on more than recipe and lock.
    struct RunLayer {
        /// The program's absolute path in the image, then its arguments.
        command: Argv,
        /// Text for the image's /bin/sh, which stops at the first failure; instead of a command.
        script: Script,
    }
}

impl Supersede for RunLayer {
    /// A new command takes the place of the old one, however either is given.
    fn supersede(&self, base: &mut Self) {
        if self.command.is_some() || self.script.is_some() {
            (base.command, base.script) = (None, None);
        }
    }
}

/// A program and its arguments.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transparent))]
pub(crate) struct Argv(#[cfg_attr(test, schemars(length(min = 1)))] pub(crate) Vec<String>);

impl Onto for Argv {}

impl Decode for Argv {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        if let DeValue::String(text) = node.value.get_ref() {
            let words: Vec<String> = text.split_whitespace().map(|w| format!("{w:?}")).collect();
            node.wrong_type_hint("an array of strings", &format!("[{}]", words.join(", ")), report);
            return None;
        }
        let words: Vec<Located<String>> = Vec::decode(node, report)?;
        let absolute = words.first().is_some_and(|program| program.value.starts_with('/'));
        if !absolute {
            let error = node.at().error(format!("`{}` names no program", node.key));
            report.push(error.expected("the program's absolute path as the first element"));
            return None;
        }
        let nul = words.iter().find(|word| word.value.contains('\0'));
        if let Some(nul) = nul {
            report.push(nul.at.error("an argument cannot hold a NUL"));
            return None;
        }
        Some(Self(words.into_iter().map(|word| word.value).collect()))
    }
}

/// A shell script.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transparent))]
pub(crate) struct Script(#[cfg_attr(test, schemars(length(min = 1)))] pub(crate) String);

impl Script {
    /// Returns the command that runs the script.
    pub(crate) fn into_command(self) -> Vec<String> {
        SHELL.map(str::to_owned).into_iter().chain([self.0]).collect()
    }
}

impl Onto for Script {}

impl Decode for Script {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let text = String::decode(node, report)?;
        if text.trim().is_empty() || text.len() > SCRIPT_MAX || text.contains('\0') {
            let error = node.at().error(format!("`{}` is not a script", node.key));
            report.push(error.expected("text for a shell, shorter than 128 KiB"));
            return None;
        }
        Some(Self(text))
    }
}
