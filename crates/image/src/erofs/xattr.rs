use flagstone_tree::Xattrs;

use crate::Unfit;

/// Bytes of `struct erofs_xattr_ibody_header`, without shared attributes.
const HEADER: usize = 12;

/// Bytes of `struct erofs_xattr_entry` before the name; entries are padded to a multiple of it.
const ENTRY: usize = 4;

/// Name prefixes and their `EROFS_XATTR_INDEX_*`; the rest of the name is stored beside.
const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];

/// Names that are all prefix.
const WHOLE_NAMES: [(&[u8], u8); 2] =
    [(b"system.posix_acl_access", 2), (b"system.posix_acl_default", 3)];

/// Returns the bytes that attributes take after an inode: 0 for none, else a header and an entry
/// each, a multiple of four.
pub(super) fn size(xattrs: &Xattrs) -> Result<u64, Unfit> {
    if xattrs.is_empty() {
        return Ok(0);
    }
    let mut size = HEADER;
    for (name, value) in xattrs {
        let text = || String::from_utf8_lossy(name).into_owned();
        let (_, rest) = split(name).ok_or_else(|| Unfit::XattrName { name: text() })?;
        if u16::try_from(value.len()).is_err() {
            return Err(Unfit::XattrValue { name: text(), len: value.len() });
        }
        size += (ENTRY + rest.len() + value.len()).next_multiple_of(ENTRY);
    }
    let size = size as u64;
    if u16::try_from(count(size)).is_err() {
        return Err(Unfit::XattrTotal { len: usize::try_from(size).unwrap_or(usize::MAX) });
    }
    Ok(size)
}

/// Returns `i_xattr_icount` for attributes of this size: 0 for none, else the header as one and
/// every four bytes after it as one more.
pub(super) fn count(size: u64) -> u64 {
    if size == 0 { 0 } else { 1 + (size - HEADER as u64) / ENTRY as u64 }
}

/// Appends the attributes; [`size`] has accepted them.
pub(super) fn encode(xattrs: &Xattrs, out: &mut Vec<u8>) {
    if xattrs.is_empty() {
        return;
    }
    out.extend([0; HEADER]); // no name filter, no shared attributes
    for (name, value) in xattrs {
        let (index, rest) = split(name).expect("size() accepted the name");
        let name_length = u8::try_from(rest.len()).expect("size() accepted the name");
        let value_length = u16::try_from(value.len()).expect("size() accepted the value");
        out.extend([name_length, index]);
        out.extend(value_length.to_le_bytes());
        out.extend(rest);
        out.extend(value);
        let entry = ENTRY + rest.len() + value.len();
        out.extend(std::iter::repeat_n(0, entry.next_multiple_of(ENTRY) - entry));
    }
}

/// Returns the index of a name's prefix, and the rest of the name.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    if let Some((_, index)) = WHOLE_NAMES.iter().find(|(whole, _)| *whole == name) {
        return Some((*index, b""));
    }
    let (index, rest) =
        PREFIXES.iter().find_map(|(prefix, index)| Some((*index, name.strip_prefix(*prefix)?)))?;
    (!rest.is_empty() && u8::try_from(rest.len()).is_ok() && !rest.contains(&0))
        .then_some((index, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &[u8], value: &[u8]) -> Xattrs {
        [(name.to_vec(), value.to_vec())].into()
    }

    #[test]
    fn an_attribute_is_a_padded_entry_after_the_header() {
        let xattrs = one(b"user.ab", b"xyz");
        let mut bytes = Vec::new();
        encode(&xattrs, &mut bytes);
        assert_eq!(bytes[12..], *b"\x02\x01\x03\0abxyz\0\0\0");
        assert_eq!(size(&xattrs), Ok(24));
        assert_eq!(count(24), 4);
        assert_eq!((size(&Xattrs::new()), count(0)), (Ok(0), 0));
    }

    #[test]
    fn an_acl_has_an_index_and_no_name() {
        let mut bytes = Vec::new();
        encode(&one(b"system.posix_acl_access", b"\x02\0\0\0"), &mut bytes);
        assert_eq!(bytes[12..], *b"\0\x02\x04\0\x02\0\0\0");
    }

    #[test]
    fn attributes_without_a_place_are_refused() {
        let long = [b"user.".as_slice(), &[b'x'; 256]].concat();
        for name in [b"system.nfs4_acl".as_slice(), b"user.", b"plain", b"", b"user.a\0", &long] {
            assert!(matches!(size(&one(name, b"")), Err(Unfit::XattrName { .. })), "{name:?}");
        }
        assert!(size(&one(&long[..260], &vec![0; 65_535])).is_ok());
        let refused = size(&one(b"user.a", &vec![0; 65_536]));
        assert!(matches!(refused, Err(Unfit::XattrValue { len: 65_536, .. })));
        let many: Xattrs =
            (0..5).map(|n| (format!("user.{n}").into_bytes(), vec![0; 60_000])).collect();
        assert!(matches!(size(&many), Err(Unfit::XattrTotal { .. })));
    }
}
