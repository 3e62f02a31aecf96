use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flagstone_artifact::ParseError;
use jiff::Timestamp;

/// A second in UTC, spelled `2026-01-31T12:00:00Z` (RFC 3339 in the one form that TUF 1.0, 4.2.1 has).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(Timestamp);

impl UtcTime {
    /// Returns the second of a time; one before 1970 becomes the beginning of 1970, one after 9999 its end.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    /// Returns the time so much later; at the end of 9999 time stands still.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let added = i64::try_from(duration.as_secs()).ok();
        let seconds = added.and_then(|added| self.0.as_second().checked_add(added));
        Self(seconds.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

impl FromStr for UtcTime {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let time = text.parse().ok().map(Self);
        time.filter(|time| time.to_string() == text).ok_or_else(|| ParseError {
            text: text.chars().take(80).collect(),
            what: "a time",
            rule: "it is a second in UTC, spelled as 2026-01-31T12:00:00Z",
        })
    }
}

impl serde::Serialize for UtcTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for UtcTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_spelling() {
        for good in ["1970-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "9999-12-30T00:00:00Z"] {
            assert_eq!(good.parse::<UtcTime>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2026-02-30T00:00:00Z",
            "2026-02-28T00:00:00",
            "2026-02-28T00:00:00+00:00",
            "2026-02-28T00:00:00.5Z",
            "2026-02-28 00:00:00Z",
            "2026-02-28T00:00:00z",
        ] {
            assert!(bad.parse::<UtcTime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_time_is_too_far_away() {
        let begin = UtcTime::of(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(begin.to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(begin.after(Duration::from_hours(24)).to_string(), "1970-01-02T00:00:00Z");
        assert!(begin.after(Duration::MAX) > begin);
    }
}
