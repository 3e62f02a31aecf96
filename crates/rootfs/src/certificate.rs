//! As much of X.509 as finding a certificate by its subject takes.
//!
//! OpenSSL looks for an issuer in a directory under a file name made of a hash of the subject
//! (`X509_NAME_hash`). Two spellings of one name must give one hash, so the subject is brought to a
//! canonical form first: strings as UTF-8, lower case, blanks trimmed and collapsed.

use sha1::{Digest, Sha1};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const VERSION: u8 = 0xa0;

/// A certificate in DER (X.690).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate(Vec<u8>);

impl Certificate {
    /// Reads all certificates of a PEM file (RFC 7468); `None` if one of them is damaged.
    pub(crate) fn read_pem(text: &str) -> Option<Vec<Self>> {
        const BEGIN: &str = "-----BEGIN ";
        const LABELS: [&str; 3] =
            ["CERTIFICATE-----", "TRUSTED CERTIFICATE-----", "X509 CERTIFICATE-----"];
        let mut certificates = Vec::new();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            let Some(label) = line.strip_prefix(BEGIN) else { continue };
            let end = format!("-----END {label}");
            let body: String = lines.by_ref().take_while(|line| *line != end).collect();
            if LABELS.contains(&label) {
                certificates.push(Self(decode_base64(&body)?));
            }
        }
        Some(certificates)
    }

    /// Returns the SHA-1 digest of the whole, by which OpenSSL tells duplicates.
    pub(crate) fn fingerprint(&self) -> [u8; 20] {
        Sha1::digest(&self.0).into()
    }

    /// Returns the hash of the canonical subject that OpenSSL names links after; `None` if the
    /// certificate is damaged.
    pub(crate) fn subject_hash(&self) -> Option<u32> {
        let canonical = canonical_name(self.subject()?)?;
        let digest: [u8; 20] = Sha1::digest(canonical).into();
        Some(u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]))
    }

    /// Finds the subject (RFC 5280, 4.1): the fifth field of the signed part, the version aside.
    fn subject(&self) -> Option<&[u8]> {
        let (certificate, _) = expect(&self.0, SEQUENCE)?;
        let (mut fields, _) = expect(certificate, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            fields = value(fields)?.rest;
        }
        // Serial number, signature algorithm, issuer, validity.
        for _ in 0..4 {
            fields = value(fields)?.rest;
        }
        expect(fields, SEQUENCE).map(|(subject, _)| subject)
    }
}

struct Value<'a> {
    tag: u8,
    body: &'a [u8],
    rest: &'a [u8],
}

/// Takes one DER value off the front.
fn value(data: &[u8]) -> Option<Value<'_>> {
    let (&tag, data) = data.split_first()?;
    // Tags of more than one byte are not used in names and what comes before them.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, data) = data.split_first()?;
    let (len, data) = match first {
        0..=0x7f => (usize::from(first), data),
        0x81..=0x84 => {
            let (bytes, data) = data.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)), data)
        }
        _ => return None,
    };
    let (body, rest) = data.split_at_checked(len)?;
    Some(Value { tag, body, rest })
}

fn expect(data: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    value(data).filter(|value| value.tag == tag).map(|value| (value.body, value.rest))
}

fn encode(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = body.len().to_be_bytes();
    let len = &len[len.iter().position(|&b| b != 0).unwrap_or(len.len() - 1)..];
    if body.len() >= 0x80 {
        out.push(0x80 | u8::try_from(len.len()).expect("a length has at most 8 bytes"));
    }
    out.extend_from_slice(len);
    out.extend_from_slice(body);
    out
}

/// Returns a name's parts in canonical form, one after the other, without the sequence around them.
fn canonical_name(mut name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !name.is_empty() {
        let (mut part, rest) = expect(name, SET)?;
        name = rest;
        let mut attributes = Vec::new();
        while !part.is_empty() {
            let (attribute, rest) = expect(part, SEQUENCE)?;
            part = rest;
            let object = value(attribute)?;
            let text = value(object.rest)?;
            let mut body = encode(object.tag, object.body);
            body.extend(canonical_value(&text)?);
            attributes.push(encode(SEQUENCE, &body));
        }
        // DER sorts the members of a set.
        attributes.sort();
        out.extend(encode(SET, &attributes.concat()));
    }
    Some(out)
}

