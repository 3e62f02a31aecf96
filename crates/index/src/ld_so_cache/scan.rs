use std::collections::{BTreeMap, BTreeSet};

use flagstone_tree::{FileName, Inode, InodeId, Kind, Tree, TreePath};

use super::LdSoCache;
use super::entry::{Entry, compare_names, order};
use crate::trail::follow;
use crate::{Elf, ElfClass, ElfError, ElfMachine, IndexError, LibraryDirs};

/// The C library's kind, and with it the machine's, in an entry's flags (`ldconfig.h`).
const LIBC6: u32 = 3;
const X86_64_LIB64: u32 = 0x0300;
const X86_64_LIBX32: u32 = 0x0800;
const AARCH64_LIB64: u32 = 0x0a00;

/// Smaller files are not looked at: they cannot hold a header.
const MIN_BYTES: u64 = 64;

/// The loaders, whose links are never changed, since programs name them by path (Debian's patch).
const LOADERS: [&[u8]; 13] = [
    b"ld-kfreebsd-x86-64.so.1",
    b"ld-linux-aarch64.so.1",
    b"ld-linux-aarch64_be.so.1",
    b"ld-linux-armhf.so.3",
    b"ld-linux-ia64.so.2",
    b"ld-linux-mipsn8.so.1",
    b"ld-linux-x32.so.2",
    b"ld-linux-x86-64.so.2",
    b"ld-linux.so.2",
    b"ld-linux.so.3",
    b"ld.so.1",
    b"ld64.so.1",
    b"ld64.so.2",
];

/// A look through the library directories of a tree.
pub(super) struct Scan<'a> {
    tree: &'a Tree,
    machine: ElfMachine,
    /// The directories that are queued, whatever their names.
    known: BTreeSet<InodeId>,
    directories: Vec<Directory>,
    found: LdSoCache,
}

struct Directory {
    /// Its path as configured, which the cache names.
    named: Vec<u8>,
    /// Its path without links.
    real: TreePath,
    hwcaps: Option<Vec<u8>>,
}

/// A library of one directory.
struct Library {
    file: Vec<u8>,
    flags: u32,
    is_link: bool,
    isa_level: u32,
}

impl<'a> Scan<'a> {
    pub(super) fn new(tree: &'a Tree, machine: ElfMachine) -> Self {
        Self {
            tree,
            machine,
            known: BTreeSet::new(),
            directories: Vec::new(),
            found: LdSoCache::default(),
        }
    }

    pub(super) fn run(mut self, configured: &LibraryDirs) -> Result<LdSoCache, IndexError> {
        for dir in configured.iter() {
            self.add_directory(dir);
        }
        let triplet = self.machine.multiarch(ElfClass::Elf64);
        for suffix in [triplet.map(|triplet| format!("/{triplet}")), Some(String::new())] {
            for top in ["/lib", "/usr/lib"] {
                let dir = suffix.as_ref().map(|suffix| format!("{top}{suffix}"));
                self.add_directory(dir.unwrap_or_default().as_bytes());
            }
        }
        for directory in std::mem::take(&mut self.directories) {
            self.scan(&directory)?;
        }
        // Stable: of equal names, that in the first directory comes first.
        self.found.entries.sort_by(order);
        Ok(self.found)
    }

    /// Queues a directory and those in its `glibc-hwcaps`.
    fn add_directory(&mut self, named: &[u8]) {
        let Some(real) = self.queue(named.to_vec(), None) else { return };
        let hwcaps = [real.as_bytes(), b"/glibc-hwcaps"].concat();
        let Some(children) = follow(self.tree, &hwcaps).and_then(|trail| trail.inode.children())
        else {
            return;
        };
        for name in children.keys().map(FileName::as_bytes) {
            // The loader's search path separates these names by colons.
            if name.starts_with(b".") || name.contains(&b':') {
                continue;
            }
            let path = [named, b"/glibc-hwcaps/", name].concat();
            let is_directory =
                follow(self.tree, &path).is_some_and(|trail| trail.inode.children().is_some());
            if is_directory {
                self.found.hwcaps.insert(name.to_vec());
                self.queue(path, Some(name.to_vec()));
            }
        }
    }

    /// Queues one directory that is there and not yet known; returns its real path.
    fn queue(&mut self, named: Vec<u8>, hwcaps: Option<Vec<u8>>) -> Option<TreePath> {
        let trail = follow(self.tree, &named).filter(|_| !named.is_empty())?;
        if !self.known.insert(trail.id) {
            return None;
        }
        let real = trail.end;
        self.directories.push(Directory { named, real: real.clone(), hwcaps });
        Some(real)
    }

    fn scan(&mut self, directory: &Directory) -> Result<(), IndexError> {
        for (soname, library) in self.libraries(directory)? {
            let file = if directory.hwcaps.is_some() {
                library.file.clone()
            } else {
                if !library.is_link {
                    self.plan_link(directory, &library.file, &soname)?;
                }
                soname.clone()
            };
            self.found.entries.push(Entry {
                path: [&directory.named, &b"/"[..], &file].concat(),
                name: soname,
                flags: library.flags,
                hwcaps: directory.hwcaps.clone(),
                isa_level: library.isa_level,
            });
        }
        Ok(())
    }

