use flagstone_artifact::{ImageId, ImageVersion, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::UtcTime;

/// From a time on, so many of a hundred machines may take a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// How many of a hundred machines, 1 to 100.
    pub percent: u8,
    /// From when on.
    pub after: UtcTime,
}

/// What is wrong with waves, if anything: they have to grow, in machines and in time.
pub(crate) fn broken_rule(waves: &[Wave]) -> Option<&'static str> {
    let bounded = waves.iter().all(|wave| (1..=100).contains(&wave.percent));
    let ordered = waves
        .windows(2)
        .all(|pair| pair[0].percent < pair[1].percent && pair[0].after < pair[1].after);
    match (bounded, ordered) {
        (false, _) => Some("a wave has 1 to 100 percent"),
        (_, false) => Some("each wave has more percent, and comes later, than the one before"),
        (true, true) => None,
    }
}

/// Tells whether a machine is in a wave that has begun. Without waves, all machines are.
pub(crate) fn is_due(
    waves: &[Wave],
    id: &ImageId,
    version: &ImageVersion,
    machine: &str,
    now: UtcTime,
) -> bool {
    let Some(_) = waves.first() else { return true };
    let begun = waves.iter().rfind(|wave| wave.after <= now);
    begun.is_some_and(|wave| place(id, version, machine) < wave.percent)
}

/// Returns a machine's place among a hundred, 0 to 99. It follows from machine and release, so that a
/// machine need not remember it and is not the first to try each release.
fn place(id: &ImageId, version: &ImageVersion, machine: &str) -> u8 {
    let text = format!("flagstone wave 1\n{id}\n{version}\n{machine}\n");
    let digest = Sha256Digest::of(text.as_bytes());
    let (first, _) = digest.as_bytes().split_first_chunk().expect("32 bytes are more than 8");
    u8::try_from(u64::from_be_bytes(*first) % 100).expect("a remainder of 100 is below 100")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(percent: u8, after: &str) -> Wave {
        Wave { percent, after: after.parse().unwrap() }
    }

    #[test]
    fn waves_take_their_share_of_machines() {
        let (id, version) = ("base".parse().unwrap(), "1.2".parse().unwrap());
        let waves = [
            wave(10, "2026-01-01T00:00:00Z"),
            wave(50, "2026-01-02T00:00:00Z"),
            wave(100, "2026-01-04T00:00:00Z"),
        ];
        let due = |time: &str| {
            let now = time.parse().unwrap();
            let machines = (0..10_000).map(|number| format!("{number:032x}"));
            machines.filter(|machine| is_due(&waves, &id, &version, machine, now)).count()
        };
        assert_eq!(due("2025-12-31T23:59:59Z"), 0);
        assert!((900..1100).contains(&due("2026-01-01T00:00:00Z")));
        assert!((4800..5200).contains(&due("2026-01-03T00:00:00Z")));
        assert_eq!(due("2026-01-04T00:00:00Z"), 10_000);
        assert!(is_due(&[], &id, &version, "", "1970-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn places_are_pinned_and_differ_between_releases() {
        let id = "base".parse().unwrap();
        let machine = "0123456789abcdef0123456789abcdef";
        let places: Vec<u8> =
            ["1", "2", "3"].map(|v| place(&id, &v.parse().unwrap(), machine)).into();
        assert_eq!(places, PLACES);
    }

    /// By `printf 'flagstone wave 1\nbase\n1\n0123456789abcdef0123456789abcdef\n' | sha256sum`, the first
    /// 16 digits modulo 100.
    const PLACES: [u8; 3] = [70, 85, 20];

    #[test]
    fn waves_that_shrink_are_refused() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        assert_eq!(broken_rule(&[wave(1, early), wave(100, late)]), None);
        for bad in [
            vec![wave(0, early)],
            vec![wave(101, early)],
            vec![wave(50, early), wave(50, late)],
            vec![wave(10, late), wave(50, early)],
            vec![wave(10, early), wave(50, early)],
        ] {
            assert!(broken_rule(&bad).is_some(), "{bad:?}");
        }
    }
}
