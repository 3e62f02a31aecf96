use std::fmt;
use std::io;
use std::path::PathBuf;

use flagstone_tree::{TreeError, TreePath};

/// Why a command could not run in a tree, or its result not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The tree cannot be put on the disk.
    #[error("failed to write {}", path.display())]
    WriteOut {
        /// Where on the disk.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something of the tree has no place on a user's disk, or is in the way of a file system that
    /// the command needs.
    #[error("/{0} is of a kind that commands cannot work with")]
    Kind(TreePath),
    /// The command's process cannot be started at all.
    #[error("failed to start a process for {command}")]
    Spawn {
        /// The command's name.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine does not let this user have what keeps the command away from it.
    #[error("{command} cannot be kept away from this machine: failed to {step}")]
    Confine {
        /// The command's name.
        command: String,
        /// What was tried.
        step: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The program does not start inside the tree.
    #[error("{command} does not start inside the tree")]
    Start {
        /// The command's name.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command ran and failed.
    #[error("{command} ended with {status}")]
    Failed {
        /// The command's name.
        command: String,
        /// "exit status 1", "signal 9".
        status: String,
        /// The end of what it printed.
        #[source]
        output: LastWords,
    },
    /// The folder cannot be read back.
    #[error("failed to read /{path} back")]
    ReadBack {
        /// The path in the tree.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command left what an image cannot hold.
    #[error("the command left a socket, pipe or device at /{0}")]
    Special(TreePath),
    /// The command left a name that no package may have either.
    #[error("the command left a name with control characters in /{0}")]
    ControlCharacter(TreePath),
    /// The command left more than anybody can have meant.
    #[error("the command left more than {0}")]
    TooMuch(&'static str),
    /// A name that the command made is none.
    #[error("the command left a path that cannot be in an image")]
    Path(#[source] TreeError),
}

impl SandboxError {
    /// Returns what the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Confine { source, .. } => Some(confinement(source)),
            Self::Start { source, .. } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "is it an executable file, and lets the output folder's file system programs \
                     run (mount option noexec)?"
                        .to_owned()
                }
                _ => "add the package that ships the program, and its interpreter".to_owned(),
            }),
            Self::Special(_) => Some("let the command remove it before it ends".to_owned()),
            _ => None,
        }
    }
}

/// Switches that forbid namespaces to ordinary users: where they are, the value that forbids, and
/// what to do (Debian's, Ubuntu's and the kernel's own).
const SWITCHES: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "allow user namespaces: sysctl user.max_user_namespaces=1000",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "allow user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

fn confinement(source: &io::Error) -> String {
    let set = SWITCHES.iter().find(|(path, value, _)| {
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == *value)
    });
    match set {
        Some((_, _, hint)) => (*hint).to_owned(),
        None if source.kind() == io::ErrorKind::PermissionDenied => {
            "a container or security module may forbid namespaces: build where user namespaces are \
             allowed"
                .to_owned()
        }
        None => "build where user namespaces are allowed, or without commands".to_owned(),
    }
}

/// The end of what a command printed, fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords(String);

impl LastWords {
    /// How many lines are shown.
    const LINES: usize = 20;

    pub(crate) fn new(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        let fit = |c: char| if c == '\t' || !c.is_control() { c } else { '\u{fffd}' };
        let lines: Vec<String> =
            text.lines().map(|line| line.trim_end().chars().map(fit).collect()).collect();
        let last = lines.len().saturating_sub(Self::LINES);
        Self(lines[last..].join("\n"))
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "it printed nothing" } else { &self.0 })
    }
}

impl std::error::Error for LastWords {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn last_words_are_few_and_harmless() {
        let lines: Vec<String> = (0..30).map(|i| format!("line {i}\x1b[31m")).collect();
        let words = LastWords::new(lines.join("\n").as_bytes()).to_string();
        assert_eq!(words.lines().count(), LastWords::LINES);
        assert!(words.starts_with("line 10") && !words.contains('\x1b'), "{words}");
        assert_eq!(LastWords::new(b"").to_string(), "it printed nothing");
    }

    #[test]
    fn no_cause_is_told_twice() {
        let output = LastWords::new(b"no such font");
        let status = "exit status 1".to_owned();
        let error = SandboxError::Failed { command: "fonts".into(), status, output };
        let cause = error.source().unwrap().to_string();
        assert_eq!((cause.as_str(), error.to_string().contains(&cause)), ("no such font", false));
    }
}
