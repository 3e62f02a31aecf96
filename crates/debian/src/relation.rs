use std::fmt;
use std::str::FromStr;

use crate::version::compare_versions;
use crate::{DebVersion, GrammarError, PackageName};

/// The most relations one field may have; the longest in the archive has about 1,500.
const RELATIONS_MAX: usize = 20_000;

/// How a version is compared in a relation (Debian Policy 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionOperator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl VersionOperator {
    /// Returns the operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// A condition on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionConstraint {
    /// How to compare.
    pub operator: VersionOperator,
    /// With what.
    pub version: DebVersion,
}

impl VersionConstraint {
    /// Tells whether a version meets the condition.
    pub fn allows(&self, version: &DebVersion) -> bool {
        self.allows_text(version.as_str())
    }

    /// As [`Self::allows`], for a text that was checked.
    pub(crate) fn allows_text(&self, version: &str) -> bool {
        let order = compare_versions(version, self.version.as_str());
        match self.operator {
            VersionOperator::Earlier => order.is_lt(),
            VersionOperator::EarlierOrEqual => order.is_le(),
            VersionOperator::Equal => order.is_eq(),
            VersionOperator::LaterOrEqual => order.is_ge(),
            VersionOperator::Later => order.is_gt(),
        }
    }
}

/// One package in a relation: a name, perhaps an architecture (`:any`), perhaps a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The package.
    pub name: PackageName,
    /// What follows the name after a colon: `any`, `native`, or an architecture.
    pub qualifier: Option<Box<str>>,
    /// The condition on its version.
    pub constraint: Option<VersionConstraint>,
}

impl Relation {
    /// Tells whether a version meets the relation's condition, if it has one.
    pub(crate) fn allows_text(&self, version: &str) -> bool {
        self.constraint.as_ref().is_none_or(|c| c.allows_text(version))
    }

    /// Reads a field of relations without alternatives, such as `Conflicts`.
    ///
    /// # Errors
    /// If an element is malformed.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, GrammarError> {
        elements(text, ',')?.map(str::parse).collect()
    }
}

/// Alternatives, one of which must be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The alternatives, the preferred one first; never empty.
    pub alternatives: Vec<Relation>,
}

impl Dependency {
    /// Reads a field such as `Depends`.
    ///
    /// # Errors
    /// If an element is malformed.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, GrammarError> {
        elements(text, ',')?.map(str::parse).collect()
    }
}

/// Splits a field; a trailing comma and an empty field are allowed, as dpkg does.
fn elements(text: &str, at: char) -> Result<impl Iterator<Item = &str>, GrammarError> {
    if text.matches(at).count() >= RELATIONS_MAX {
        return Err(GrammarError::new(text, "a list of relations", "it is too long"));
    }
    Ok(text.split(at).map(str::trim_ascii).filter(|element| !element.is_empty()))
}

impl FromStr for Dependency {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let alternatives: Vec<Relation> =
            text.split('|').map(|part| part.trim_ascii().parse()).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }
}

impl FromStr for Relation {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let error = |rule| GrammarError::new(text, "a relation", rule);
        if text.contains(['[', ']', '<', '>']) && !text.contains('(') || text.contains('[') {
            return Err(error("binary packages have no restrictions to architectures or profiles"));
        }
        let (head, rest) = match text.split_once('(') {
            Some((head, rest)) => (head.trim_ascii_end(), Some(rest)),
            None => (text, None),
        };
        let (name, qualifier) = match head.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (head, None),
        };
        let plain =
            |q: &str| !q.is_empty() && q.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if qualifier.is_some_and(|q| !plain(q)) {
            return Err(error("an architecture follows the colon"));
        }
        let constraint = match rest {
            None => None,
            Some(rest) => {
                let inner = rest
                    .strip_suffix(')')
                    .ok_or_else(|| error("the version is in parentheses, and ends it"))?;
                Some(parse_constraint(inner).ok_or_else(|| {
                    error("a version follows one of \"<<\", \"<=\", \"=\", \">=\" and \">>\"")
                })??)
            }
        };
        Ok(Self { name: name.parse()?, qualifier: qualifier.map(Into::into), constraint })
    }
}

