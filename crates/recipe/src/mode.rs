use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

use crate::decode::Word;

/// Permission bits, written as four octal digits: `0644`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^[0-7]{4}$";

    /// What files get that say nothing.
    pub const FILE: Self = Self(0o644);

    /// What directories get that say nothing.
    pub const DIRECTORY: Self = Self(0o755);

    /// Returns the bits, at most `0o7777`.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromStr for Mode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let octal = text.len() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        octal.then(|| u16::from_str_radix(text, 8).ok()).flatten().map(Self).ok_or_else(|| {
            ParseError {
                text: text.to_owned(),
                what: "a mode",
                rule: "it has four octal digits, as in \"0644\"",
            }
        })
    }
}

impl Word for Mode {
    fn hint(text: &str) -> Option<String> {
        let digits = text.trim_start_matches("0o");
        let meant: Mode = format!("{digits:0>4}").parse().ok()?;
        Some(format!("did you mean `{meant}`?"))
    }
}

#[cfg(test)]
crate::schema::text_schema!(Mode, "a mode", Mode::PATTERN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_four_octal_digits() {
        for good in ["0644", "4755", "0000", "7777"] {
            assert_eq!(good.parse::<Mode>().unwrap().to_string(), good);
        }
        for bad in ["", "644", "0o644", "0888", "00644", "+644", "rw-r"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
        assert_eq!(Mode::hint("755").unwrap(), "did you mean `0755`?");
        assert_eq!(Mode::hint("0o4755").unwrap(), "did you mean `4755`?");
        assert_eq!(Mode::hint("rwx"), None);
    }
}
