use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

/// Who signs what (TUF 1.0, 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Says which keys the roles have, its own too.
    Root,
    /// Says which files there are.
    Targets,
    /// Says which version of the targets is meant.
    Snapshot,
    /// Says how new all of it is.
    Timestamp,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// Returns the word that stands for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// Returns the name of its file, without a version.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Root => "root.json",
            Self::Targets => "targets.json",
            Self::Snapshot => "snapshot.json",
            Self::Timestamp => "timestamp.json",
        }
    }

    /// Returns the longest file, in bytes, that is read where nobody says how long it is.
    pub(crate) const fn limit(self) -> u64 {
        match self {
            Self::Root => 512 << 10,
            Self::Targets => 16 << 20,
            Self::Snapshot | Self::Timestamp => 64 << 10,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| ParseError {
            text: text.chars().take(80).collect(),
            what: "a role",
            rule: "it is \"root\", \"targets\", \"snapshot\" or \"timestamp\"",
        })
    }
}
