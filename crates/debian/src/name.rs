use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::GrammarError;

/// The longest name that is accepted, in bytes; the longest in the archive has 77.
const NAME_MAX: usize = 214;

/// The name of a package (Debian Policy 5.6.1): at least two of `a–z 0–9 + - .`, the first one a
/// letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(Box<str>);

impl PackageName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks a name without keeping it.
pub(crate) fn check_name(text: &str) -> Result<(), GrammarError> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let shape = (2..=NAME_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(letter)
        && text.bytes().all(|b| letter(b) || b"+-.".contains(&b));
    shape.then_some(()).ok_or_else(|| {
        GrammarError::new(
            text,
            "a package name",
            "it has at least two of a-z, 0-9, \"+\", \"-\" and \".\", and starts with a letter or digit",
        )
    })
}

impl FromStr for PackageName {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        check_name(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Borrow<str> for PackageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for PackageName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_policy() {
        for good in ["bash", "g++", "libstdc++6", "0ad", "a.b-c+d"] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in ["", "a", "-a", "Bash", "a_b", "a b", "a:any", "aé", "../a", &"a".repeat(300)] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
    }
}
