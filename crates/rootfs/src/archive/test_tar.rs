//! Builds small archives for tests.

use bytes::Bytes;
use tar::{EntryType, Header};

use crate::PackageArchive;

/// An archive under construction.
#[derive(Default)]
pub(crate) struct TestTar {
    data: Vec<u8>,
}

impl TestTar {
    pub(crate) fn raw(mut self, header: &Header, data: &[u8]) -> Self {
        self.data.extend_from_slice(header.as_bytes());
        self.data.extend_from_slice(data);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn entry(self, kind: EntryType, path: &str, link: &str, data: &[u8]) -> Self {
        let mode = if kind == EntryType::Directory { 0o755 } else { 0o644 };
        self.raw(&header(kind, path, link, mode, data.len() as u64), data)
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub(crate) fn file(self, path: &str, data: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, path, "", data.as_ref())
    }

    pub(crate) fn mode(self, path: &str, mode: u32) -> Self {
        self.raw(&header(EntryType::Regular, path, "", mode, 0), b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.data.resize(self.data.len() + 1024, 0);
        self.data.into()
    }

    pub(crate) fn package(self, name: &str) -> PackageArchive {
        let data = self.finish().into();
        PackageArchive { name: name.to_owned(), data, conffiles: Vec::new() }
    }
}

/// Makes a header without any of the checks that writers make.
pub(crate) fn header(kind: EntryType, path: &str, link: &str, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000);
    header.set_size(size);
    header.set_cksum();
    header
}
