use bytes::Bytes;

use crate::DebError;

/// The first bytes of every archive.
const MAGIC: &[u8] = b"!<arch>\n";
/// The length of a member's header.
const HEADER: usize = 60;
/// What every header ends with.
const HEADER_END: &[u8] = b"`\n";
/// The most members a package may have; it has three.
const MEMBERS_MAX: usize = 64;

/// A member of an archive of `ar`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// A slice of the archive.
    pub(crate) data: Bytes,
}

/// Reads the members of an archive in the common format of `ar`, as deb(5) restricts it: names of
/// at most 16 characters, even offsets.
///
/// The header of a member is: name (16 bytes), mtime (12), uid (6), gid (6), mode (8), size (10,
/// decimal), two bytes of magic.
pub(crate) fn parse(archive: &Bytes) -> Result<Vec<Member>, DebError> {
    if !archive.starts_with(MAGIC) {
        return Err(DebError::Layout("it does not start as an archive of ar"));
    }
    let mut members = Vec::new();
    let mut rest = archive.slice(MAGIC.len()..);
    while !rest.is_empty() {
        if members.len() == MEMBERS_MAX {
            return Err(DebError::Layout("it has too many members"));
        }
        let (member, used) = parse_member(&rest)?;
        members.push(member);
        rest = rest.slice(used.min(rest.len())..);
    }
    Ok(members)
}

fn parse_member(rest: &Bytes) -> Result<(Member, usize), DebError> {
    let header = rest.get(..HEADER).ok_or(DebError::Layout("a header is cut off"))?;
    if !header.ends_with(HEADER_END) {
        return Err(DebError::Layout("a header is damaged"));
    }
    let text = |bytes| std::str::from_utf8(bytes).ok().map(str::trim_ascii_end);
    let name = text(&header[..16]).ok_or(DebError::Layout("a member's name is not text"))?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let size: usize = text(&header[48..58])
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(DebError::Layout("a member's size is not a number"))?;
    // At most ten digits, so this does not overflow.
    if size > rest.len() - HEADER {
        return Err(DebError::Layout("a member is cut off"));
    }
    let data = rest.slice(HEADER..HEADER + size);
    Ok((Member { name: name.to_owned(), data }, HEADER + size + size % 2))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Bytes {
        let mut archive = MAGIC.to_vec();
        for (name, data) in members {
            let header =
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, data.len());
            archive.extend(header.as_bytes());
            archive.extend(*data);
            archive.extend(&b"\n"[..data.len() % 2]);
        }
        archive.into()
    }

    #[test]
    fn members_are_slices_of_the_archive() {
        let archive = archive(&[("one", b"abc"), ("two/", b""), ("three", b"defg")]);
        let members = parse(&archive).unwrap();
        let seen: Vec<_> = members.iter().map(|m| (m.name.as_str(), &m.data[..])).collect();
        assert_eq!(seen, [("one", &b"abc"[..]), ("two", b""), ("three", b"defg")]);
        assert_eq!(members[0].data.as_ptr(), archive[68..].as_ptr());
    }

    #[test]
    fn damaged_archives_are_refused() {
        let good = archive(&[("one", b"abcd")]);
        assert!(parse(&Bytes::new()).is_err());
        assert!(parse(&good.slice(1..)).is_err());
        for cut in 9..good.len() {
            assert!(parse(&good.slice(..cut)).is_err(), "{cut}");
        }
        for (at, byte) in
            [(8 + 48, b'-'), (8 + 48, b'x'), (8 + 48, b'9'), (8 + 58, b'x'), (8, 0xff)]
        {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(parse(&bad.into()).is_err(), "{at}");
        }
        assert!(parse(&archive(&[("x", &b""[..]); 65])).is_err());
    }
}
