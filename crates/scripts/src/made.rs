use std::collections::BTreeSet;

use crate::value::{Argument, Value};

/// The most paths that are remembered.
const PATHS_MAX: usize = 2000;

/// Commands that make files; any of their arguments may name one.
const MAKERS: [&str; 12] =
    ["cp", "dd", "install", "ln", "mkdir", "mknod", "mv", "tar", "tee", "touch", "ucf", "mkfifo"];

/// Files that a script may have made so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    paths: BTreeSet<String>,
    /// Whether it may have made a file whose name is not known.
    others: bool,
}

impl Made {
    /// Remembers what a command may make.
    pub(crate) fn add(&mut self, words: &[Argument], writes: &[Argument]) {
        let name = words.first().and_then(Argument::as_known).unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        // What is moved away is not made.
        let skipped = if name == "mv" { words.len().saturating_sub(1).max(1) } else { 1 };
        let arguments = words.iter().skip(skipped).filter(|_| MAKERS.contains(&name));
        for word in arguments.chain(writes) {
            match &word.value {
                Value::Known(path) if self.paths.len() < PATHS_MAX => {
                    if path.starts_with('/') && !path.starts_with("/dev/") {
                        self.paths.insert(path.trim_end_matches('/').to_owned());
                    }
                }
                Value::Temporary => {}
                Value::Known(_) | Value::Prefix(_) | Value::Unknown => self.others = true,
            }
        }
    }

    /// Tells whether a file of the name may have been made.
    pub(crate) fn holds(&self, path: &Value) -> bool {
        match path {
            Value::Known(path) => self.holds_path(path),
            Value::Prefix(prefix) => {
                let from = self.paths.range(prefix.clone()..).next();
                from.is_some_and(|path| path.starts_with(prefix.as_str()))
            }
            Value::Temporary => true,
            Value::Unknown => self.others || !self.paths.is_empty(),
        }
    }

    /// Tells whether a path, or one below it, may have been made.
    pub(crate) fn holds_path(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.paths.contains(path)
            || self.paths.range(below.clone()..).next().is_some_and(|p| p.starts_with(&below))
    }

    /// Tells whether files may have been made whose names are not known.
    pub(crate) fn holds_others(&self) -> bool {
        self.others
    }
}
