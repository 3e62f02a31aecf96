//! Integers as C's library reads them.

/// Characters that C's `isspace` calls blank.
pub(crate) const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// Parses an integer whose magnitude fits 64 bits, as `strtoull` does with base 0: after blanks and
/// a sign, `0x` starts a hexadecimal one and `0` an octal one. `None` if anything follows.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let text = text.trim_start_matches(BLANKS);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(rest) => (rest, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // A second sign is none.
    let value = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    Some(if negative { -i128::from(value) } else { value.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_cs_forms() {
        for (text, value) in [
            ("7", Some(7)),
            (" \n-0x1F", Some(-31)),
            ("+010", Some(8)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("18446744073709551616", None),
            ("08", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("--1", None),
            ("+-1", None),
            ("1 ", None),
            ("0x+1", None),
        ] {
            assert_eq!(parse(text), value, "{text:?}");
        }
    }
}
