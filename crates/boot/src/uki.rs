use std::io::{Cursor, Seek, SeekFrom, Write};
use std::ops::Range;

use bytes::Bytes;
use flagstone_artifact::Architecture;
use flagstone_tree::Content;

use crate::pe::{
    CHECKSUM, Checksum, PeHeaders, SECTION_HEADER_LEN, SIZE_OF_CODE, SIZE_OF_IMAGE,
    SIZE_OF_INITIALIZED_DATA, SYMBOL_COUNT, SYMBOL_TABLE, SectionHeader,
};
use crate::{KernelCommandLine, OsRelease, UkiError};

/// Section characteristics (Microsoft PE format, "Section Flags").
const CONTAINS_CODE: u32 = 0x20;
const CONTAINS_INITIALIZED_DATA: u32 = 0x40;
const READABLE: u32 = 0x4000_0000;
/// Archives of an initrd start at multiples of this (Linux: early-userspace/buffer-format.rst).
pub const INITRD_ALIGNMENT: u64 = 4;
/// Sections start on a page of their own even if the stub would allow less.
const PAGE: u32 = 4096;
/// Positions within an image stay well clear of 32-bit overflow.
const LEN_MAX: u64 = 1 << 31;

/// What goes into a unified kernel image.
#[derive(Clone, Debug)]
pub struct UkiParts<'a> {
    /// systemd-stub, unsigned: `linux<arch>.efi.stub`.
    pub stub: &'a [u8],
    /// The kernel, an EFI executable: Debian's `/boot/vmlinuz-…`.
    pub linux: &'a Bytes,
    /// The archives of the initrd, in order; each is padded with zeros to a multiple of four.
    pub initrd: &'a [Content],
    /// Shown in the loader's menu, and sorted by.
    pub os_release: &'a OsRelease,
    /// The command line.
    pub cmdline: &'a KernelCommandLine,
    /// The kernel's release, as `uname -r` prints it.
    pub uname: &'a str,
}

/// Builds a unified kernel image in memory, as [`write_uki`] writes it.
///
/// # Errors
/// As [`write_uki`].
pub fn build_uki(parts: &UkiParts<'_>) -> Result<Vec<u8>, UkiError> {
    let mut image = Cursor::new(Vec::new());
    write_uki(parts, &mut image)?;
    Ok(image.into_inner())
}

/// Writes a unified kernel image (UAPI.5): the stub with more sections behind its own.
///
/// The order is that of `ukify`: `.osrel`, `.cmdline`, `.uname`, `.initrd`, `.linux`. The kernel
/// comes last and takes as much room in memory as its own header asks for, since old kernels
/// unpack themselves in place; the loader fills that with zeros, and systemd-stub and
/// `systemd-measure` both measure them. The stub's `.sbat` stays as it is. Sections follow each
/// other in file and memory, aligned as the stub's header says, and in memory at least to pages.
/// What lies behind the stub's last section in the file, which is symbols if anything, is left out.
/// The header's sums and checksum are made anew; its date and all else are the stub's. A part
/// without bytes gets no section.
///
/// The initrd is read while it is written, so it need not fit the memory; the checksum, which the
/// header has, is put there at the end. `out` starts empty.
///
/// # Errors
/// Any [`UkiError`] but [`UkiError::Image`].
pub fn write_uki(parts: &UkiParts<'_>, out: &mut (impl Write + Seek)) -> Result<(), UkiError> {
    let stub = PeHeaders::parse(parts.stub).map_err(UkiError::Stub)?;
    let kernel = PeHeaders::parse(parts.linux).map_err(UkiError::Kernel)?;
    if stub.machine != kernel.machine {
        return Err(UkiError::MachineMismatch { stub: stub.machine, kernel: kernel.machine });
    }
    if stub.signed {
        return Err(UkiError::SignedStub);
    }
    let text = |text: String| vec![Content::from(text)];
    let mut linux = Addition::data(".linux", vec![parts.linux.clone().into()]);
    linux.memory = linux.len.max(kernel.size_of_image.into());
    linux.flags = CONTAINS_CODE;
    let additions = [
        Addition::data(".osrel", text(parts.os_release.to_string())),
        Addition::data(".cmdline", text(parts.cmdline.to_string())),
        Addition::data(".uname", text(parts.uname.to_owned())),
        Addition::data(".initrd", parts.initrd.to_vec()),
        linux,
    ];
    append_sections(parts.stub, &stub, &additions, out)
}

/// Where systemd's loader and its stubs lie in an image's tree.
pub const EFI_DIR: &str = "usr/lib/systemd/boot/efi";
/// How much text an [`addon_template`] leaves room for, in bytes.
pub const ADDON_ROOM: usize = 1536;

