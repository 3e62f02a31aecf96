use crate::integer;

type Checked<T> = Result<T, &'static str>;

/// The bytes that a rule looks for, and which of their bits count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) bytes: Vec<u8>,
    pub(super) mask: Option<Vec<u8>>,
}

impl Pattern {
    /// Parses a value and its mask by the type of both.
    pub(super) fn parse(kind: &str, value: &str, mask: Option<&str>) -> Checked<Self> {
        if value.is_empty() {
            return Err("a <match> has no value");
        }
        let size = match kind {
            "string" => {
                let bytes = unescape(value);
                let mask = mask.filter(|_| !bytes.is_empty());
                let mask = mask.map(|mask| string_mask(mask, bytes.len())).transpose()?;
                return Ok(Self { bytes, mask });
            }
            "byte" => 1,
            "big16" | "little16" | "host16" => 2,
            "big32" | "little32" | "host32" => 4,
            _ => return Err("a <match> has an unknown type"),
        };
        let is_little = kind.starts_with('l');
        let bytes = |number: u64| {
            let mut bytes = number.to_le_bytes()[..size].to_vec();
            if !is_little {
                bytes.reverse();
            }
            bytes
        };
        let number = number(value).ok_or("a <match> has a value that is no number")?;
        // Four bytes are cut out of whatever is there.
        if size < 4 && number >> (8 * size) != 0 {
            return Err("a <match> has a value that is out of range");
        }
        let mask = match mask {
            Some("") => Some(0),
            Some(mask) => Some(self::number(mask).ok_or("a <match> has a mask that is no number")?),
            None => None,
        };
        Ok(Self { bytes: bytes(number), mask: mask.map(bytes) })
    }
}

/// Parses a number as C's `strtoul`, which takes negative ones, too.
fn number(text: &str) -> Option<u64> {
    let value = integer::parse(text)?;
    let magnitude = u64::try_from(value.unsigned_abs()).ok()?;
    Some(if value < 0 { magnitude.wrapping_neg() } else { magnitude })
}

/// Parses a mask of hexadecimal digits, at most as long as the value.
fn string_mask(text: &str, length: usize) -> Checked<Vec<u8>> {
    let digits = text.strip_prefix("0x").ok_or("a mask does not start with 0x")?;
    if digits.len() > 2 * length {
        return Err("a mask is longer than its value");
    }
    let mut mask = vec![0; length];
    for (index, digit) in digits.bytes().enumerate() {
        let value = hex(digit).ok_or("a mask is not hexadecimal")?;
        mask[index / 2] |= if index % 2 == 0 { value << 4 } else { value };
    }
    Ok(mask)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Resolves the escapes of C, with up to three octal or two hexadecimal digits.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&byte, after)) = rest.split_first() else { break };
        rest = after;
        out.push(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b'b' => 0x08,
            b't' => b'\t',
            b'f' => 0x0c,
            b'v' => 0x0b,
            b'0'..=b'7' => {
                let mut value = byte - b'0';
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    value = (value << 3) | (digit - b'0');
                    rest = after;
                }
                value
            }
            b'x' => {
                let mut value = None;
                for _ in 0..2 {
                    let Some((&digit, after)) = rest.split_first() else { break };
                    let Some(digit) = hex(digit) else { break };
                    value = Some(value.unwrap_or(0_u8) << 4 | digit);
                    rest = after;
                }
                value.unwrap_or(b'x')
            }
            other => other,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_c() {
        assert_eq!(unescape("a\\n\\x41\\x4g\\xg\\101\\18\\0\\\\\\q\\"), b"a\nA\x04gxgA\x018\0\\q");
    }

    #[test]
    fn numbers_are_laid_out_by_their_type() {
        let parse = |kind, value, mask| Pattern::parse(kind, value, mask).unwrap();
        assert_eq!(parse("big16", "0x0102", None).bytes, [1, 2]);
        assert_eq!(parse("little32", "0x01020304", Some("0xff")).mask.unwrap(), [255, 0, 0, 0]);
        assert_eq!(parse("host16", "010", None).bytes, [0, 8]);
        assert_eq!(parse("big32", "-1", None).bytes, [255; 4]);
        assert_eq!(parse("string", "abc", Some("0xf0f")).mask.unwrap(), [0xf0, 0xf0, 0]);
        for (kind, value, mask) in [
            ("byte", "256", None),
            ("big16", "x", None),
            ("big16", "08", None),
            ("string", "", None),
            ("string", "a", Some("0xfff")),
            ("string", "a", Some("ff")),
            ("big64", "1", None),
        ] {
            assert!(Pattern::parse(kind, value, mask).is_err(), "{kind} {value}");
        }
    }
}
