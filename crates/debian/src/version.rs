use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::GrammarError;

/// The longest version that is accepted, in bytes; the longest in the archive has 62.
const VERSION_MAX: usize = 512;

/// A package version, ordered by Debian Policy 5.6.12: `[epoch:]upstream[-revision]`.
///
/// Two texts may be equal as versions (`1.0` and `1.00`); the text is kept as it was written.
#[derive(Clone)]
pub struct DebVersion(Box<str>);

impl DebVersion {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks a version without keeping it.
pub(crate) fn check_version(text: &str) -> Result<(), GrammarError> {
    let error = |rule| GrammarError::new(text, "a version", rule);
    let (epoch, rest) = text.split_once(':').map_or((None, text), |(e, rest)| (Some(e), rest));
    if text.len() > VERSION_MAX {
        return Err(error("it has at most 512 characters"));
    }
    if epoch.is_some_and(|e| e.is_empty() || e.len() > 9 || !all(e, |b| b.is_ascii_digit())) {
        return Err(error("its epoch is a number"));
    }
    let (upstream, revision) = split_revision(rest);
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        // Policy says "should"; dpkg refuses it in what it installs.
        return Err(error("its upstream part starts with a digit"));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".+~".contains(&b);
    if !all(upstream, |b| plain(b) || b == b'-' || (b == b':' && epoch.is_some())) {
        return Err(error("its upstream part has letters, digits and any of \".+-~\""));
    }
    if revision.is_some_and(|r| r.is_empty() || !all(r, plain)) {
        return Err(error("its revision has letters, digits and any of \".+~\""));
    }
    Ok(())
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

fn split_revision(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once('-').map_or((text, None), |(upstream, revision)| (upstream, Some(revision)))
}

fn split_epoch(text: &str) -> (u32, &str) {
    match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, text),
    }
}

/// Compares two versions that were checked.
pub(crate) fn compare_versions(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (split_epoch(a), split_epoch(b));
    let ((up_a, rev_a), (up_b, rev_b)) = (split_revision(a), split_revision(b));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| compare_parts(up_a, up_b))
        .then_with(|| compare_parts(rev_a.unwrap_or_default(), rev_b.unwrap_or_default()))
}

/// Compares by turns what is not digits, and numbers.
fn compare_parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (text_a, text_b) = (take(&mut a, false), take(&mut b, false));
        let (number_a, number_b) = (take(&mut a, true), take(&mut b, true));
        let order = compare_text(text_a, text_b).then_with(|| compare_number(number_a, number_b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(text: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = text.iter().position(|b| b.is_ascii_digit() != digits).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

/// `~` comes before the end, the end before letters, letters before all else.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(&b) if b.is_ascii_alphabetic() => i32::from(b),
        Some(&b) => i32::from(b) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|i| rank(a.get(i)).cmp(&rank(b.get(i))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Compares numbers of any length.
fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let trim = |n: &[u8]| n.iter().position(|&d| d != b'0').unwrap_or(n.len());
    let (a, b) = (&a[trim(a)..], &b[trim(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl FromStr for DebVersion {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        check_version(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DebVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DebVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl PartialEq for DebVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for DebVersion {}

impl PartialOrd for DebVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DebVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_versions(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::test_judge::judge;

    /// In rising order; a group is equal.
    const RISING: &[&[&str]] = &[
        &["0~~", "0~~-0"],
        &["0~"],
        &["0", "0-0", "00", "0:0"],
        &["0a"],
        &["0+"],
        &["1.0~beta1~svc1245"],
        &["1.0~beta1"],
        &["1.0", "1.00", "1.0-0"],
        &["1.0-1~bpo12+1"],
        &["1.0-1"],
        &["1.0-1+b1"],
        &["1.0-1+b2"],
        &["1.0-1+b10"],
        &["1.0-1.1"],
        &["1.0-2"],
        &["1.0-10"],
        &["1.0a-1"],
        &["1.0+dfsg-1"],
        &["1.0.1-1"],
        &["1.2-3-1"],
        &["1.10"],
        &["20250101"],
        &["99999999999999999999998"],
        &["99999999999999999999999"],
        &["1:0.1"],
        &["1:0.1:2"],
        &["2:0"],
    ];

    fn flat() -> Vec<(usize, &'static str)> {
        RISING.iter().enumerate().flat_map(|(i, g)| g.iter().map(move |v| (i, *v))).collect()
    }

    #[test]
    fn versions_are_ordered_by_policy() {
        for (rank_a, a) in flat() {
            for (rank_b, b) in flat() {
                let (left, right): (DebVersion, DebVersion) =
                    (a.parse().unwrap(), b.parse().unwrap());
                assert_eq!(left.cmp(&right), rank_a.cmp(&rank_b), "{a} {b}");
            }
        }
    }

    #[test]
    fn dpkg_agrees_with_the_order() {
        let Some(dpkg) = judge("dpkg") else { return };
        for pair in flat().windows(2) {
            let [(rank_a, a), (rank_b, b)] = pair else { unreachable!() };
            let operator = if rank_a == rank_b { "eq" } else { "lt" };
            let status =
                Command::new(&dpkg).args(["--compare-versions", a, operator, b]).status().unwrap();
            assert!(status.success(), "{a} {operator} {b}");
        }
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for bad in ["", "-1", "a", "1 0", ":1", "x:1", "1-", "1:", "1_0", "1/0", "1é", "1.0-1:2"] {
            assert!(bad.parse::<DebVersion>().is_err(), "{bad}");
        }
        assert!("1".repeat(600).parse::<DebVersion>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_total(
            a in "[0-9][a-c0-2.~+]{0,6}(-[a-b0-2~]{1,3})?",
            b in "[0-9][a-c0-2.~+]{0,6}(-[a-b0-2~]{1,3})?",
            c in "[0-9][a-c0-2.~+]{0,6}(-[a-b0-2~]{1,3})?",
        ) {
            let mut versions: Vec<DebVersion> =
                [a, b, c].iter().map(|v| v.parse().unwrap()).collect();
            versions.sort();
            assert!(versions[0] <= versions[2]);
            assert_eq!(versions[0].cmp(&versions[2]), versions[2].cmp(&versions[0]).reverse());
        }
    }
}
