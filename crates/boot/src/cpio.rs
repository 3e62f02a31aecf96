use std::collections::BTreeMap;
use std::io::{self, Write};

use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Content, Entry, InodeId, Kind, Tree, TreePath};

use crate::CpioError;

/// Marks a header without checksums (Linux: Documentation/driver-api/early-userspace/
/// buffer-format.rst).
const MAGIC: &[u8] = b"070701";
/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// Names and data start at multiples of this.
const ALIGNMENT: u64 = 4;
/// The archive's length is a multiple of this, as other writers have it.
const BLOCK: u64 = 512;
/// The longest name or link target that the kernel unpacks (`PATH_MAX`), with its final NUL.
const PATH_MAX: usize = 4096;
const ZEROS: [u8; 4096] = [0; 4096];

/// Writes a tree as a "newc" cpio archive, which the kernel unpacks as an initramfs; returns its
/// length in bytes, a multiple of 512.
///
/// Names are relative, sorted, directories before what is in them; the root is `.`. Inodes are
/// numbered in the order in which they are met. The content of a file with several names goes with
/// its last name, as GNU cpio has it; the kernel and GNU cpio unpack hard links from that. Symbolic
/// links are never hard links here, since the kernel would not make them so. Modification times
/// later than `latest_mtime` (in seconds since 1970-01-01 UTC) become it; those before 1970 become
/// 0. The format has no place for extended attributes, so they are left out.
///
/// # Errors
/// [`CpioError`] for what the format or the kernel cannot hold, and if `out` fails.
pub fn write_cpio(tree: &Tree, latest_mtime: i64, out: &mut impl Write) -> Result<u64, CpioError> {
    let mut inodes = Inodes::count(tree)?;
    let mut archive = Archive { out, written: 0, latest_mtime, head: Vec::new() };
    for entry in tree.walk() {
        let link = inodes.meet(&entry);
        archive.entry(&entry, link)?;
    }
    archive.finish().map_err(CpioError::WriteEnd)
}

/// Archives are ended from this length on, after a path whose digest says so.
const PART_MIN: u64 = 2 << 20;
/// And from this length on after any path.
const PART_MAX: u64 = 4 << 20;
/// One digest of a path in so many ends an archive.
const PART_PATHS: u8 = 8;

/// Writes the same tree as several archives, which the kernel unpacks one after the other: so each can be
/// compressed by itself, and a file that changes does not change what is far from it.
///
/// Where an archive ends depends on paths and, roughly, on lengths before it. Inodes are numbered anew in
/// each; all names of a file are in one.
///
/// # Errors
/// As [`write_cpio`].
pub fn cpio_parts(tree: &Tree, latest_mtime: i64) -> Result<Vec<Vec<u8>>, CpioError> {
    let mut inodes = Inodes::count(tree)?;
    let (mut parts, mut out) = (Vec::new(), Vec::new());
    let mut entries = tree.walk().peekable();
    while entries.peek().is_some() {
        let mut archive = Archive { out: &mut out, written: 0, latest_mtime, head: Vec::new() };
        inodes.renumber();
        let mut open = 0_u32;
        for entry in entries.by_ref() {
            let link = inodes.meet(&entry);
            archive.entry(&entry, link)?;
            // The last name of a file takes the others with it.
            let is_shared = matches!(entry.inode.kind, Kind::File(_)) && link.links > 1;
            open = match (is_shared, link.last) {
                (true, true) => open - (link.links - 1),
                (_, false) => open + 1,
                (false, true) => open,
            };
            if open == 0 && ends_after(&entry.path, archive.written) {
                break;
            }
        }
        archive.finish().map_err(CpioError::WriteEnd)?;
        parts.push(std::mem::take(&mut out));
    }
    Ok(parts)
}

fn ends_after(path: &TreePath, written: u64) -> bool {
    let digest = Sha256Digest::of(path.as_bytes());
    let [first, ..] = digest.as_bytes();
    written >= PART_MAX || written >= PART_MIN && first.is_multiple_of(PART_PATHS)
}

/// What an entry says of its inode, and whether the content goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    number: u32,
    links: u32,
    last: bool,
}

/// Numbers inodes and counts their names.
struct Inodes {
    names: BTreeMap<InodeId, (u32, u32)>,
    numbers: BTreeMap<InodeId, u32>,
    next: u32,
}

