/// A date and time as FAT stores it (Microsoft's FAT specification, section 6.3): local time by
/// definition, UTC here, in steps of two seconds from 1980 to 2107.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FatTime {
    pub(crate) date: u16,
    pub(crate) time: u16,
}

/// 1980-01-01 and the last representable moment, in seconds since 1970-01-01 UTC.
const FIRST: i64 = 315_532_800;
const LAST: i64 = 4_354_819_198;

impl FatTime {
    /// Converts seconds since 1970-01-01 UTC; what lies outside of FAT's range becomes its nearest
    /// end.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        let since_1980 = seconds.clamp(FIRST, LAST).abs_diff(FIRST);
        let (mut days, second) = (since_1980 / 86_400, since_1980 % 86_400);
        let mut year = 0;
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_in_month(year, month) {
            days -= days_in_month(year, month);
            month += 1;
        }
        let date = (year << 9) | (month << 5) | (days + 1);
        let time = ((second / 3600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2);
        let narrow = |value: u64| u16::try_from(value).expect("FAT's range was enforced");
        Self { date: narrow(date), time: narrow(time) }
    }
}

/// Every fourth year from 1980 is a leap year, but 2100.
fn days_in_year(year: u64) -> u64 {
    if year.is_multiple_of(4) && year != 120 { 366 } else { 365 }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 => days_in_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_known_form() {
        let cases = [
            (315_532_800, (1980, 1, 1), (0, 0, 0)),
            (0, (1980, 1, 1), (0, 0, 0)),
            (951_782_400, (2000, 2, 29), (0, 0, 0)),
            (1_788_134_399, (2026, 8, 30), (23, 59, 58)),
            (4_107_542_400, (2100, 3, 1), (0, 0, 0)),
            (i64::MAX, (2107, 12, 31), (23, 59, 58)),
        ];
        for (unix, (year, month, day), (hour, minute, second)) in cases {
            let date = ((year - 1980) << 9) | (month << 5) | day;
            let time = (hour << 11) | (minute << 5) | (second / 2);
            assert_eq!(FatTime::from_unix(unix), FatTime { date, time }, "{unix}");
        }
    }
}
