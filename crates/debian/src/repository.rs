use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::GrammarError;

/// The longest name, in bytes.
const NAME_MAX: usize = 32;

/// Words that name Debian's own archives and packages that come from none.
const RESERVED: [&str; 3] = ["local", "main", "security"];

/// The name that a recipe gives to a repository of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let shape = (1..=NAME_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(rest)
            && !RESERVED.contains(&text);
        shape.then(|| Self(text.into())).ok_or_else(|| {
            GrammarError::new(
                text,
                "a repository's name",
                "it has at most 32 of a-z, 0-9 and \"-\", starts with a letter, and is none of \
                 main, security, local",
            )
        })
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where packages come from: which archive, and which suite of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The archive.
    pub archive: crate::ArchiveId,
    /// The suite's name, as it was asked for; empty for packages that come from no archive.
    pub suite: String,
    /// Whether packages are chosen from it without being pinned to it: not so where the release
    /// says `NotAutomatic: yes`, as backports do.
    pub automatic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_debians_own_archives_are_taken() {
        for good in ["docker", "a", "my-own-2"] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in ["", "main", "security", "local", "Docker", "2a", "a/b", "-a", "a_b"] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
    }
}
