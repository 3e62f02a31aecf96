use std::fmt;

/// The most characters that are kept of a line for a message.
const SHOWN_MAX: usize = 200;

/// One line of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the text, from 1.
    pub number: usize,
    /// What it says, cut to two hundred characters.
    pub text: String,
}

impl Line {
    /// Keeps a line.
    pub(crate) fn new(number: usize, text: &str) -> Self {
        let text = text.trim();
        let mut kept: String = text.chars().take(SHOWN_MAX).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        Self { number, text: kept }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.text)
    }
}

/// Makes plain text of a console's bytes: without escape sequences (ECMA-48, section 5.4) and carriage
/// returns; what is no UTF-8 becomes U+FFFD.
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => match chars.next() {
                // A control sequence ends with its first character from @ to ~.
                Some('[') => {
                    let _ = chars.find(|char| ('@'..='~').contains(char));
                }
                // A control string, such as the context that systemd 257 tells terminals, ends with ST or BEL.
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                _ => {}
            },
            '\r' => {}
            char => plain.push(char),
        }
    }
    plain
}

/// Passes over a control string. One that no line ends is cut off by the line.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(char) = chars.next_if(|char| *char != '\n') {
        match char {
            '\u{7}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_vanish_and_words_stay() {
        for (bytes, expected) in [
            (&b"[\x1b[0;32m  OK  \x1b[0m] Reached\r\n"[..], "[  OK  ] Reached\n"),
            (b"\x1b[2J\x1b[01;01HBdsDxe: loading", "BdsDxe: loading"),
            (b"\x1b[!p\x1b[?7hx", "x"),
            (b"\x1b]3008;start=1\x1b\\login:", "login:"),
            (b"\x1b]0;title\x07prompt", "prompt"),
            (b"\x1b]never ended\nnext", "\nnext"),
            (b"\x1b7a\x1b", "a"),
            (b"\x1b[", ""),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(plain(bytes), expected);
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = Line::new(3, &"ä".repeat(500));
        assert_eq!(line.text.chars().count(), SHOWN_MAX + 1);
        assert_eq!(Line::new(3, " short ").to_string(), "line 3: short");
    }
}
