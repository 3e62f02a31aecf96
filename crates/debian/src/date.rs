/// Seconds of a day.
const DAY: i64 = 86_400;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Counts the days from 1970-01-01 to a date of the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is a year's last.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_year =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_before_month = (153 * month + 2) / 5;
    days_before_year + days_before_month + day - 1 - 719_468
}

/// The inverse of [`days_from_date`].
fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Reads the date of a release, such as `Sat, 21 Nov 2026 09:15:44 UTC`, as seconds since
/// 1970-01-01 UTC.
///
/// The zone must be UTC, as the repository format asks for.
pub fn parse_date(text: &str) -> Option<i64> {
    let text = text.split_once(", ").map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: i64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = words.next()?;
    let month = MONTHS.iter().zip(1i64..).find(|(name, _)| **name == month)?.1;
    let year: i64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let time = words.next()?;
    if !matches!(words.next()?, "UTC" | "GMT" | "Z" | "+0000") || words.next().is_some() {
        return None;
    }
    let mut seconds = 0;
    let mut parts = time.split(':');
    for limit in [24, 60, 60] {
        let part: i64 = parts.next()?.parse().ok().filter(|part| (0..limit).contains(part))?;
        seconds = seconds * 60 + part;
    }
    let days = days_from_date(year, month, day);
    let exists = date_from_days(days) == (year, month, day) && parts.next().is_none();
    exists.then_some(days * DAY + seconds)
}

/// Writes a time as `2026-11-21 09:15:44 UTC`.
pub fn format_date(seconds: i64) -> String {
    let (year, month, day) = date_from_days(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for (text, seconds, written) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01 00:00:00 UTC"),
            ("Thu, 29 Feb 2024 23:59:59 UTC", 1_709_251_199, "2024-02-29 23:59:59 UTC"),
            ("Sat, 21 Nov 2026 09:15:44 UTC", 1_795_252_544, "2026-11-21 09:15:44 UTC"),
            ("1 Mar 2000 00:00:01 +0000", 951_868_801, "2000-03-01 00:00:01 UTC"),
        ] {
            assert_eq!(parse_date(text), Some(seconds), "{text}");
            assert_eq!(format_date(seconds), written);
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for bad in [
            "",
            "Sat, 21 Nov 2026",
            "Sat, 21 Nov 2026 09:15:44",
            "Sat, 21 Nov 2026 09:15:44 CET",
            "Sat, 21 Nov 2026 24:00:00 UTC",
            "Sat, 21 Nov 2026 09:15:44:1 UTC",
            "Sat, 30 Feb 2026 09:15:44 UTC",
            "Sat, 21 nov 2026 09:15:44 UTC",
            "Sat, 21 Nov 99999 09:15:44 UTC",
            "Sat, -1 Nov 2026 09:15:44 UTC",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_has_one_number() {
        for days in (-1_000..200_000).step_by(7) {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), days);
        }
    }
}
