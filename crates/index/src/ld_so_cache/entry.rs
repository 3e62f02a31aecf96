use std::cmp::Ordering;

/// One name of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name by which programs ask for it.
    pub(super) name: Vec<u8>,
    /// Where it is, from the root.
    pub(super) path: Vec<u8>,
    /// The kind of library: which C library and which machine.
    pub(super) flags: u32,
    /// The `glibc-hwcaps` directory it is in.
    pub(super) hwcaps: Option<Vec<u8>>,
    /// The x86 level it needs.
    pub(super) isa_level: u32,
}

/// Orders entries as the loader searches them: falling names and kinds; those for better hardware
/// before the plain one.
pub(super) fn order(a: &Entry, b: &Entry) -> Ordering {
    compare_names(&b.name, &a.name)
        .then_with(|| b.flags.cmp(&a.flags))
        .then_with(|| b.hwcaps.is_some().cmp(&a.hwcaps.is_some()))
        .then_with(|| a.hwcaps.cmp(&b.hwcaps))
}

/// Compares library names with their numbers taken as numbers: `libc.so.10` after `libc.so.6`. A
/// digit comes after anything else.
pub(super) fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (a.first().copied(), b.first().copied());
        let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
        match (is_digit(x), is_digit(y)) {
            (true, true) => {
                let (left, right) = (number(&mut a), number(&mut b));
                if left != right {
                    return left.cmp(&right);
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {
                if x != y || x.is_none() {
                    return x.cmp(&y);
                }
                (a, b) = (&a[1..], &b[1..]);
            }
        }
    }
}

/// Takes a number off the start of a text.
fn number(text: &mut &[u8]) -> u64 {
    let mut value = 0_u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = *text {
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let sorted = ["lib", "liba.so", "liba.so.2", "liba.so.2.1", "liba.so.10", "libb", "lib1"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_names(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(compare_names(b"x01", b"x1"), Ordering::Equal);
    }
}
