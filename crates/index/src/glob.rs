/// Tells whether a shell pattern (`*`, `?`, `[a-z]`, `[!a]`) matches a whole text.
///
/// Takes time proportional to the product of both lengths at worst: only the last star is
/// retried.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(_) => {
                if let Some(next) = one_matches(pattern, p, text[t]) {
                    p = next;
                    t += 1;
                    continue;
                }
            }
            None => {}
        }
        let Some((after_star, from)) = retry else { return false };
        retry = Some((after_star, from + 1));
        (p, t) = (after_star, from + 1);
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Matches one byte against the pattern's element at `at`; returns where the next one starts.
fn one_matches(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(at + 1),
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(at + 2),
        b'[' => match set_matches(&pattern[at + 1..], byte) {
            Some((matched, len)) => matched.then_some(at + 1 + len),
            // Without its closing bracket, a bracket is itself.
            None => (byte == b'[').then_some(at + 1),
        },
        literal => (literal == byte).then_some(at + 1),
    }
}

/// Matches a byte against the rest of a bracket expression; returns its length with the bracket.
fn set_matches(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A bracket that comes first is a member.
    let end = start + 1 + set.get(start + 1..)?.iter().position(|&b| b == b']')?;
    let members = &set[start..end];
    let mut matched = false;
    let mut i = 0;
    while i < members.len() {
        if i + 2 < members.len() && members[i + 1] == b'-' {
            matched |= (members[i]..=members[i + 2]).contains(&byte);
            i += 3;
        } else {
            matched |= members[i] == byte;
            i += 1;
        }
    }
    Some((matched != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_the_shell() {
        let cases: &[(&str, &str, bool)] = &[
            ("*.conf", "a.conf", true),
            ("*.conf", "a.config", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("?", "", false),
            ("[0-9a]x", "ax", true),
            ("[!0-9]x", "3x", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("pci:v*d*sv*", "pci:v00001d2sv3", true),
            ("\\*", "*", true),
            ("**", "", true),
            ("", "", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                *expected,
                "{pattern} against {text}"
            );
        }
    }
}
