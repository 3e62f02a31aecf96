//! Reads one package's data archive: ustar, GNU and PAX headers, contents as slices.
//!
//! Headers are decoded by the `tar` crate; the walk over blocks is our own, so that contents stay
//! slices of the archive or stay where they are kept, attribute values may hold newlines, and every length is
//! checked against what is there.

mod input;
mod split;

use std::collections::BTreeMap;

use bytes::Bytes;
use flagstone_tree::{Content, Data, Metadata, Mtime, TreePath, Xattrs};
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use self::input::Input;
use crate::pax::Pax;
use crate::{ArchiveError, PruneList};

pub use self::split::{ContentSink, SplitError, SplitList, split_archive};

const BLOCK: usize = 512;

/// The longest path a GNU long-name member may bring; Linux's `PATH_MAX`.
const LONG_NAME_MAX: usize = 4096;

/// The largest PAX header read, far above any real set of attributes (a value is at most 64 KiB).
const PAX_MAX: usize = 1 << 20;

/// The files of one package.
#[derive(Clone, Debug)]
pub struct PackageArchive {
    /// The package's name.
    pub name: String,
    /// Its data archive.
    pub data: ArchiveData,
    /// The paths of its configuration files, as the package lists them (`/etc/…`).
    pub conffiles: Vec<String>,
}

/// An uncompressed tar archive.
#[derive(Clone, Debug)]
pub enum ArchiveData {
    /// In memory.
    Whole(Bytes),
    /// As [`split_archive`] took it apart.
    Split {
        /// All blocks but those of contents.
        headers: Bytes,
        /// Every content that is not empty, in the order of the archive.
        contents: Vec<Data>,
    },
}

impl From<Bytes> for ArchiveData {
    fn from(data: Bytes) -> Self {
        Self::Whole(data)
    }
}

/// One member that is to be merged.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) path: TreePath,
    pub(crate) metadata: Metadata,
    pub(crate) xattrs: Xattrs,
    pub(crate) kind: MemberKind,
}

#[derive(Debug)]
pub(crate) enum MemberKind {
    Directory,
    File(Content),
    Symlink(Bytes),
    /// One more name for the member with this index, which is a file.
    HardLink(usize),
}

/// One package's members, in archive order.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) list: Vec<Member>,
    /// Members that only hard links name: files that are left out themselves.
    pub(crate) unnamed: Vec<bool>,
}

/// Reads all members of an archive that `prune` does not leave out.
pub(crate) fn read_members(
    archive: &PackageArchive,
    prune: &PruneList,
    date: Mtime,
) -> Result<Members, ArchiveError> {
    archive.data.with_input(|input| read_from(input, prune, date))
}

fn read_from(
    input: &mut dyn Input,
    prune: &PruneList,
    date: Mtime,
) -> Result<Members, ArchiveError> {
    let mut reader = Reader { input, date };
    let mut members = Members::default();
    let mut files: BTreeMap<TreePath, usize> = BTreeMap::new();
    while let Some(raw) = reader.next_member()? {
        let Some(path) = tree_path(&raw.path)? else { continue };
        let kind = match raw.kind {
            RawKind::Directory if is_link_elsewhere(path.as_bytes()) => continue,
            RawKind::Directory => MemberKind::Directory,
            RawKind::File(content) => MemberKind::File(content),
            RawKind::Symlink => MemberKind::Symlink(raw.link.into()),
            RawKind::HardLink => {
                let target = tree_path(&raw.link)
                    .ok()
                    .flatten()
                    .and_then(|target| files.get(&target).copied())
                    .ok_or_else(|| ArchiveError::HardLink {
                        path: path.clone(),
                        target: String::from_utf8_lossy(&raw.link).into_owned(),
                    })?;
                MemberKind::HardLink(target)
            }
        };
        let dropped = prune.drops(path.as_bytes());
        match &kind {
            MemberKind::File(_) => {
                files.insert(path.clone(), members.list.len());
            }
            MemberKind::HardLink(target) => {
                files.insert(path.clone(), *target);
                if dropped {
                    continue;
                }
            }
            _ if dropped => continue,
            _ => {}
        }
        members.list.push(Member { path, metadata: raw.metadata, xattrs: raw.xattrs, kind });
        members.unnamed.push(dropped);
    }
    Ok(members)
}

