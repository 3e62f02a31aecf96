//! The words and signs of the text form.

/// Reads one token after the other.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Takes the next token: a number, a word, a quoted string with its quotes, a type behind `@`,
    /// or a single sign.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let length = token_length(self.rest)?;
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(token)
    }

    /// Takes the next token if it is this one.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.next() == Some(token);
        if found {
            *self = ahead;
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str) -> Option<()> {
        self.take(token).then_some(())
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(crate::is_blank);
    }
}

fn token_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |accept: fn(&u8) -> bool| bytes.iter().take_while(|byte| accept(byte)).count();
    Some(match bytes {
        [] => return None,
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => {
            run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
        }
        [b'b', b'\'' | b'"', ..] => 1 + quoted_length(&bytes[1..])?,
        [b'a'..=b'z', ..] => run(u8::is_ascii_alphanumeric),
        [b'\'' | b'"', ..] => quoted_length(bytes)?,
        [b'@', ..] => type_length(bytes),
        _ => text.chars().next().map_or(1, char::len_utf8),
    })
}

/// Returns the length of a quoted string with its quotes; `None` if it does not end.
fn quoted_length(bytes: &[u8]) -> Option<usize> {
    let (&quote, rest) = bytes.split_first()?;
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let ends = byte == quote && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(end + 2)
}

/// Returns the length of a type with the `@` before it: to the next blank, sign or bracket that
/// closes what was opened before it.
fn type_length(bytes: &[u8]) -> usize {
    let mut open = 0_usize;
    for (index, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'(' | b'{' => open += 1,
            b')' | b'}' if open == 0 => return index,
            b')' | b'}' => open -= 1,
            b',' | b':' | b'>' | b']' | b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => return index,
            _ => {}
        }
    }
    bytes.len()
}

/// Resolves the escapes of a quoted string.
pub(super) fn unquote(token: &str) -> Option<String> {
    let mut chars = token.get(1..token.len() - 1)?.chars();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            letter @ ('u' | 'U') => {
                let digits = if letter == 'u' { 4 } else { 8 };
                let mut value = 0_u32;
                for _ in 0..digits {
                    value = value.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
                }
                out.push(char::from_u32(value).filter(|&c| c != '\0')?);
            }
            '\n' => {}
            c => out.push(u8::try_from(c).ok().and_then(control).map_or(c, char::from)),
        }
    }
    Some(out)
}

/// Resolves the escapes of a quoted string of bytes, octal numbers among them.
pub(super) fn unquote_bytes(token: &str) -> Option<Vec<u8>> {
    let mut rest = token.get(1..token.len() - 1)?.as_bytes();
    let mut out = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&byte, after) = rest.split_first()?;
        match byte {
            b'0'..=b'7' => {
                let length = rest.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                let octal = |value: u32, digit: &u8| value * 8 + u32::from(digit - b'0');
                let value = rest[..length].iter().fold(0, octal);
                out.push(value.to_le_bytes()[0]);
                rest = &rest[length..];
                continue;
            }
            b'\n' => {}
            byte => out.push(control(byte).unwrap_or(byte)),
        }
        rest = after;
    }
    // The string ends at its first NUL, as all of C's do.
    let end = out.iter().position(|&byte| byte == 0).unwrap_or(out.len());
    out.truncate(end);
    Some(out)
}

/// Returns the control character that a letter after a backslash means.
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}
