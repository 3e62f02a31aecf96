use std::cmp::Ordering;

use crate::ImageVersion;

impl ImageVersion {
    /// Compares two versions as the loader and systemd do (UAPI.10, version format specification):
    /// `1.9` before `1.10`, `1~rc1` before `1`, `1` before `1^post1` and `1.1`. Versions that are spelled
    /// differently can be equal: `1.01` and `1.1`.
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(self.as_str().as_bytes(), other.as_str().as_bytes())
    }
}

/// What separates the parts of a version, in the order of the specification's steps: what stands
/// further up sorts before what stands further down and before anything else.
const SEPARATORS: [u8; 4] = *b"~-^.";

fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        a = skip_others(a);
        b = skip_others(b);
        if let Some(order) = compare_tilde(&mut a, &mut b) {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        for separator in &SEPARATORS[1..] {
            match (a.first() == Some(separator), b.first() == Some(separator)) {
                (true, false) => return Ordering::Less,
                (false, true) => return Ordering::Greater,
                (true, true) => (a, b) = (&a[1..], &b[1..]),
                (false, false) => {}
            }
        }
        let digits = starts_with_digit(a) || starts_with_digit(b);
        let is_part = |byte: &u8| {
            if digits { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() }
        };
        let part_of = |text: &[u8]| text.iter().take_while(|byte| is_part(byte)).count();
        let (part_a, rest_a) = a.split_at(part_of(a));
        let (part_b, rest_b) = b.split_at(part_of(b));
        let order = if digits { compare_numbers(part_a, part_b) } else { part_a.cmp(part_b) };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// `~` sorts before everything, the end of the version included.
fn compare_tilde(a: &mut &[u8], b: &mut &[u8]) -> Option<Ordering> {
    match (a.first() == Some(&b'~'), b.first() == Some(&b'~')) {
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (true, true) => {
            (*a, *b) = (&a[1..], &b[1..]);
            None
        }
        (false, false) => None,
    }
}

fn skip_others(text: &[u8]) -> &[u8] {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || SEPARATORS.contains(byte);
    &text[text.iter().take_while(|byte| !known(byte)).count()..]
}

fn starts_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

/// Compares runs of digits of any length; none at all is the least.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let value = |digits: &[u8]| digits.iter().position(|digit| *digit != b'0');
    let significant = |digits| value(digits).map_or(&[][..], |at| &digits[at..]).to_vec();
    let (a_value, b_value) = (significant(a), significant(b));
    (!a.is_empty())
        .cmp(&!b.is_empty())
        .then(a_value.len().cmp(&b_value.len()))
        .then(a_value.cmp(&b_value))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn version(text: &str) -> ImageVersion {
        text.parse().unwrap()
    }

    const ORDERED: [&str; 15] = [
        "0", "0.1~rc1", "0.1", "0.1-1", "0.1^p1", "0.1.1", "0.2", "0.10", "1~", "1", "1^", "1a",
        "1b", "2", "10",
    ];

    #[test]
    fn versions_have_the_order_of_the_specification() {
        for (i, a) in ORDERED.iter().enumerate() {
            for (j, b) in ORDERED.iter().enumerate() {
                assert_eq!(version(a).compare(&version(b)), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(version("1.01").compare(&version("1.1")), Ordering::Equal);
    }

    #[test]
    fn systemd_agrees() {
        let Ok(output) = Command::new("systemd-analyze").arg("--version").output() else {
            println!("skipped: systemd-analyze is missing");
            return;
        };
        assert!(output.status.success());
        let more =
            ["1.0-a", "1.0-1", "1.0.a", "1a1", "1.a", "001", "1-~", "1.-", "1..1", "1^~1", "1.0^"];
        let all: Vec<&str> = ORDERED.iter().chain(&more).copied().collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i..] {
                let status = Command::new("systemd-analyze")
                    .args(["compare-versions", a, b])
                    .output()
                    .unwrap()
                    .status;
                let expected = match status.code() {
                    Some(0) => Ordering::Equal,
                    Some(11) => Ordering::Greater,
                    Some(12) => Ordering::Less,
                    code => panic!("{code:?}"),
                };
                assert_eq!(version(a).compare(&version(b)), expected, "{a} {b}");
            }
        }
    }
}