    /// Returns the best library for each name that one directory offers.
    fn libraries(
        &mut self,
        directory: &Directory,
    ) -> Result<BTreeMap<Vec<u8>, Library>, IndexError> {
        let mut libraries: BTreeMap<Vec<u8>, Library> = BTreeMap::new();
        let inode = self.tree.lookup(&directory.real).map(|id| self.tree.inode(id));
        let Some(children) = inode.and_then(Inode::children) else { return Ok(libraries) };
        for (name, &id) in children {
            let is_link = matches!(self.tree.inode(id).kind, Kind::Symlink(_));
            let looks_right =
                is_library_name(name.as_bytes()) || (directory.hwcaps.is_some() && is_link);
            if !looks_right || is_temporary(name.as_bytes()) {
                continue;
            }
            let path = directory.real.join(name);
            let Some((soname, library)) = self.library(&path, name.as_bytes(), is_link)? else {
                continue;
            };
            match libraries.get_mut(&soname) {
                None => {
                    libraries.insert(soname, library);
                }
                // A file is better than a link, and then a higher version than a lower.
                Some(other) if library.is_better_than(other) => {
                    *other = Library { flags: other.flags, ..library };
                }
                Some(_) => {}
            }
        }
        Ok(libraries)
    }

    /// Reads one library; returns it with the name that it goes by.
    fn library(
        &mut self,
        path: &TreePath,
        name: &[u8],
        is_link: bool,
    ) -> Result<Option<(Vec<u8>, Library)>, IndexError> {
        let Some(trail) = follow(self.tree, path.as_bytes()) else {
            if name.windows(4).any(|part| part == b".so.") {
                self.found.stale.push(path.clone());
            }
            return Ok(None);
        };
        let read = read_object(trail.inode, self.machine)
            .map_err(|source| IndexError::Library { path: trail.end.clone(), source })?;
        let Some(object) = read else { return Ok(None) };
        let soname = object.soname.unwrap_or_else(|| name.to_vec());
        // A link by the library's name, or the one for compilers (`libx.so`), stands for itself.
        let is_link =
            is_link && (name == soname || (name.ends_with(b".so") && soname.starts_with(name)));
        let soname = if is_link { name.to_vec() } else { soname };
        let (flags, isa_level) = (object.flags, object.isa_level);
        Ok(Some((soname, Library { file: name.to_vec(), flags, is_link, isa_level })))
    }

    /// Notes the link by which a library is found, unless it is there.
    fn plan_link(
        &mut self,
        directory: &Directory,
        file: &[u8],
        soname: &[u8],
    ) -> Result<(), IndexError> {
        let at = |name: &[u8]| Ok::<_, IndexError>(directory.real.join(&FileName::new(name)?));
        let (library, link) = (at(file)?, at(soname)?);
        let there = self.tree.lookup(&link).map(|id| &self.tree.inode(id).kind);
        let is_symlink = matches!(there, Some(Kind::Symlink(_)));
        if let Some(end) = follow(self.tree, link.as_bytes()) {
            let same = follow(self.tree, library.as_bytes()).is_some_and(|own| own.id == end.id);
            if same || !is_symlink || LOADERS.contains(&soname) {
                return Ok(());
            }
        } else if there.is_some() && !is_symlink {
            return Ok(());
        }
        self.found.links.push((link, file.to_vec()));
        Ok(())
    }
}

impl Library {
    fn is_better_than(&self, other: &Self) -> bool {
        match (self.is_link, other.is_link) {
            (false, true) => true,
            (true, false) => false,
            _ => compare_names(&other.file, &self.file).is_lt(),
        }
    }
}

struct ReadObject {
    soname: Option<Vec<u8>>,
    flags: u32,
    isa_level: u32,
}

/// Reads a library; `None` for another kind of file or machine.
fn read_object(inode: &Inode, machine: ElfMachine) -> Result<Option<ReadObject>, ElfError> {
    let Some(content) = inode.content().filter(|content| content.len() >= MIN_BYTES) else {
        return Ok(None);
    };
    if !Elf::is_elf(&content.part(0..MIN_BYTES).map_err(ElfError::Content)?) {
        return Ok(None);
    }
    let data = content.to_bytes().map_err(ElfError::Content)?;
    let elf = Elf::parse(&data)?;
    let Some(flags) = flags(&elf, machine).filter(|_| elf.kind() == Elf::SHARED_OBJECT) else {
        return Ok(None);
    };
    let Some(dynamic) = elf.dynamic()? else { return Ok(None) };
    let soname = dynamic.soname.map(<[u8]>::to_vec);
    Ok(Some(ReadObject { soname, flags, isa_level: elf.isa_level()? }))
}

/// Returns the flags of an object that a machine can load.
fn flags(elf: &Elf<'_>, machine: ElfMachine) -> Option<u32> {
    match (machine, elf.machine(), elf.class()) {
        (ElfMachine::X86_64, ElfMachine::X86_64, ElfClass::Elf64) => Some(LIBC6 | X86_64_LIB64),
        (ElfMachine::X86_64, ElfMachine::X86_64, ElfClass::Elf32) => Some(LIBC6 | X86_64_LIBX32),
        (ElfMachine::X86_64, ElfMachine::I386, ElfClass::Elf32) => Some(LIBC6),
        (ElfMachine::AARCH64, ElfMachine::AARCH64, ElfClass::Elf64) => Some(LIBC6 | AARCH64_LIB64),
        _ => None,
    }
}

/// Tells whether a name is a library's or a loader's.
fn is_library_name(name: &[u8]) -> bool {
    let has_so = || name.windows(3).any(|part| part == b".so");
    ((name.starts_with(b"lib") || name.starts_with(b"ld-")) && has_so())
        || name.starts_with(b"ld.so.")
        || name.starts_with(b"ld64.so.")
}

/// Tells whether a package manager would have left this file behind by accident.
fn is_temporary(name: &[u8]) -> bool {
    const PRELINK: &[u8] = b".#prelink#";
    name.ends_with(PRELINK)
        || name.len().checked_sub(7).is_some_and(|end| name[..end].ends_with(PRELINK))
        || name.contains(&b';')
        || name.ends_with(b".dpkg-new")
        || name.ends_with(b".dpkg-tmp")
}
