use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

use crate::decode::Word;

/// A moment in whole seconds, written in RFC 3339 as UTC: `2026-01-31T09:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$";

    /// Creates a moment from seconds since 1970-01-01 UTC; `None` outside the years 0 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let moment = jiff::Timestamp::from_second(seconds).ok().map(Self)?;
        // Years outside have a sign or more digits, which RFC 3339 does not know.
        (moment.to_string().len() == "2026-01-31T09:30:00Z".len()).then_some(moment)
    }

    /// Returns the seconds since 1970-01-01 UTC.
    pub fn unix_seconds(self) -> i64 {
        self.0.as_second()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parsed = text.parse().ok().map(jiff::Timestamp::as_second);
        // One moment has one spelling, so that a lock has one text.
        parsed
            .and_then(Self::from_unix_seconds)
            .filter(|moment| moment.to_string() == text)
            .ok_or_else(|| ParseError {
                text: text.to_owned(),
                what: "a date",
                rule: "it is UTC in whole seconds, as in \"2026-01-31T09:30:00Z\"",
            })
    }
}

impl Word for Timestamp {}

#[cfg(test)]
crate::schema::text_schema!(Timestamp, "a date", Timestamp::PATTERN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_one_spelling() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            let moment = Timestamp::from_unix_seconds(seconds).unwrap();
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap().unix_seconds(), seconds);
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T09:30:00",
            "2026-01-31T09:30:00.5Z",
            "2026-01-31T10:30:00+01:00",
            "2026-01-31 09:30:00Z",
            "2026-01-31t09:30:00z",
            "2026-02-30T00:00:00Z",
            "-000001-01-01T00:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX), None);
        assert_eq!(Timestamp::from_unix_seconds(253_402_300_800), None);
    }
}
