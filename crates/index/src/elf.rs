//! ELF objects: headers, sections, segments.

mod dynamic;
mod note;
mod property;

pub use dynamic::Dynamic;
pub use note::{DlopenNote, DlopenPriority};

use std::fmt;

use crate::ElfError;

const MAGIC: &[u8] = b"\x7fELF";
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_PROPERTY: u32 = 0x6474_e553;
const SHT_NOBITS: u32 = 8;

/// The width of an object's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElfClass {
    /// 32 bits (`ELFCLASS32`).
    Elf32,
    /// 64 bits (`ELFCLASS64`).
    Elf64,
}

/// The instruction set an object is for (`e_machine`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElfMachine(pub u16);

impl ElfMachine {
    /// 32-bit x86 (`EM_386`).
    pub const I386: Self = Self(3);
    /// 64-bit x86 (`EM_X86_64`).
    pub const X86_64: Self = Self(62);
    /// 64-bit Arm (`EM_AARCH64`).
    pub const AARCH64: Self = Self(183);

    /// Returns Debian's multiarch triplet, the name of the library directory.
    pub fn multiarch(self, class: ElfClass) -> Option<&'static str> {
        match (self, class) {
            (Self::X86_64, ElfClass::Elf64) => Some("x86_64-linux-gnu"),
            (Self::X86_64, ElfClass::Elf32) => Some("x86_64-linux-gnux32"),
            (Self::AARCH64, ElfClass::Elf64) => Some("aarch64-linux-gnu"),
            (Self::I386, ElfClass::Elf32) => Some("i386-linux-gnu"),
            (Self(21), ElfClass::Elf64) => Some("powerpc64le-linux-gnu"),
            (Self(22), ElfClass::Elf64) => Some("s390x-linux-gnu"),
            (Self(40), ElfClass::Elf32) => Some("arm-linux-gnueabihf"),
            (Self(243), ElfClass::Elf64) => Some("riscv64-linux-gnu"),
            _ => None,
        }
    }
}

impl fmt::Display for ElfMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::I386 => f.write_str("i386"),
            Self::X86_64 => f.write_str("x86-64"),
            Self::AARCH64 => f.write_str("aarch64"),
            Self(number) => write!(f, "machine {number}"),
        }
    }
}

/// An ELF object in memory. Every access is checked against the bytes there are.
#[derive(Clone, Copy, Debug)]
pub struct Elf<'a> {
    data: &'a [u8],
    class: ElfClass,
    big_endian: bool,
    kind: u16,
    machine: ElfMachine,
    segments: Headers,
    sections: Headers,
    section_names: u16,
}

/// A table of headers: where, how many, how far apart.
#[derive(Clone, Copy, Debug)]
struct Headers {
    offset: u64,
    count: u16,
    stride: u16,
}

impl Headers {
    fn offsets(self) -> impl Iterator<Item = u64> {
        // No file reaches half of the address space, so that adding a field's offset cannot
        // overflow.
        (0..u64::from(self.count))
            .map(move |i| self.offset.saturating_add(i * u64::from(self.stride)).min(u64::MAX / 2))
    }
}

/// One section of an object.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Its name; empty if the name table does not hold it.
    pub name: &'a [u8],
    /// Its bytes in the file; empty for one that only takes memory.
    pub data: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    align: u64,
}

impl<'a> Elf<'a> {
    /// The type of shared objects and position-independent programs (`ET_DYN`).
    pub const SHARED_OBJECT: u16 = 3;

    /// Tells whether bytes start like an ELF object.
    pub fn is_elf(data: &[u8]) -> bool {
        data.starts_with(MAGIC)
    }