/// Turns a member's path into one of the tree; `None` for the root itself.
///
/// /usr is merged: `bin`, `sbin` and `lib*` at the top are links into it, and so is what old
/// packages put below them. `var/run` and `var/lock` are links into /run in the same way.
fn tree_path(raw: &[u8]) -> Result<Option<TreePath>, ArchiveError> {
    let refuse =
        |reason| ArchiveError::Member { path: String::from_utf8_lossy(raw).into_owned(), reason };
    if raw.starts_with(b"/") {
        return Err(refuse("the path is absolute"));
    }
    let names: Vec<&[u8]> =
        raw.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    if names.contains(&&b".."[..]) {
        return Err(refuse("the path holds \"..\""));
    }
    if raw.len() > LONG_NAME_MAX {
        return Err(refuse("the path is longer than 4096 bytes"));
    }
    // Legal on Linux, in no package, and poison for every list that has a path a line.
    if raw.iter().any(u8::is_ascii_control) {
        return Err(refuse("the path holds a control character"));
    }
    let mut joined = names.join(&b'/');
    match names.as_slice() {
        [] => return Ok(None),
        [top, _, ..] if is_usr_merged(top) => drop(joined.splice(0..0, *b"usr/")),
        [b"var", b"run" | b"lock", _, ..] => drop(joined.splice(..b"var/".len(), *b"run/")),
        _ => {}
    }
    if let Some(below) = joined.strip_prefix(b"run/run/") {
        joined = [b"run/", below].concat();
    }
    TreePath::new(joined).map(Some).map_err(|_| refuse("a name in it is longer than 255 bytes"))
}

/// Tells whether a name at the top of the tree is a link into /usr (merged-/usr).
pub(crate) fn is_usr_merged(name: &[u8]) -> bool {
    matches!(name, b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libo32" | b"libx32")
}

/// Tells whether a path is a link in every system, though some packages ship it as a directory.
fn is_link_elsewhere(path: &[u8]) -> bool {
    is_usr_merged(path) || matches!(path, b"var/run" | b"var/lock")
}

enum RawKind {
    Directory,
    File(Content),
    Symlink,
    HardLink,
}

struct RawMember {
    path: Vec<u8>,
    link: Vec<u8>,
    metadata: Metadata,
    xattrs: Xattrs,
    kind: RawKind,
}

/// What extension headers said about the member that follows.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Extensions {
    fn any(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.pax.is_some()
    }

    fn has(&self, kind: EntryType) -> bool {
        match kind {
            EntryType::GNULongName => self.path.is_some(),
            EntryType::GNULongLink => self.link.is_some(),
            _ => self.pax.is_some(),
        }
    }
}

/// Reads members from blocks.
struct Reader<'a> {
    input: &'a mut dyn Input,
    date: Mtime,
}