impl Inodes {
    fn count(tree: &Tree) -> Result<Self, CpioError> {
        let mut names: BTreeMap<InodeId, (u32, u32)> = BTreeMap::new();
        let mut entries = 0_u32;
        for entry in tree.walk() {
            entries = entries.checked_add(1).ok_or(CpioError::TooManyInodes)?;
            let (all, left) = names.entry(entry.id).or_default();
            *all += 1;
            *left += 1;
        }
        Ok(Self { names, numbers: BTreeMap::new(), next: 1 })
    }

    /// Begins an archive.
    fn renumber(&mut self) {
        self.numbers.clear();
        self.next = 1;
    }

    fn meet(&mut self, entry: &Entry<'_>) -> Link {
        let shared = !matches!(entry.inode.kind, Kind::Symlink(_));
        let known = if shared { self.numbers.get(&entry.id).copied() } else { None };
        let number = known.unwrap_or_else(|| {
            let number = self.next;
            self.next += 1;
            self.numbers.insert(entry.id, number);
            number
        });
        match &entry.inode.kind {
            Kind::Symlink(_) => Link { number, links: 1, last: true },
            // A directory counts its name, its own "." and the ".." of those below.
            Kind::Directory(_) => Link { number, links: 2, last: true },
            _ => {
                let (links, left) =
                    self.names.get_mut(&entry.id).expect("the same walk counted this inode");
                *left -= 1;
                Link { number, links: *links, last: *left == 0 }
            }
        }
    }
}

struct Archive<'a, W> {
    out: &'a mut W,
    written: u64,
    latest_mtime: i64,
    /// The header and name that are being made; kept for its memory.
    head: Vec<u8>,
}

impl<W: Write> Archive<'_, W> {
    fn entry(&mut self, entry: &Entry<'_>, link: Link) -> Result<(), CpioError> {
        let path = &entry.path;
        let metadata = &entry.inode.metadata;
        let name: &[u8] = if path.is_root() { b"." } else { path.as_bytes() };
        if name.len() >= PATH_MAX {
            return Err(CpioError::PathTooLong { path: path.clone() });
        }
        let (body_len, device) = match &entry.inode.kind {
            Kind::File(content) if link.last => (file_len(path, content)?, (0, 0)),
            Kind::Symlink(target) if target.len() >= PATH_MAX => {
                return Err(CpioError::TargetTooLong { path: path.clone() });
            }
            Kind::Symlink(target) => (target.len().try_into().expect("< PATH_MAX"), (0, 0)),
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                (0, (*major, *minor))
            }
            _ => (0, (0, 0)),
        };
        let mtime = metadata.mtime.seconds.min(self.latest_mtime).max(0);
        let fields = [
            link.number,
            u32::from(entry.inode.kind.type_bits() | metadata.mode),
            metadata.uid,
            metadata.gid,
            link.links,
            u32::try_from(mtime).unwrap_or(u32::MAX),
            body_len,
            0, // of the device that holds the inode
            0,
            device.0,
            device.1,
        ];
        let body = match &entry.inode.kind {
            Kind::File(content) if link.last => Body::File(content),
            Kind::Symlink(target) => Body::Bytes(target),
            _ => Body::Bytes(&[]),
        };
        self.head(fields, name)
            .and_then(|()| self.body(&body))
            .map_err(|source| CpioError::Write { path: path.clone(), source })
    }

    /// Writes a header: the magic, eleven fields, the name's length and a checksum that newc does
    /// not use, all as eight hexadecimal digits; then the name with its NUL.
    fn head(&mut self, fields: [u32; 11], name: &[u8]) -> io::Result<()> {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        head.extend_from_slice(MAGIC);
        let name_len = u32::try_from(name.len() + 1).expect("names are shorter than PATH_MAX");
        for field in fields.into_iter().chain([name_len, 0]) {
            write!(head, "{field:08x}")?;
        }
        head.extend_from_slice(name);
        head.push(0);
        self.put(&head)?;
        self.head = head;
        self.pad(ALIGNMENT)
    }

    fn body(&mut self, body: &Body<'_>) -> io::Result<()> {
        match body {
            Body::Bytes(bytes) => self.put(bytes)?,
            Body::File(content) => {
                let mut at = 0;
                for piece in content.data() {
                    let (offset, data) = piece?;
                    self.zeros(offset - at)?;
                    self.put(&data)?;
                    at = offset + data.len() as u64;
                }
                self.zeros(content.len() - at)?;
            }
        }
        self.pad(ALIGNMENT)
    }

    fn finish(mut self) -> io::Result<u64> {
        self.head([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], TRAILER)?;
        self.pad(BLOCK)?;
        Ok(self.written)
    }

    fn pad(&mut self, alignment: u64) -> io::Result<()> {
        self.zeros(self.written.next_multiple_of(alignment) - self.written)
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.put(&ZEROS[..piece])?;
            left -= piece as u64;
        }
        Ok(())
    }

    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        self.out.write_all(data)?;
        self.written += data.len() as u64;
        Ok(())
    }
}