    /// Reads the file header.
    ///
    /// # Errors
    /// [`ElfError::NotElf`] for another kind of file, [`ElfError::Malformed`] for a broken header.
    pub fn parse(data: &'a [u8]) -> Result<Self, ElfError> {
        if !Self::is_elf(data) {
            return Err(ElfError::NotElf);
        }
        let class = match data.get(4) {
            Some(1) => ElfClass::Elf32,
            Some(2) => ElfClass::Elf64,
            _ => return Err(ElfError::Malformed("its class is neither 32 nor 64 bits")),
        };
        let big_endian = match data.get(5) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(ElfError::Malformed("its byte order is unknown")),
        };
        let none = Headers { offset: 0, count: 0, stride: 0 };
        let mut elf = Self {
            data,
            class,
            big_endian,
            kind: 0,
            machine: ElfMachine(0),
            segments: none,
            sections: none,
            section_names: 0,
        };
        elf.read_header()?;
        Ok(elf)
    }

    fn read_header(&mut self) -> Result<(), ElfError> {
        // Offsets of e_phoff, e_shoff and e_phentsize (gABI, "ELF Header").
        let (phoff, shoff, rest) = match self.class {
            ElfClass::Elf32 => (0x1c, 0x20, 0x2a),
            ElfClass::Elf64 => (0x20, 0x28, 0x36),
        };
        self.kind = self.u16(0x10)?;
        self.machine = ElfMachine(self.u16(0x12)?);
        self.segments = Headers {
            offset: self.word(phoff)?,
            stride: self.u16(rest)?,
            count: self.u16(rest + 2)?,
        };
        self.sections = Headers {
            offset: self.word(shoff)?,
            stride: self.u16(rest + 4)?,
            count: self.u16(rest + 6)?,
        };
        self.section_names = self.u16(rest + 8)?;
        Ok(())
    }

    /// Returns the width of addresses.
    pub fn class(&self) -> ElfClass {
        self.class
    }

    /// Returns the instruction set.
    pub fn machine(&self) -> ElfMachine {
        self.machine
    }

    /// Returns what the object is (`e_type`), for example [`Self::SHARED_OBJECT`].
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// Returns every section but the null one, in file order.
    ///
    /// # Errors
    /// [`ElfError::Malformed`] if a header or a section lies outside the file.
    pub fn sections(&self) -> Result<Vec<Section<'a>>, ElfError> {
        let Headers { offset, count, stride } = self.sections;
        self.bytes(offset, u64::from(count) * u64::from(stride))
            .ok_or(ElfError::Malformed("its section headers lie outside the file"))?;
        let names = match self.sections.offsets().nth(usize::from(self.section_names)) {
            Some(at) if self.section_names != 0 => self.section_data(at)?,
            _ => &[],
        };
        self.sections
            .offsets()
            .skip(1)
            .map(|at| {
                let name = string_at(names, u64::from(self.u32(at)?)).unwrap_or_default();
                Ok(Section { name, data: self.section_data(at)? })
            })
            .collect()
    }

    fn section_data(&self, header: u64) -> Result<&'a [u8], ElfError> {
        if self.u32(header + 4)? == SHT_NOBITS {
            return Ok(&[]);
        }
        let (offset, size) = match self.class {
            ElfClass::Elf32 => (self.word(header + 0x10)?, self.word(header + 0x14)?),
            ElfClass::Elf64 => (self.word(header + 0x18)?, self.word(header + 0x20)?),
        };
        self.bytes(offset, size).ok_or(ElfError::Malformed("a section lies outside the file"))
    }

    fn segments(&self) -> Result<Vec<Segment>, ElfError> {
        self.segments.offsets().map(|at| self.segment(at)).collect()
    }

    fn segment(&self, at: u64) -> Result<Segment, ElfError> {
        let kind = self.u32(at)?;
        // Offsets of p_offset, p_vaddr, p_filesz, p_align.
        let fields = match self.class {
            ElfClass::Elf32 => [4, 8, 16, 28],
            ElfClass::Elf64 => [8, 16, 32, 48],
        };
        let [offset, address, file_size, align] = fields.map(|field| self.word(at + field));
        Ok(Segment {
            kind,
            offset: offset?,
            address: address?,
            file_size: file_size?,
            align: align?,
        })
    }

    /// Returns the program interpreter (`PT_INTERP`), the loader that the kernel starts.
    ///
    /// # Errors
    /// [`ElfError::Malformed`] if it lies outside the file.
    pub fn interpreter(&self) -> Result<Option<&'a [u8]>, ElfError> {
        let segments = self.segments()?;
        let Some(found) = segments.iter().find(|segment| segment.kind == PT_INTERP) else {
            return Ok(None);
        };
        let path = self.segment_data(found)?;
        Ok(Some(path.split(|&b| b == 0).next().unwrap_or_default()))
    }

    fn segment_data(&self, segment: &Segment) -> Result<&'a [u8], ElfError> {
        self.bytes(segment.offset, segment.file_size)
            .ok_or(ElfError::Malformed("a segment lies outside the file"))
    }

    fn bytes(&self, offset: u64, len: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        self.data.get(start..end)
    }

    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ElfError> {
        let bytes = self
            .bytes(offset, N as u64)
            .and_then(|bytes| <[u8; N]>::try_from(bytes).ok())
            .ok_or(ElfError::Malformed("a header lies outside the file"))?;
        Ok(if self.big_endian { reversed(bytes) } else { bytes })
    }

    fn u16(&self, offset: u64) -> Result<u16, ElfError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: u64) -> Result<u32, ElfError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// Reads a field as wide as an address.
    fn word(&self, offset: u64) -> Result<u64, ElfError> {
        match self.class {
            ElfClass::Elf32 => self.u32(offset).map(u64::from),
            ElfClass::Elf64 => self.array(offset).map(u64::from_le_bytes),
        }
    }
}

fn reversed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}

/// Returns the NUL-terminated string at an offset of a string table.
pub(crate) fn string_at(table: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = table.get(usize::try_from(offset).ok()?..)?;
    let end = rest.iter().position(|&b| b == 0)?;
    Some(&rest[..end])
}

/// One entry of an object's symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) undefined: bool,
}

