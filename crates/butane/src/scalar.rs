//! What scalars stand for: the rules of the YAML library that Butane is built with (go-yaml 3).

use crate::yaml::Scalar;

impl Scalar {
    /// Tells whether it stands for nothing.
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Returns the flag that it stands for, where a flag is asked for.
    ///
    /// `true` in quotes is none, `yes` in quotes is one: texts that YAML 1.1 took for flags count.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        }
    }

    /// Returns the whole number that it stands for.
    ///
    /// A 0 at the front makes it octal, as do `0o`, `0x` and `0b` what they say; underscores do not
    /// count.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn integer(&self) -> Result<i64, &'static str> {
        const NONE: &str = "this is no whole number";
        if !self.plain {
            return Err("a number has no quotes");
        }
        if !self.text.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
            return Err(NONE);
        }
        let plain = self.text.replace('_', "");
        let (sign, digits) = match plain.split_at_checked(1) {
            Some(("-", digits)) => ("-", digits),
            Some(("+", digits)) => ("", digits),
            _ => ("", plain.as_str()),
        };
        let (radix, digits) = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
            [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits),
        };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            let is_decimal = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            let octal = radix == 8 && is_decimal;
            return Err(if octal { "an octal number has the digits 0 to 7" } else { NONE });
        }
        i64::from_str_radix(&format!("{sign}{digits}"), radix)
            .map_err(|_| "the number has more than 64 bits")
    }

    /// Returns what messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_null() {
            "nothing"
        } else if self.plain && self.flag().is_some() {
            "a flag"
        } else if self.integer().is_ok() {
            "a number"
        } else {
            "a text"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), plain: true }
    }

    #[test]
    fn numbers_are_octal_where_they_begin_with_0() {
        for (text, number) in [
            ("0", Some(0)),
            ("00", Some(0)),
            ("0644", Some(420)),
            ("0o644", Some(420)),
            ("0O644", Some(420)),
            ("0_644", Some(420)),
            ("1_000", Some(1000)),
            ("0x1F", Some(31)),
            ("0b101", Some(5)),
            ("-017", Some(-15)),
            ("+7", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("0888", None),
            ("0o", None),
            ("0x", None),
            ("--1", None),
            ("+-1", None),
            ("1.0", None),
            ("_1", None),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("٣", None),
        ] {
            assert_eq!(plain(text).integer().ok(), number, "{text}");
        }
        assert!(Scalar { text: "1".to_owned(), plain: false }.integer().is_err());
    }

    #[test]
    fn flags_of_both_versions_of_yaml_count() {
        for (text, is_plain, flag) in [
            ("true", true, Some(true)),
            ("FALSE", true, Some(false)),
            ("yes", true, Some(true)),
            ("off", true, Some(false)),
            ("yes", false, Some(true)),
            ("true", false, None),
            ("tRUE", true, None),
            ("1", true, None),
        ] {
            let scalar = Scalar { text: text.to_owned(), plain: is_plain };
            assert_eq!(scalar.flag(), flag, "{text}");
        }
    }

    #[test]
    fn nothing_is_written_in_five_ways_without_quotes() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert!(plain(text).is_null(), "{text}");
            assert!(!Scalar { text: text.to_owned(), plain: false }.is_null(), "{text}");
        }
        assert!(!plain("nULL").is_null());
    }
}
