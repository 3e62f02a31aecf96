use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

use crate::decode::Word;

/// Units by letter, each 1024 times the one before it.
const UNITS: [char; 4] = ['K', 'M', 'G', 'T'];

/// A size in bytes, written with a binary unit: `512M`, `1G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^[1-9][0-9]{0,6}[KMGT]$";

    /// 1 MiB: what partitions are aligned to.
    pub const MIB: Self = Self(1 << 20);

    /// Creates a size.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// The largest unit that divides the size; a size that none divides is written in plain bytes, and
/// is none that a recipe can say.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut unit) = (self.0, None);
        for next in UNITS {
            if number == 0 || number % 1024 != 0 {
                break;
            }
            (number, unit) = (number / 1024, Some(next));
        }
        write!(f, "{number}")?;
        unit.iter().try_for_each(|unit| write!(f, "{unit}"))
    }
}

impl FromStr for ByteSize {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).map(Self).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "a size",
            rule: "it is a whole number and one of K, M, G and T (powers of 1024), as in \"512M\"",
        })
    }
}

fn parse(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let power = UNITS.iter().position(|&known| known == unit)?;
    let digits = &text[..text.len() - 1];
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    UNITS[..=power].iter().try_fold(digits.parse().ok()?, |size: u64, _| size.checked_mul(1024))
}

impl Word for ByteSize {
    fn hint(text: &str) -> Option<String> {
        let start = text.find(|c: char| !c.is_ascii_digit())?;
        let unit = text[start..].trim_start().chars().next()?.to_ascii_uppercase();
        let meant: ByteSize = format!("{}{unit}", &text[..start]).parse().ok()?;
        Some(format!("did you mean `{meant}`?"))
    }
}

#[cfg(test)]
crate::schema::text_schema!(ByteSize, "a size", ByteSize::PATTERN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write_the_largest_unit() {
        for (text, bytes, shown) in
            [("512M", 512 << 20, "512M"), ("1024K", 1 << 20, "1M"), ("3G", 3 << 30, "3G")]
        {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown));
        }
        assert_eq!(ByteSize::from_bytes(1000).to_string(), "1000");
        assert_eq!(ByteSize::from_bytes(0).to_string(), "0");
    }

    #[test]
    fn other_spellings_are_refused_with_what_was_meant() {
        for (bad, hint) in [
            ("", None),
            ("M", None),
            ("é", None),
            ("512", None),
            ("0M", None),
            ("-1M", None),
            ("99999999999T", None),
            ("512MiB", Some("did you mean `512M`?")),
            ("1 GB", Some("did you mean `1G`?")),
            ("64m", Some("did you mean `64M`?")),
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
            assert_eq!(ByteSize::hint(bad).as_deref(), hint, "{bad}");
        }
    }
}