impl<'a> Elf<'a> {
    /// Reads a symbol table with its strings, without its null entry.
    pub(crate) fn symbols(
        &self,
        table: &'a [u8],
        strings: &'a [u8],
    ) -> impl Iterator<Item = Result<Symbol<'a>, ElfError>> + use<'a> {
        let big_endian = self.big_endian;
        // Size of an entry and the offset of st_shndx in it; st_name comes first in both.
        let (stride, shndx) = match self.class {
            ElfClass::Elf32 => (16, 14),
            ElfClass::Elf64 => (24, 6),
        };
        table.chunks_exact(stride).skip(1).map(move |entry| {
            let name: [u8; 4] = [entry[0], entry[1], entry[2], entry[3]];
            let offset =
                if big_endian { u32::from_be_bytes(name) } else { u32::from_le_bytes(name) };
            let name = string_at(strings, u64::from(offset))
                .ok_or(ElfError::Malformed("a symbol's name lies outside the string table"))?;
            // Index 0 (SHN_UNDEF) reads the same in either byte order.
            Ok(Symbol { name, undefined: entry[shndx] == 0 && entry[shndx + 1] == 0 })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a 64-bit little-endian object with an interpreter, a dynamic section and a note.
    pub(crate) fn sample(dynamic: &[(u64, &str)], interp: Option<&str>, note: &str) -> Vec<u8> {
        let mut strings = vec![0];
        let mut entries = Vec::new();
        for (tag, text) in dynamic {
            entries.push((*tag, strings.len() as u64));
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
        }
        let mut body = Vec::new();
        let base = 64 + 56 * 4_u64;
        let mut segments = Vec::new();
        let interp = interp.map(|path| [path.as_bytes(), b"\0"].concat()).unwrap_or_default();
        if !interp.is_empty() {
            segments.push((PT_INTERP, base, interp.len() as u64));
        }
        body.extend_from_slice(&interp);
        let strtab = base + body.len() as u64;
        body.extend_from_slice(&strings);
        entries.push((5, strtab));
        entries.push((10, strings.len() as u64));
        entries.push((0, 0));
        segments.push((PT_DYNAMIC, base + body.len() as u64, entries.len() as u64 * 16));
        for (tag, value) in entries {
            body.extend_from_slice(&tag.to_le_bytes());
            body.extend_from_slice(&value.to_le_bytes());
        }
        if !note.is_empty() {
            let mut bytes = Vec::new();
            for field in [4, u32::try_from(note.len() + 1).unwrap(), 0x407c_0c0a] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            bytes.extend_from_slice(b"FDO\0");
            bytes.extend_from_slice(note.as_bytes());
            bytes.push(0);
            segments.push((PT_NOTE, base + body.len() as u64, bytes.len() as u64));
            body.extend_from_slice(&bytes);
        }
        segments.push((PT_LOAD, 0, base + body.len() as u64));
        assemble(&segments, &body)
    }

    fn assemble(segments: &[(u32, u64, u64)], body: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for half in [3_u16, 62] {
            file.extend_from_slice(&half.to_le_bytes());
        }
        file.extend_from_slice(&1_u32.to_le_bytes());
        for word in [0_u64, 64, 0] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&0_u32.to_le_bytes());
        for half in [64, 56, u16::try_from(segments.len()).unwrap(), 64, 0, 0] {
            file.extend_from_slice(&half.to_le_bytes());
        }
        for (kind, offset, size) in segments {
            file.extend_from_slice(&kind.to_le_bytes());
            file.extend_from_slice(&4_u32.to_le_bytes());
            for word in [*offset, *offset, *offset, *size, *size, 4] {
                file.extend_from_slice(&word.to_le_bytes());
            }
        }
        file.resize(64 + 56 * 4, 0);
        file.extend_from_slice(body);
        file
    }

    #[test]
    fn an_object_tells_its_loader_and_its_machine() {
        let file = sample(&[(1, "libc.so.6")], Some("/lib64/ld.so"), "");
        let elf = Elf::parse(&file).unwrap();
        assert_eq!(elf.interpreter().unwrap(), Some(&b"/lib64/ld.so"[..]));
        assert_eq!(elf.machine().multiarch(elf.class()), Some("x86_64-linux-gnu"));
        assert_eq!(elf.kind(), Elf::SHARED_OBJECT);
        assert!(elf.sections().unwrap().is_empty());
    }

    #[test]
    fn truncated_and_corrupt_objects_are_errors_and_no_panic() {
        let file = sample(&[(1, "a"), (14, "b")], Some("/i"), r#"[{"soname":["x"]}]"#);
        let read_all = |data: &[u8]| {
            let Ok(elf) = Elf::parse(data) else { return };
            let _ = (elf.sections(), elf.interpreter(), elf.dynamic());
            let _ = (elf.dlopen_notes(), elf.isa_level());
        };
        for len in 0..file.len() {
            read_all(&file[..len]);
        }
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = file.clone();
                bad[at] = value;
                read_all(&bad);
            }
        }
        assert!(matches!(Elf::parse(b"#!/bin/sh"), Err(ElfError::NotElf)));
        assert!(matches!(Elf::parse(&file[..40]), Err(ElfError::Malformed(_))));
    }
}