/// Returns all of an addon (UAPI.5) but its end: behind it come [`ADDON_ROOM`] bytes of a command line, blanks
/// after it, which systemd-stub adds to the one of the kernel image it finds the addon beside.
///
/// `stub` is systemd's `addon<arch>.efi.stub`, unsigned. A machine that boots can finish an addon without any tool, since
/// the header has no checksum; nor a signature, so that Secure Boot does not take it.
///
/// # Errors
/// Any [`UkiError`] that is of a stub.
pub fn addon_template(stub: &[u8]) -> Result<Vec<u8>, UkiError> {
    let headers = PeHeaders::parse(stub).map_err(UkiError::Stub)?;
    if headers.signed {
        return Err(UkiError::SignedStub);
    }
    let text = " ".repeat(ADDON_ROOM).into_bytes();
    let mut image = Cursor::new(Vec::new());
    append_sections(stub, &headers, &[Addition::data(".cmdline", vec![text.into()])], &mut image)?;
    let mut image = image.into_inner();
    if !image.ends_with(" ".repeat(ADDON_ROOM).as_bytes()) {
        return Err(UkiError::TooLong);
    }
    image.truncate(image.len() - ADDON_ROOM);
    put(&mut image, headers.optional_at + CHECKSUM, 0);
    Ok(image)
}

/// A section to be added.
#[derive(Debug)]
struct Addition {
    name: &'static str,
    /// One after the other, each padded to [`INITRD_ALIGNMENT`] but the last.
    pieces: Vec<Content>,
    /// Bytes in the file, without padding.
    len: u64,
    /// Bytes in memory.
    memory: u64,
    flags: u32,
}

impl Addition {
    fn data(name: &'static str, pieces: Vec<Content>) -> Self {
        let padded = |piece: &Content| piece.len().next_multiple_of(INITRD_ALIGNMENT);
        let len = match pieces.split_last() {
            None => 0,
            Some((last, before)) => before.iter().map(padded).sum::<u64>() + last.len(),
        };
        Self { name, pieces, len, memory: len, flags: CONTAINS_INITIALIZED_DATA }
    }

    fn write(&self, image: &mut Image<impl Write>) -> Result<(), UkiError> {
        for (at, piece) in self.pieces.iter().enumerate() {
            let end = image.len + piece.len();
            for data in piece.data() {
                let (offset, bytes) = data.map_err(UkiError::Content)?;
                image.fill(end - piece.len() + offset)?;
                image.write(&bytes)?;
            }
            image.fill(end)?;
            if at + 1 < self.pieces.len() {
                image.fill(end.next_multiple_of(INITRD_ALIGNMENT))?;
            }
        }
        Ok(())
    }
}

/// An image that grows.
struct Image<'a, W> {
    out: &'a mut W,
    len: u64,
    checksum: Checksum,
}

