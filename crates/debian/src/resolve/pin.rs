use std::fmt;
use std::str::FromStr;

use super::Request;
use crate::version::compare_versions;
use crate::{ArchiveId, Candidate, DebVersion, GrammarError, RepositoryName, Universe};

/// Which candidates of one package may be chosen; what is not said is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The version.
    pub version: Option<VersionPattern>,
    /// The suite that offers it.
    pub suite: Option<String>,
    /// The repository that offers it.
    pub repository: Option<RepositoryName>,
}

/// A version, or how it starts: `1:2.3-4`, `6.12.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionPattern {
    /// This version.
    Exact(DebVersion),
    /// All versions whose text starts so; not empty.
    Prefix(String),
}

impl VersionPattern {
    /// Tells whether a version is meant.
    pub fn allows(&self, version: &str) -> bool {
        match self {
            Self::Exact(exact) => compare_versions(exact.as_str(), version).is_eq(),
            Self::Prefix(prefix) => version.starts_with(prefix),
        }
    }
}

impl FromStr for VersionPattern {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let Some(prefix) = text.strip_suffix('*') else { return text.parse().map(Self::Exact) };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".+~:-".contains(&b);
        let shape = prefix.len() <= 128
            && prefix.starts_with(|c: char| c.is_ascii_digit())
            && prefix.bytes().all(plain);
        shape.then(|| Self::Prefix(prefix.to_owned())).ok_or_else(|| {
            let rule = "before its \"*\" it has a digit, then letters, digits and any of \".+-~:\"";
            GrammarError::new(text, "the start of a version", rule)
        })
    }
}

impl fmt::Display for VersionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Pin {
    fn allows(&self, candidate: Candidate<'_>) -> bool {
        let version = self.version.as_ref();
        let place = |origin: &crate::Origin| {
            let suite = self.suite.as_ref().is_none_or(|suite| *suite == origin.suite);
            suite
                && self.repository.as_ref().is_none_or(
                    |name| matches!(&origin.archive, ArchiveId::Repository(other) if other == name),
                )
        };
        version.is_none_or(|version| version.allows(candidate.version()))
            && candidate.origins().any(place)
    }

    /// Tells whether it says where the package comes from.
    fn names_a_place(&self) -> bool {
        self.suite.is_some() || self.repository.is_some()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_ref().map(|version| format!("version {version}"));
        let suite = self.suite.as_ref().map(|suite| format!("suite {suite}"));
        let repository = self.repository.as_ref().map(|name| format!("repository {name}"));
        let words: Vec<String> = [version, suite, repository].into_iter().flatten().collect();
        f.write_str(&words.join(", "))
    }
}

/// Tells whether a candidate may be chosen at all.
///
/// A file beside the recipe stands in for every other package of its name. A suite that is not
/// automatic is used by a pin alone, and so is a repository for names that Debian has, too: a
/// repository adds packages, and replaces none that it was not asked to replace.
pub(super) fn is_eligible(
    universe: &Universe,
    request: &Request,
    candidate: Candidate<'_>,
) -> bool {
    let name = candidate.name();
    if universe.is_local(name) {
        return *candidate.archive() == ArchiveId::Local;
    }
    let pin = request.pins.get(name);
    if pin.is_some_and(|pin| !pin.allows(candidate)) {
        return false;
    }
    if pin.is_some_and(Pin::names_a_place) {
        return true;
    }
    let mut automatic = candidate.origins().filter(|origin| origin.automatic);
    automatic.any(|origin| origin.archive.is_debian() || !universe.is_debians(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_a_version_or_how_it_starts() {
        for (pattern, version, matches) in [
            ("1.0", "1.0", true),
            ("1.0", "1.00", true),
            ("1.0", "1.0.1", false),
            ("6.12.*", "6.12.57-1", true),
            ("6.12.*", "6.120-1", false),
            ("1:2*", "1:2.3", true),
        ] {
            let parsed: VersionPattern = pattern.parse().unwrap();
            assert_eq!(parsed.allows(version), matches, "{pattern} {version}");
            assert_eq!(parsed.to_string(), pattern);
        }
        for bad in ["", "*", "a*", "1.*.2", "1 *", "x"] {
            assert!(bad.parse::<VersionPattern>().is_err(), "{bad}");
        }
    }
}
