use flagstone_tree::{TreeError, TreePath};

/// What can be wrong with one data archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive ends inside a member or without its end mark.
    #[error("the archive ends at byte {0}, before its end mark")]
    Truncated(u64),
    /// A header's checksum does not match, or a number in it is none.
    #[error("the header at byte {offset} is damaged: {reason}")]
    Header {
        /// Where the header starts.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A member's path leaves the tree or is none.
    #[error("member {path:?} is refused: {reason}")]
    Member {
        /// The path as written, lossily as UTF-8.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A hard link names something that is no earlier file of the same archive.
    #[error("/{path} is a hard link to {target:?}, which is no file of the same package")]
    HardLink {
        /// The link.
        path: TreePath,
        /// Its target as written.
        target: String,
    },
}

/// What can go wrong between packages and the finished tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A package's archive cannot be used.
    #[error("failed to read the files of package {package}")]
    Archive {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// Two packages ship different things under one path.
    #[error("/{path} is in package {first} and, different, in package {second}")]
    Conflict {
        /// The path.
        path: TreePath,
        /// The package that comes first by name.
        first: String,
        /// The other.
        second: String,
    },
    /// Two packages have one name.
    #[error("package {0} is given twice")]
    DuplicatePackage(String),
    /// A package has a file where another needs a directory.
    #[error("package {package} puts files below /{path}, which is no directory")]
    NotADirectory {
        /// What is in the way.
        path: TreePath,
        /// The package that needs the directory.
        package: String,
    },
    /// The tree could not be edited.
    #[error("the {step} step failed")]
    Tree {
        /// The finisher.
        step: &'static str,
        /// Why.
        #[source]
        source: TreeError,
    },
    /// A configuration file that a package or a recipe ships cannot be understood.
    #[error("/{path}, line {line}: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Two accounts claim one number.
    #[error("{kind} {name} cannot have the id {id}, which {holder} has")]
    IdTaken {
        /// "user" or "group".
        kind: &'static str,
        /// Who asks.
        name: String,
        /// For which number.
        id: u32,
        /// Who has it.
        holder: String,
    },
    /// No number is left for a system account.
    #[error("no id is left for {0}")]
    NoIdLeft(String),
    /// Something names a user or group that the image does not have.
    #[error("{wanted_by} needs the {kind} {name:?}, which does not exist")]
    UnknownAccount {
        /// "user" or "group".
        kind: &'static str,
        /// The name.
        name: String,
        /// What needs it.
        wanted_by: String,
    },
    /// A name or field of an account breaks the files' grammar.
    #[error("{value:?} cannot be {what} of an account")]
    InvalidAccount {
        /// The text.
        value: String,
        /// "the name", "the home", …
        what: &'static str,
    },
    /// A unit that is to be enabled or disabled does not exist.
    #[error("unit {0} does not exist in the image")]
    UnknownUnit(String),
    /// A text is not a unit's name.
    #[error("{0:?} is not the name of a unit")]
    InvalidUnitName(String),
    /// A file of the recipe cannot be placed.
    #[error("the recipe's file {path:?} cannot be placed")]
    OwnFile {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: TreeError,
    },
    /// A file of the recipe lies where the image has no place for it.
    #[error("the recipe's file {0:?} is neither below /usr nor below /etc")]
    OutsideImage(String),
    /// No package brings the program that a recipe chose for a command.
    #[error("{place} makes {command} the program {program}, which does not exist")]
    NoProvider {
        /// The command.
        command: String,
        /// The program.
        program: String,
        /// Where the recipe says so.
        place: String,
        /// What could be meant.
        present: Vec<String>,
    },
    /// A recipe chooses a program for a path that a package has a file or directory at.
    #[error("{place} cannot choose what {command} is: a package ships it")]
    NoChoice {
        /// The command.
        command: String,
        /// Where the recipe says so.
        place: String,
    },
    /// A recipe gives an owner to what is not there.
    #[error("there is no {path}, which {place} is about")]
    NothingThere {
        /// The path.
        path: String,
        /// Where the recipe says so.
        place: String,
    },
    /// A recipe gives capabilities to what is no file, or an owner to a link.
    #[error("{path}, which {place} is about, is of another kind than it takes")]
    NotAProgram {
        /// The path.
        path: String,
        /// Where the recipe says so.
        place: String,
    },
    /// A certificate file is not a certificate.
    #[error("/{path} is no certificate: {reason}")]
    Certificate {
        /// The file.
        path: TreePath,
        /// What is wrong.
        reason: &'static str,
    },
    /// The tree holds more than one kernel.
    #[error("there are several kernels: {}", .0.join(", "))]
    SeveralKernels(Vec<String>),
    /// An extension would have nothing in it.
    #[error("the extension has nothing that its base has not")]
    NothingToExtend,
    /// A pattern cannot be understood.
    #[error("{0:?} is not a pattern of paths")]
    InvalidGlob(String),
}

impl RootfsError {
    /// Returns what the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Archive { package, .. } => {
                format!("fetch {package} again; if it stays so, the package is unusable")
            }
            Self::Conflict { path, first, second } => {
                format!("leave out {first} or {second}, or prune /{path}")
            }
            Self::IdTaken { name, .. } => format!("give {name} another id in the recipe"),
            Self::UnknownAccount { kind, name, .. } => {
                format!("add {kind} {name:?} to the recipe, or the package that brings it")
            }
            Self::UnknownUnit(unit) => {
                format!("add the package that ships {unit}, or take {unit} out of the recipe")
            }
            Self::OutsideImage(_) => {
                "put it below /usr or /etc; a line under [tmpfiles] makes it elsewhere at boot"
                    .to_owned()
            }
            Self::NoProvider { present, .. } if present.is_empty() => {
                "add the package that ships the program to the recipe".to_owned()
            }
            Self::NoProvider { present, .. } => {
                format!(
                    "there is {}; or add the package that ships the program",
                    present.join(", ")
                )
            }
            Self::NoChoice { command, .. } => {
                format!("to replace it all the same, give {command} under [links]")
            }
            Self::NothingThere { .. } => {
                "add the package that ships it, or correct the path".to_owned()
            }
            Self::NotAProgram { .. } => {
                "owners are for files and directories, capabilities for files: name what a link \
                 points to"
                    .to_owned()
            }
            Self::SeveralKernels(_) => "name exactly one kernel package in the recipe".to_owned(),
            Self::InvalidGlob(_) => {
                "write a path relative to /, with * for part of a name and ** for any directories"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// Names the finisher in which a [`TreeError`] arose.
pub(crate) trait InStep<T> {
    fn in_step(self, step: &'static str) -> Result<T, RootfsError>;
}

impl<T> InStep<T> for Result<T, TreeError> {
    fn in_step(self, step: &'static str) -> Result<T, RootfsError> {
        self.map_err(|source| RootfsError::Tree { step, source })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn no_cause_is_told_twice() {
        let path = || TreePath::new("etc/x").unwrap_or_default();
        let errors = [
            RootfsError::Archive {
                package: "p".into(),
                source: ArchiveError::HardLink { path: path(), target: "y".into() },
            },
            RootfsError::Tree { step: "users", source: TreeError::NotText(path()) },
            RootfsError::OwnFile { path: "/etc/x".into(), source: TreeError::Exists(path()) },
        ];
        for error in errors {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(!cause.is_empty() && !error.to_string().contains(&cause), "{error}");
        }
    }
}