impl Reader<'_> {
    /// Returns the next member that is a file, directory or link; `None` at the end mark.
    fn next_member(&mut self) -> Result<Option<RawMember>, ArchiveError> {
        let mut extensions = Extensions::default();
        loop {
            let offset = self.input.position();
            let block = self.input.take(BLOCK)?;
            if block.iter().all(|&b| b == 0) {
                let reason = "an extension header belongs to no member";
                let dangling = ArchiveError::Header { offset, reason };
                return if extensions.any() { Err(dangling) } else { Ok(None) };
            }
            let header = Header::from_byte_slice(&block);
            check_sum(header, offset)?;
            check_numbers(header, offset)?;
            let size = number(header.entry_size(), offset)?;
            match header.entry_type() {
                EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader
                    if extensions.has(header.entry_type()) =>
                {
                    let reason = "a member has two extension headers of one kind";
                    return Err(ArchiveError::Header { offset, reason });
                }
                EntryType::GNULongName => {
                    extensions.path = Some(self.long_name(size, offset)?);
                }
                EntryType::GNULongLink => {
                    extensions.link = Some(self.long_name(size, offset)?);
                }
                EntryType::XHeader => {
                    let records = self.take_bounded(size, PAX_MAX, offset)?;
                    let pax = Pax::parse(&records).ok_or(ArchiveError::Header {
                        offset,
                        reason: "a PAX record is malformed",
                    })?;
                    extensions.pax = Some(pax);
                }
                EntryType::XGlobalHeader => drop(self.take_bounded(size, PAX_MAX, offset)?),
                _ => return self.member(header, extensions, offset).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: &Header,
        extensions: Extensions,
        offset: u64,
    ) -> Result<RawMember, ArchiveError> {
        let Extensions { path, link, pax } = extensions;
        let mut pax = pax.unwrap_or_default();
        let path = pax.path.take().or(path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pax
            .link_path
            .take()
            .or(link)
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let refuse = |reason| ArchiveError::Member {
            path: String::from_utf8_lossy(&path).into_owned(),
            reason,
        };
        if pax.sparse {
            return Err(refuse("it is sparse in the PAX way, which is not supported"));
        }
        let size = match pax.size {
            Some(size) => size,
            None => number(header.entry_size(), offset)?,
        };
        let kind = match header.entry_type() {
            EntryType::Directory => RawKind::Directory,
            // Very old archives mark directories by a slash alone.
            EntryType::Regular if path.ends_with(b"/") => RawKind::Directory,
            EntryType::Regular | EntryType::Continuous => {
                RawKind::File(self.input.content(size)?.into())
            }
            EntryType::GNUSparse => RawKind::File(self.sparse(header, size, offset)?),
            EntryType::Symlink if link.is_empty() || link.len() > LONG_NAME_MAX => {
                return Err(refuse("the target of the link is empty or too long"));
            }
            EntryType::Symlink => RawKind::Symlink,
            EntryType::Link => RawKind::HardLink,
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                return Err(refuse("it is a device or a pipe"));
            }
            _ => return Err(refuse("its type is unknown")),
        };
        let metadata = self.metadata(header, &pax, offset)?;
        Ok(RawMember { path, link, metadata, xattrs: pax.xattrs, kind })
    }

    /// Owners are the archive's numbers, never its names; times are cut to the build's date, since a
    /// package may be newer than what it is built into.
    fn metadata(&self, header: &Header, pax: &Pax, offset: u64) -> Result<Metadata, ArchiveError> {
        let id = |known: Option<u32>, field: std::io::Result<u64>| match known {
            Some(id) => Ok(id),
            None => u32::try_from(number(field, offset)?)
                .map_err(|_| ArchiveError::Header { offset, reason: "an owner is out of range" }),
        };
        let mode = number(header.mode().map(u64::from), offset)?;
        let seconds = match pax.mtime {
            Some(seconds) => seconds,
            None => i64::try_from(number(header.mtime(), offset)?).unwrap_or(i64::MAX),
        };
        Ok(Metadata {
            mode: u16::try_from(mode & 0o7777).expect("masked to 12 bits"),
            uid: id(pax.uid, header.uid())?,
            gid: id(pax.gid, header.gid())?,
            mtime: Mtime::from_seconds(seconds).min(self.date),
        })
    }

    /// Reads a file in GNU's old sparse format: extents in the header and in the blocks after it,
    /// then the data of all extents without the holes.
    fn sparse(
        &mut self,
        header: &Header,
        stored: u64,
        offset: u64,
    ) -> Result<Content, ArchiveError> {
        let bad = |reason| ArchiveError::Header { offset, reason };
        let gnu = header.as_gnu().ok_or(bad("a sparse file without a GNU header"))?;
        let mut chunks: Vec<(u64, u64)> = Vec::new();
        read_chunks(&gnu.sparse, &mut chunks, offset)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            extension.as_mut_bytes().copy_from_slice(&self.input.take(BLOCK)?);
            read_chunks(extension.sparse(), &mut chunks, offset)?;
            more = extension.is_extended();
        }
        let len = number(gnu.real_size(), offset)?;
        let data = self.input.content(stored)?;
        let mut used = 0;
        let mut extents = Vec::new();
        for (start, length) in chunks {
            let end = u64::checked_add(used, length).filter(|&end| end <= data.len());
            let end = end.ok_or(bad("sparse extents reach past the data"))?;
            if length > 0 {
                extents.push((start, data.slice(used..end)));
            }
            used = end;
        }
        Content::sparse(len, extents).ok_or(bad("sparse extents overlap"))
    }

    fn long_name(&mut self, size: u64, offset: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut name = self.take_bounded(size, LONG_NAME_MAX + 1, offset)?.to_vec();
        name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn take_bounded(
        &mut self,
        size: u64,
        limit: usize,
        offset: u64,
    ) -> Result<Bytes, ArchiveError> {
        if size > limit as u64 {
            return Err(ArchiveError::Header { offset, reason: "an extension is too long" });
        }
        self.take_padded(size)
    }

    /// Takes `size` bytes and the padding to the next block.
    fn take_padded(&mut self, size: u64) -> Result<Bytes, ArchiveError> {
        let padded = input::padded(size).and_then(|padded| usize::try_from(padded).ok());
        let padded = padded.ok_or(ArchiveError::Truncated(self.input.position()))?;
        let taken = self.input.take(padded)?;
        Ok(taken.slice(..usize::try_from(size).unwrap_or(padded)))
    }
}

fn read_chunks(
    headers: &[GnuSparseHeader],
    chunks: &mut Vec<(u64, u64)>,
    offset: u64,
) -> Result<(), ArchiveError> {
    for chunk in headers.iter().filter(|chunk| !chunk.is_empty()) {
        chunks.push((number(chunk.offset(), offset)?, number(chunk.length(), offset)?));
    }
    Ok(())
}

fn number<T>(field: std::io::Result<T>, offset: u64) -> Result<T, ArchiveError> {
    field.map_err(|_| ArchiveError::Header { offset, reason: "a number is malformed" })
}

/// Refuses binary numbers that are negative or have more than 64 bits, which the `tar` crate cuts.
///
/// A field whose first byte is 0x80 holds a big-endian number in the others, 0xff a negative one
/// (GNU tar's manual, "Extensions").
fn check_numbers(header: &Header, offset: u64) -> Result<(), ArchiveError> {
    let old = header.as_old();
    let fields: [&[u8]; 5] = [&old.mode, &old.uid, &old.gid, &old.size, &old.mtime];
    for field in fields {
        let Some((&first, rest)) = field.split_first() else { continue };
        let cut = rest.len().saturating_sub(8);
        if first & 0x80 != 0 && (first != 0x80 || rest[..cut].iter().any(|&b| b != 0)) {
            return Err(ArchiveError::Header { offset, reason: "a number is out of range" });
        }
    }
    Ok(())
}

/// Compares the header's sum: all its bytes, those of the sum itself counted as spaces.
fn check_sum(header: &Header, offset: u64) -> Result<(), ArchiveError> {
    const SUM: std::ops::Range<usize> = 148..156;
    let bytes = header.as_bytes();
    let outside = bytes[..SUM.start].iter().chain(&bytes[SUM.end..]);
    let sum: u32 = outside.map(|&b| u32::from(b)).sum::<u32>() + 8 * u32::from(b' ');
    if number(header.cksum(), offset)? == sum {
        return Ok(());
    }
    Err(ArchiveError::Header { offset, reason: "its checksum is wrong" })
}

#[cfg(test)]
pub(crate) mod test_tar;
#[cfg(test)]
mod tests;
