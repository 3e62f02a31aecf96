use std::fmt::Write as _;

/// Decodes `%41` to `A`, once; `None` if a percent sign is not followed by two hexadecimal digits
/// or if the result is not UTF-8. With `form`, `+` is a space (as in a query).
pub(crate) fn decode(text: &str, form: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                bytes.push(hex(digits[0])? << 4 | hex(digits[1])?);
                rest = tail;
            }
            b'+' if form => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Encodes all but unreserved characters (RFC 3986, section 2.3) and those in `keep`.
pub(crate) fn encode(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || keep.as_bytes().contains(&byte)
        {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_happens_once_and_refuses_what_is_no_encoding() {
        for (text, decoded) in [
            ("a%20b", Some("a b")),
            ("%252e", Some("%2e")),
            ("%c3%A4", Some("ä")),
            ("%ff", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("a+b", Some("a+b")),
        ] {
            assert_eq!(decode(text, false).as_deref(), decoded, "{text}");
        }
        assert_eq!(decode("a+b", true).as_deref(), Some("a b"));
    }

    #[test]
    fn encoding_and_decoding_cancel_out() {
        let text = "a b/ä%&=\n";
        assert_eq!(encode(text, ""), "a%20b%2F%C3%A4%25%26%3D%0A");
        assert_eq!(decode(&encode(text, "/"), false).as_deref(), Some(text));
    }
}
