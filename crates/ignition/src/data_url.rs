//! `data:` addresses (RFC 2397), as strictly as Ignition reads them.

/// Types whose names a media type may begin with.
const TYPES: [&str; 7] = ["text", "image", "audio", "video", "application", "message", "multipart"];

/// Returns what an address holds.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn decode(url: &str) -> Result<Vec<u8>, &'static str> {
    let rest = url.strip_prefix("data:").ok_or("`data:` is in other letters")?;
    let mut head = Head { rest };
    let is_base64 = head.read()?;
    let data = head.rest;
    if is_base64 { base64(data) } else { percent(data) }
}

/// What stands before the comma.
struct Head<'a> {
    rest: &'a str,
}

impl<'a> Head<'a> {
    fn token(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn take(&mut self, c: char) -> bool {
        self.rest.strip_prefix(c).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    /// Reads up to the comma and returns whether base64 follows.
    fn read(&mut self) -> Result<bool, &'static str> {
        const NO_COMMA: &str = "no comma stands before its data";
        let media = self.token();
        if !media.is_empty() {
            let known = TYPES.iter().any(|known| media.starts_with(known));
            if !self.take('/') || !(known || media.starts_with("x-") || media.starts_with("X-")) {
                return Err(if self.rest.contains(',') {
                    "its media type is none"
                } else {
                    NO_COMMA
                });
            }
            self.token();
        }
        while self.take(';') {
            let name = self.token();
            if name.is_empty() {
                return Err("a parameter has no name");
            }
            if self.take('=') {
                self.parameter()?;
            } else if self.take(',') {
                return if name == "base64" { Ok(true) } else { Err("a parameter has no value") };
            } else {
                return Err(NO_COMMA);
            }
        }
        if self.take(',') { Ok(false) } else { Err(NO_COMMA) }
    }

    fn parameter(&mut self) -> Result<(), &'static str> {
        if !self.take('"') {
            return if self.token().is_empty() { Err("a parameter has no value") } else { Ok(()) };
        }
        let mut escaped = false;
        for (at, c) in self.rest.char_indices() {
            if !c.is_ascii() {
                return Err("a parameter is not ASCII");
            }
            if c == '"' && !escaped {
                self.rest = &self.rest[at + 1..];
                return Ok(());
            }
            escaped = c == '\\' && !escaped;
        }
        Err("the text of a parameter has no end")
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}

fn percent(data: &str) -> Result<Vec<u8>, &'static str> {
    if !data.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>#\"{}|\\^[]`".contains(&byte)) {
        return Err("its data has a character that has to be written as %XX");
    }
    let mut decoded = Vec::with_capacity(data.len());
    let mut bytes = data.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let code = digit().zip(digit()).and_then(|(a, b)| u8::try_from(a << 4 | b).ok());
        decoded.push(code.ok_or("a % in its data is not followed by two hexadecimal digits")?);
    }
    Ok(decoded)
}

/// Decodes base64 with padding (RFC 4648, section 4).
fn base64(data: &str) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "its data is no base64";
    if !data.len().is_multiple_of(4) {
        return Err("its base64 is cut off or lacks the = at its end");
    }
    let body = data.strip_suffix("==").or_else(|| data.strip_suffix('=')).unwrap_or(data);
    let mut decoded = Vec::with_capacity(data.len() / 4 * 3);
    for group in body.as_bytes().chunks(4) {
        let mut word: u32 = 0;
        for at in 0..4 {
            let six = group.get(at).map_or(Some(0), |byte| sextet(*byte)).ok_or(BROKEN)?;
            word = word << 6 | six;
        }
        let [_, bytes @ ..] = word.to_be_bytes();
        decoded.extend(&bytes[..group.len().saturating_sub(1)]);
    }
    Ok(decoded)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_decoded_or_refused() {
        for (url, decoded) in [
            ("data:,a%20b", Ok("a b")),
            ("data:", Err("no comma stands before its data")),
            ("data:,", Ok("")),
            ("data:text/plain;charset=utf-8;base64,aGVsbG8=", Ok("hello")),
            ("data:;base64,aGVsbG8h", Ok("hello!")),
            ("data:text/x;a=\"b,\\\"c\",d", Ok("d")),
            ("data:;base64,aGVsbG8", Err("its base64 is cut off or lacks the = at its end")),
            ("data:;base64,aGV*bG8=", Err("its data is no base64")),
            ("data:,a b", Err("its data has a character that has to be written as %XX")),
            ("data:,%4", Err("a % in its data is not followed by two hexadecimal digits")),
            ("data:hello", Err("no comma stands before its data")),
            ("data:hello,x", Err("its media type is none")),
            ("data:;gzip,x", Err("a parameter has no value")),
        ] {
            assert_eq!(decode(url), decoded.map(|text| text.as_bytes().to_vec()), "{url}");
        }
    }
}