/// What follows a header.
enum Body<'a> {
    Bytes(&'a [u8]),
    File(&'a Content),
}

fn file_len(path: &TreePath, content: &Content) -> Result<u32, CpioError> {
    let len = content.len();
    u32::try_from(len).map_err(|_| CpioError::FileTooLong { path: path.clone(), len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use flagstone_tree::{Inode, Metadata, Mtime};

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(100));

    fn archive(tree: &Tree) -> Vec<u8> {
        let mut out = Vec::new();
        let len = write_cpio(tree, 50, &mut out).unwrap();
        assert_eq!(len, out.len() as u64);
        out
    }

    #[test]
    fn one_file_has_known_bytes() {
        let mut tree = Tree::new(META);
        let file = Metadata { mode: 0o640, uid: 1, gid: 2, mtime: Mtime::from_seconds(7) };
        tree.insert("a", Inode::file(file, "hello")).unwrap();
        let mut expected = Vec::new();
        expected.extend_from_slice(
            b"07070100000001000041ed0000000000000000000000020000003200000000\
              0000000000000000000000000000000000000002\
              00000000.\0",
        );
        expected.extend_from_slice(
            b"07070100000002000081a00000000100000002000000010000000700000005\
              0000000000000000000000000000000000000002\
              00000000a\0hello\0\0\0",
        );
        expected.extend_from_slice(
            b"07070100000000000000000000000000000000000000010000000000000000\
              000000000000000000000000000000000000000b\
              00000000TRAILER!!!\0\0\0\0",
        );
        expected.resize(512, 0);
        let actual = archive(&tree);
        assert_eq!(String::from_utf8_lossy(&actual), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn content_goes_with_the_last_of_several_names() {
        let mut tree = Tree::new(META);
        let id = tree.insert("a", Inode::file(META, "data")).unwrap();
        tree.hard_link("b", id).unwrap();
        let archive = archive(&tree);
        let text = String::from_utf8_lossy(&archive);
        assert_eq!(text.matches("data").count(), 1);
        assert!(text.find("data") > text.find("b\0"));
        let first = text.find("a\0").unwrap() - 110;
        assert_eq!(&text[first + 6..first + 14], "00000002");
        assert_eq!(&text[first + 38..first + 46], "00000002");
        assert_eq!(&text[first + 54..first + 62], "00000000");
    }

    #[test]
    fn holes_are_written_as_zeros() {
        let mut tree = Tree::new(META);
        let content = Content::sparse(10_000, vec![(9000, Bytes::from_static(b"x"))]).unwrap();
        tree.insert("a", Inode::file(META, content)).unwrap();
        let archive = archive(&tree);
        let start = 112 + 112;
        let body = &archive[start..start + 10_000];
        assert_eq!(body[9000], b'x');
        assert_eq!(body.iter().filter(|&&byte| byte != 0).count(), 1);
    }

    #[test]
    fn what_the_format_or_the_kernel_cannot_hold_is_refused() {
        let mut long = Tree::new(META);
        long.insert(
            "a",
            Inode::file(META, Content::sparse(1 << 32, Vec::<(u64, Bytes)>::new()).unwrap()),
        )
        .unwrap();
        let error = write_cpio(&long, 0, &mut io::sink()).unwrap_err();
        assert!(matches!(error, CpioError::FileTooLong { .. }), "{error}");

        let mut deep = Tree::new(META);
        let path = ["d".repeat(250).as_str(); 17].join("/");
        deep.create_dirs(&path, META).unwrap();
        let error = write_cpio(&deep, 0, &mut io::sink()).unwrap_err();
        assert!(matches!(error, CpioError::PathTooLong { .. }), "{error}");

        let mut link = Tree::new(META);
        link.insert("l", Inode::symlink(META.mtime, vec![b'x'; 4096])).unwrap();
        let error = write_cpio(&link, 0, &mut io::sink()).unwrap_err();
        assert!(matches!(error, CpioError::TargetTooLong { .. }), "{error}");
    }

    #[test]
    fn a_writer_that_fails_is_reported_with_the_path() {
        let mut tree = Tree::new(META);
        tree.insert("a", Inode::file(META, "hello")).unwrap();
        let mut room = [0_u8; 200];
        let error = write_cpio(&tree, 0, &mut &mut room[..]).unwrap_err();
        assert_eq!(error.to_string(), "failed to write /a to the cpio archive");
    }
}