fn canonical_value(value: &Value<'_>) -> Option<Vec<u8>> {
    let text = match value.tag {
        UTF8_STRING => String::from_utf8(value.body.to_vec()).ok()?,
        // PrintableString, T61String, IA5String and VisibleString, all taken as Latin-1.
        0x13 | 0x14 | 0x16 | 0x1a => value.body.iter().map(|&byte| char::from(byte)).collect(),
        // UniversalString and BMPString.
        0x1c => wide(value.body, 4)?,
        0x1e => wide(value.body, 2)?,
        tag => return Some(encode(tag, value.body)),
    };
    let blank = |c: char| matches!(c, ' ' | '\t'..='\r');
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    Some(encode(UTF8_STRING, words.join(" ").to_ascii_lowercase().as_bytes()))
}

fn wide(body: &[u8], width: usize) -> Option<String> {
    let chunks = body.chunks(width);
    let units = chunks.map(|unit| {
        let code = unit.iter().fold(0, |code, &byte| code << 8 | u32::from(byte));
        (unit.len() == width).then(|| char::from_u32(code))?
    });
    units.collect()
}

/// Decodes base64 (RFC 4648, 4), blanks between allowed.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let data = digits.strip_suffix(b"==").or(digits.strip_suffix(b"=")).unwrap_or(&digits);
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(data.len() / 4 * 3 + 2);
    for group in data.chunks(4) {
        let mut bits = 0;
        for &digit in group {
            bits = bits << 6 | u32::from(base64_value(digit)?);
        }
        bits <<= 6 * (4 - group.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend_from_slice(bytes.get(..group.len().checked_sub(1)?)?);
    }
    Some(out)
}

fn base64_value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_or_refused() {
        for (text, expected) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v\nYmFy", b"foobar")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["Z", "Zg", "Zg=", "Zg=a", "Z===", "Zm9*"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let body = vec![7; len];
            let encoded = encode(SEQUENCE, &body);
            assert_eq!(expect(&encoded, SEQUENCE), Some((&body[..], &[][..])), "{len}");
        }
    }

    #[test]
    fn spellings_of_one_name_are_one() {
        let name = |tag: u8, text: &[u8]| {
            let attribute = [encode(0x06, &[0x55, 4, 3]), encode(tag, text)].concat();
            canonical_name(&encode(SET, &encode(SEQUENCE, &attribute))).unwrap()
        };
        let plain = name(UTF8_STRING, b"ab c");
        assert_eq!(plain, name(0x13, b"  AB \t C "));
        assert_eq!(plain, name(0x1e, b"\0A\0B\0 \0c"));
        assert_eq!(name(UTF8_STRING, "\u{e9}".as_bytes()), name(0x14, b"\xe9"));
        assert_ne!(plain, name(0x03, b"ab c"));
    }

    #[test]
    fn damaged_certificates_have_no_hash() {
        let fields = [encode(2, &[1]), encode(SEQUENCE, b""), encode(SEQUENCE, b"")];
        let subject = encode(SET, &encode(SEQUENCE, &[encode(6, &[1]), encode(12, b"x")].concat()));
        let tbs = [fields.concat(), encode(SEQUENCE, b""), encode(SEQUENCE, &subject)].concat();
        let whole = encode(SEQUENCE, &encode(SEQUENCE, &tbs));
        assert!(Certificate(whole.clone()).subject_hash().is_some());
        for len in 0..whole.len() {
            assert_eq!(Certificate(whole[..len].to_vec()).subject_hash(), None, "{len}");
        }
        for bit in 0..whole.len() * 8 {
            let mut data = whole.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            let _ = Certificate(data).subject_hash();
        }
    }
}