impl<W: Write> Image<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), UkiError> {
        self.out.write_all(bytes).map_err(UkiError::Write)?;
        self.checksum.add(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Writes zeros up to a position.
    fn fill(&mut self, end: u64) -> Result<(), UkiError> {
        const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
        while self.len < end {
            let count = usize::try_from(end - self.len).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.write(&ZEROS[..count])?;
        }
        Ok(())
    }
}

fn append_sections(
    stub: &[u8],
    headers: &PeHeaders,
    additions: &[Addition],
    out: &mut (impl Write + Seek),
) -> Result<(), UkiError> {
    let additions: Vec<&Addition> = additions.iter().filter(|new| new.len > 0).collect();
    let additions = additions.as_slice();
    check_header_room(headers, additions)?;
    // Signing tools distrust gaps between sections.
    let stub = &stub[..headers.sections_end()];
    let sections = place(stub.len() as u64, headers, additions)?;
    let mut start = stub.to_vec();
    patch_headers(&mut start, headers, &sections);
    let mut image = Image { out, len: 0, checksum: Checksum::default() };
    image.write(&start)?;
    for (section, addition) in sections.iter().zip(additions) {
        image.fill(section.raw().start as u64)?;
        addition.write(&mut image)?;
        image.fill(section.raw().end as u64)?;
    }
    let checksum = image.checksum.finish();
    let at = (headers.optional_at + CHECKSUM) as u64;
    out.seek(SeekFrom::Start(at)).map_err(UkiError::Write)?;
    out.write_all(&checksum.to_le_bytes()).map_err(UkiError::Write)
}

fn check_header_room(headers: &PeHeaders, additions: &[&Addition]) -> Result<(), UkiError> {
    for addition in additions {
        if headers.sections.iter().any(|section| section.name() == addition.name) {
            return Err(UkiError::SectionExists(addition.name));
        }
    }
    let used = headers.table_at + headers.sections.len() * SECTION_HEADER_LEN;
    let data = headers.sections.iter().filter(|section| section.raw_size > 0);
    let data_start = data.map(|section| section.raw().start).min();
    let end = data_start.map_or(0, |start| start.min(headers.size_of_headers));
    let free = end.saturating_sub(used) / SECTION_HEADER_LEN;
    if free < additions.len() {
        return Err(UkiError::NoHeaderRoom { free, needed: additions.len() });
    }
    Ok(())
}

/// Gives every section its place in file and memory.
fn place(
    stub_len: u64,
    headers: &PeHeaders,
    additions: &[&Addition],
) -> Result<Vec<SectionHeader>, UkiError> {
    let page = u64::from(headers.section_alignment.max(PAGE));
    let block = u64::from(headers.file_alignment);
    let ends = headers.sections.iter().map(SectionHeader::virtual_end);
    let mut memory = ends.max().unwrap_or(0).max(headers.size_of_image.into());
    let mut file = stub_len.next_multiple_of(block);
    let mut sections = Vec::with_capacity(additions.len());
    for addition in additions {
        memory = memory.next_multiple_of(page);
        let raw_size = addition.len.next_multiple_of(block);
        let mut name = [0; 8];
        name[..addition.name.len()].copy_from_slice(addition.name.as_bytes());
        sections.push(SectionHeader {
            name,
            virtual_size: bounded(addition.memory)?,
            virtual_address: bounded(memory)?,
            raw_size: bounded(raw_size)?,
            raw_offset: bounded(file)?,
            characteristics: addition.flags | READABLE,
        });
        memory += addition.memory;
        file += raw_size;
    }
    bounded(memory.next_multiple_of(page))?;
    bounded(file)?;
    Ok(sections)
}

fn bounded(value: u64) -> Result<u32, UkiError> {
    u32::try_from(value).ok().filter(|_| value < LEN_MAX).ok_or(UkiError::TooLong)
}

fn patch_headers(image: &mut [u8], headers: &PeHeaders, added: &[SectionHeader]) {
    let mut table_end = headers.table_at + headers.sections.len() * SECTION_HEADER_LEN;
    for section in added {
        image[table_end..table_end + SECTION_HEADER_LEN].copy_from_slice(&section.encode());
        table_end += SECTION_HEADER_LEN;
    }
    let count = u16::try_from(headers.sections.len() + added.len()).expect("at most 96 and 5");
    image[headers.coff_at + 2..headers.coff_at + 4].copy_from_slice(&count.to_le_bytes());

    put(image, headers.coff_at + SYMBOL_TABLE, 0);
    put(image, headers.coff_at + SYMBOL_COUNT, 0);

    let sum = |flag| {
        let flagged = added.iter().filter(|section| section.characteristics & flag != 0);
        flagged.fold(0_u32, |sum, section| sum.saturating_add(section.raw_size))
    };
    let end = added.last().map_or(0, SectionHeader::virtual_end);
    let size = end.next_multiple_of(headers.section_alignment.into());
    add(image, headers.optional_at + SIZE_OF_CODE, sum(CONTAINS_CODE));
    add(image, headers.optional_at + SIZE_OF_INITIALIZED_DATA, sum(CONTAINS_INITIALIZED_DATA));
    put(image, headers.optional_at + SIZE_OF_IMAGE, u32::try_from(size).expect("below 2 GiB"));
    put(image, headers.optional_at + CHECKSUM, 0);
}

fn put(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn add(image: &mut [u8], at: usize, more: u32) {
    let mut old = [0; 4];
    old.copy_from_slice(&image[at..at + 4]);
    put(image, at, u32::from_le_bytes(old).saturating_add(more));
}

/// A unified kernel image, or any other 64-bit PE image, that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uki<'a> {
    image: &'a [u8],
    machine: u16,
    sections: Vec<UkiSection>,
}

/// One section of a PE image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UkiSection {
    /// Its name, such as `.linux`.
    pub name: String,
    /// Where its bytes lie in the file, without padding. Where memory is larger than the file's
    /// part, as with `.linux`, the file's padding belongs to it.
    pub file: Range<usize>,
    /// Where it lies in memory, from the start of the image.
    pub memory: Range<u64>,
}

impl<'a> Uki<'a> {
    /// Reads an image's headers. Every section lies within `image`.
    ///
    /// # Errors
    /// [`UkiError::Image`].
    pub fn parse(image: &'a [u8]) -> Result<Self, UkiError> {
        let headers = PeHeaders::parse(image).map_err(UkiError::Image)?;
        let sections = headers.sections.iter().map(|section| {
            let start = section.raw().start.min(image.len());
            let len = section.raw_size.min(section.virtual_size) as usize;
            UkiSection {
                name: section.name(),
                file: start..start + len,
                memory: section.virtual_address.into()..section.virtual_end(),
            }
        });
        Ok(Self { image, machine: headers.machine, sections: sections.collect() })
    }

    /// Returns the architecture it is for; `None` if Flagstone does not know it.
    pub fn architecture(&self) -> Option<Architecture> {
        match self.machine {
            0x8664 => Some(Architecture::X86_64),
            0xaa64 => Some(Architecture::Arm64),
            _ => None,
        }
    }

    /// Returns the sections in order.
    pub fn sections(&self) -> &[UkiSection] {
        &self.sections
    }

    /// Returns the bytes of the first section with a name.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        self.image.get(section.file.clone())
    }
}
