use std::str::FromStr;

use serde::{Deserialize, Deserializer};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES: u32 = 24 * 60;

/// When a machine may restart: days of the week and a time of day, in UTC. `Sat,Sun 02:00-04:00`,
/// `Mon 23:00-01:00` (into Tuesday), `02:00-04:00` (every day).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whether it begins on a day, from Monday.
    days: [bool; 7],
    /// Minutes after midnight.
    start: u32,
    minutes: u32,
}

impl Window {
    /// Tells whether a time, in seconds since 1970-01-01 UTC, lies in it.
    pub fn contains(&self, seconds: u64) -> bool {
        let minutes = seconds / 60;
        let day_minutes = u64::from(DAY_MINUTES);
        // 1970-01-01 was a Thursday.
        let today = usize::try_from((minutes / day_minutes + 3) % 7).unwrap_or(0);
        let now = u32::try_from(minutes % day_minutes).unwrap_or(0);
        let within = |begins: usize, since: u32| {
            self.days[begins] && since >= self.start && since - self.start < self.minutes
        };
        within(today, now) || within((today + 6) % 7, now + DAY_MINUTES)
    }
}

/// What a text has to be to be a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window is written as \"Sat,Sun 02:00-04:00\" or \"02:00-04:00\", in UTC")]
pub struct NoWindow;

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let (names, times) = match text.split_once(' ') {
            Some((names, times)) => (Some(names), times),
            None => (None, text),
        };
        let mut days = [names.is_none(); 7];
        for name in names.into_iter().flat_map(|names| names.split(',')) {
            let day = DAYS.iter().position(|day| *day == name).ok_or(NoWindow)?;
            days[day] = true;
        }
        let (start, end) = times.split_once('-').ok_or(NoWindow)?;
        let (start, end) = (minute(start)?, minute(end)?);
        let minutes = if end > start { end - start } else { end + DAY_MINUTES - start };
        Ok(Self { days, start, minutes })
    }
}

fn minute(text: &str) -> Result<u32, NoWindow> {
    let number = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse::<u32>().ok()).flatten();
        number.filter(|number| *number < below).ok_or(NoWindow)
    };
    let (hours, minutes) = text.split_once(':').ok_or(NoWindow)?;
    Ok(number(hours, 24)? * 60 + number(minutes, 60)?)
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a day of the week that began on Monday, 2026-11-23.
    fn at(day: u64, hours: u64, minutes: u64) -> u64 {
        1_795_392_000 + day * 86_400 + hours * 3600 + minutes * 60
    }

    #[test]
    fn windows_have_days_and_times() {
        for (window, inside, outside) in [
            ("Sat,Sun 02:00-04:00", [at(5, 2, 0), at(6, 3, 59)], [at(5, 4, 0), at(4, 3, 0)]),
            ("02:00-04:00", [at(0, 2, 30), at(3, 3, 0)], [at(0, 1, 59), at(3, 4, 0)]),
            ("Mon 23:00-01:00", [at(0, 23, 30), at(1, 0, 59)], [at(0, 0, 30), at(1, 23, 30)]),
            ("Sun 23:00-01:00", [at(6, 23, 0), at(7, 0, 0)], [at(6, 0, 0), at(7, 1, 0)]),
            ("Mon 00:00-00:00", [at(0, 0, 0), at(0, 23, 59)], [at(1, 0, 0), at(6, 23, 59)]),
        ] {
            let parsed: Window = window.parse().unwrap();
            assert!(inside.iter().all(|&time| parsed.contains(time)), "{window}");
            assert!(!outside.iter().any(|&time| parsed.contains(time)), "{window}");
        }
        for text in
            ["", "Sat", "Sat 2:00-4:00", "sat 02:00-04:00", "24:00-01:00", "02:60-03:00", "a-b"]
        {
            assert_eq!(text.parse::<Window>(), Err(NoWindow), "{text}");
        }
    }
}