/// Reads `>= 1.0`; `None` without an operator.
fn parse_constraint(text: &str) -> Option<Result<VersionConstraint, GrammarError>> {
    use VersionOperator::{Earlier, EarlierOrEqual, Equal, Later, LaterOrEqual};
    let text = text.trim_ascii();
    // The single "<" and ">" are the old spellings of "<=" and ">="; dpkg still reads them so.
    let operators = [
        ("<<", Earlier),
        ("<=", EarlierOrEqual),
        (">=", LaterOrEqual),
        (">>", Later),
        ("=", Equal),
        ("<", EarlierOrEqual),
        (">", LaterOrEqual),
    ];
    let (text, operator) = operators
        .into_iter()
        .find_map(|(sign, operator)| Some((text.strip_prefix(sign)?, operator)))?;
    let version = text.trim_ascii_start().parse();
    Some(version.map(|version| VersionConstraint { operator, version }))
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.constraint {
            Some(c) => write!(f, " ({} {})", c.operator.as_str(), c.version),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, alternative) in self.alternatives.iter().enumerate() {
            let separator = if i == 0 { "" } else { " | " };
            write!(f, "{separator}{alternative}")?;
        }
        Ok(())
    }
}

/// The fields that relate binary packages and that the resolver heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationField {
    /// `Pre-Depends`
    PreDepends,
    /// `Depends`
    Depends,
    /// `Recommends`
    Recommends,
    /// `Conflicts`
    Conflicts,
    /// `Breaks`
    Breaks,
}

impl fmt::Display for RelationField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Recommends => "Recommends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_written_as_they_are_read() {
        let text = "libc6 (>= 2.36), python3:any (<< 3.14), a1 | b2 (= 1:2-3) | c3:amd64, d4";
        let list = Dependency::parse_list(text).unwrap();
        let written: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(written.join(", "), text);
        assert_eq!(list[2].alternatives.len(), 3);
        assert_eq!(list[1].alternatives[0].qualifier.as_deref(), Some("any"));
    }

    #[test]
    fn blanks_line_ends_and_old_operators_are_understood() {
        let list = Dependency::parse_list("a1(>=1),\n b2 ( < 2 )|c3 , ,").unwrap();
        let written: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["a1 (>= 1)", "b2 (<= 2) | c3"]);
        assert_eq!(Dependency::parse_list("").unwrap(), []);
    }

    #[test]
    fn malformed_relations_are_refused() {
        for bad in [
            "a1 (1.0)",
            "a1 (>= )",
            "a1 (>= 1",
            "a1 >= 1",
            "a1 b2",
            "a1 |",
            "| a1",
            "a1:",
            "a1 (>= 1) x",
            "a1 [amd64]",
            "a1 <!nocheck>",
            "a1 (>= 1) [amd64]",
            "A1",
            "a1 (~ 1)",
            "é",
        ] {
            assert!(bad.parse::<Dependency>().is_err(), "{bad}");
        }
        assert!(Dependency::parse_list(&"a1,".repeat(30_000)).is_err());
    }

    #[test]
    fn operators_compare_as_named() {
        for (relation, version, expected) in [
            ("a1 (<< 2)", "1", true),
            ("a1 (<< 2)", "2", false),
            ("a1 (<= 2)", "2", true),
            ("a1 (= 2.0)", "2.00", true),
            ("a1 (>= 2)", "2~rc1", false),
            ("a1 (>> 2)", "2-1", true),
            ("a1 (>> 2)", "2", false),
            ("a1", "0", true),
        ] {
            let relation: Relation = relation.parse().unwrap();
            assert_eq!(relation.allows_text(version), expected, "{relation} {version}");
        }
    }
}
