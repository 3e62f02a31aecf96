//! The records of a PAX extended header (POSIX.1-2017, `pax`, "pax Extended Header").

use flagstone_tree::Xattrs;

/// What one extended header says about the next member.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link_path: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) mtime: Option<i64>,
    pub(crate) xattrs: Xattrs,
    /// Whether the member is sparse in one of the PAX ways, which are not supported.
    pub(crate) sparse: bool,
}

/// Where `tar` and `bsdtar` put extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

impl Pax {
    /// Parses all records: `LENGTH KEYWORD=VALUE\n`, the length counting the whole record. The value
    /// may hold any byte, newlines too. `None` if a record is malformed.
    pub(crate) fn parse(mut data: &[u8]) -> Option<Self> {
        let mut pax = Self::default();
        while !data.is_empty() {
            let space = data.iter().take(20).position(|&b| b == b' ')?;
            let len = decimal(&data[..space])?;
            let record = data.get(..usize::try_from(len).ok()?)?;
            data = &data[record.len()..];
            let (b'\n', body) = record.get(space + 1..)?.split_last()? else { return None };
            let equals = body.iter().position(|&b| b == b'=')?;
            pax.set(&body[..equals], &body[equals + 1..])?;
        }
        Some(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link_path = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?.try_into().ok()?),
            b"gid" => self.gid = Some(decimal(value)?.try_into().ok()?),
            b"mtime" => self.mtime = Some(seconds(value)?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.insert(name.to_vec(), value.to_vec());
                }
                self.sparse |= key.starts_with(b"GNU.sparse.");
            }
        }
        Some(())
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads whole seconds off a decimal that may be negative and may have a fraction, rounding down.
fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let value: i64 = whole.parse().ok()?;
    let below = whole.starts_with('-') && fraction.bytes().any(|b| b != b'0');
    value.checked_sub(i64::from(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &[u8]) -> Vec<u8> {
        let mut len = body.len() + 2;
        while len != body.len() + 2 + len.to_string().len() {
            len = body.len() + 2 + len.to_string().len();
        }
        [len.to_string().as_bytes(), b" ", body, b"\n"].concat()
    }

    #[test]
    fn a_value_may_hold_newlines() {
        let capability = b"\x01\0\0\x02\x0a\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let data = [
            record(b"path=usr/bin/x"),
            record(&[b"SCHILY.xattr.security.capability=", &capability[..]].concat()),
            record(b"mtime=-2.5"),
        ]
        .concat();
        let pax = Pax::parse(&data).unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"usr/bin/x"[..]));
        assert_eq!(pax.xattrs[&b"security.capability"[..]], capability);
        assert_eq!(pax.mtime, Some(-3));
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            &b"12 path=a"[..],
            b"x path=a\n",
            b"9 path=a!",
            b"999999999999999999999999 path=a\n",
            b"5 \n",
            b"10 size=-1\n",
            b"7 path\n",
        ] {
            assert!(Pax::parse(bad).is_none(), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
