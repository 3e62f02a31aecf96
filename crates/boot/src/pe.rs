use std::ops::Range;

use crate::PeError;

/// Where the DOS header says where the PE header is (Microsoft PE format, "MS-DOS Stub").
const PE_OFFSET_AT: usize = 0x3c;
const PE_SIGNATURE: &[u8; 4] = b"PE\0\0";
const COFF_LEN: usize = 20;
/// Marks an optional header of a 64-bit image.
const PE32_PLUS: u16 = 0x20b;
/// The optional header up to its data directories.
const OPTIONAL_MIN: usize = 112;
/// The data directory of signatures.
const SECURITY_DIRECTORY: usize = 4;
/// The most sections of an image that loaders accept.
const SECTIONS_MAX: usize = 96;
pub(crate) const SECTION_HEADER_LEN: usize = 40;

/// Offsets within the COFF header.
pub(crate) const SYMBOL_TABLE: usize = 8;
pub(crate) const SYMBOL_COUNT: usize = 12;

/// Offsets within the optional header.
pub(crate) const SIZE_OF_CODE: usize = 4;
pub(crate) const SIZE_OF_INITIALIZED_DATA: usize = 8;
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
pub(crate) const SIZE_OF_IMAGE: usize = 56;
const SIZE_OF_HEADERS: usize = 60;
pub(crate) const CHECKSUM: usize = 64;
const DIRECTORY_COUNT: usize = 108;

/// The parts of a PE32+ image's headers that a unified kernel image is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeHeaders {
    pub(crate) machine: u16,
    pub(crate) size_of_image: u32,
    pub(crate) size_of_headers: usize,
    pub(crate) section_alignment: u32,
    pub(crate) file_alignment: u32,
    pub(crate) signed: bool,
    pub(crate) sections: Vec<SectionHeader>,
    /// Where the COFF header, the optional header and the section headers start.
    pub(crate) coff_at: usize,
    pub(crate) optional_at: usize,
    pub(crate) table_at: usize,
}

/// One section header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SectionHeader {
    pub(crate) name: [u8; 8],
    pub(crate) virtual_size: u32,
    pub(crate) virtual_address: u32,
    pub(crate) raw_size: u32,
    pub(crate) raw_offset: u32,
    pub(crate) characteristics: u32,
}

impl PeHeaders {
    /// Reads the headers of an image, and checks that its sections lie within it.
    pub(crate) fn parse(image: &[u8]) -> Result<Self, PeError> {
        if !image.starts_with(b"MZ") {
            return Err(PeError::Invalid("MS-DOS signature"));
        }
        let pe_at = word(image, PE_OFFSET_AT, "the MS-DOS header")? as usize;
        let signature = slice(image, pe_at, PE_SIGNATURE.len(), "the PE signature")?;
        if signature != PE_SIGNATURE {
            return Err(PeError::Invalid("PE signature"));
        }
        let coff_at = pe_at + PE_SIGNATURE.len();
        let coff = slice(image, coff_at, COFF_LEN, "the COFF header")?;
        let optional_at = coff_at + COFF_LEN;
        let optional_len = usize::from(half(coff, 16, "the COFF header")?);
        let optional = slice(image, optional_at, optional_len, "the optional header")?;
        if half(optional, 0, "the optional header")? != PE32_PLUS || optional_len < OPTIONAL_MIN {
            return Err(PeError::Invalid("optional header of a 64-bit image"));
        }
        let field = |at| word(optional, at, "the optional header");
        let (section_alignment, file_alignment) =
            (field(SECTION_ALIGNMENT)?, field(FILE_ALIGNMENT)?);
        let aligned = file_alignment.is_power_of_two()
            && section_alignment.is_power_of_two()
            && (0x200..=0x1_0000).contains(&file_alignment)
            && (file_alignment..=0x100_0000).contains(&section_alignment);
        if !aligned {
            return Err(PeError::Invalid("section or file alignment"));
        }
        let table_at = optional_at + optional_len;
        let count = usize::from(half(coff, 2, "the COFF header")?);
        Ok(Self {
            machine: half(coff, 0, "the COFF header")?,
            size_of_image: field(SIZE_OF_IMAGE)?,
            size_of_headers: field(SIZE_OF_HEADERS)? as usize,
            section_alignment,
            file_alignment,
            signed: is_signed(optional)?,
            sections: sections(image, table_at, count)?,
            coff_at,
            optional_at,
            table_at,
        })
    }
}

impl PeHeaders {
    /// Returns where the last section ends in the file, which is within it; without sections, where
    /// their headers start.
    pub(crate) fn sections_end(&self) -> usize {
        let sections = self.sections.iter().filter(|section| section.raw_size > 0);
        sections.map(|section| section.raw().end).fold(self.table_at, usize::max)
    }
}

impl SectionHeader {
    /// Returns the name without its padding; lossily, as names are ASCII.
    pub(crate) fn name(&self) -> String {
        let end = self.name.iter().position(|&byte| byte == 0).unwrap_or(self.name.len());
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    /// Returns where the section's bytes lie in the file, padding included.
    pub(crate) fn raw(&self) -> Range<usize> {
        let start = self.raw_offset as usize;
        start..start + self.raw_size as usize
    }

    /// Returns where the section ends in memory.
    pub(crate) fn virtual_end(&self) -> u64 {
        u64::from(self.virtual_address) + u64::from(self.virtual_size)
    }

    /// Encodes the header.
    pub(crate) fn encode(&self) -> [u8; SECTION_HEADER_LEN] {
        let mut header = [0; SECTION_HEADER_LEN];
        header[..8].copy_from_slice(&self.name);
        let fields = [
            (8, self.virtual_size),
            (12, self.virtual_address),
            (16, self.raw_size),
            (20, self.raw_offset),
            (36, self.characteristics),
        ];
        for (at, value) in fields {
            header[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        header
    }
}

fn is_signed(optional: &[u8]) -> Result<bool, PeError> {
    let count = word(optional, DIRECTORY_COUNT, "the optional header")? as usize;
    if count <= SECURITY_DIRECTORY {
        return Ok(false);
    }
    let size_at = OPTIONAL_MIN + SECURITY_DIRECTORY * 8 + 4;
    Ok(word(optional, size_at, "the data directories")? != 0)
}

fn sections(image: &[u8], table_at: usize, count: usize) -> Result<Vec<SectionHeader>, PeError> {
    if count > SECTIONS_MAX {
        return Err(PeError::Invalid("number of sections"));
    }
    let table = slice(image, table_at, count * SECTION_HEADER_LEN, "the section headers")?;
    let decode = |header: &[u8]| {
        let field = |at| word(header, at, "the section headers");
        let mut name = [0; 8];
        name.copy_from_slice(slice(header, 0, 8, "the section headers")?);
        let section = SectionHeader {
            name,
            virtual_size: field(8)?,
            virtual_address: field(12)?,
            raw_size: field(16)?,
            raw_offset: field(20)?,
            characteristics: field(36)?,
        };
        let end = u64::from(section.raw_offset) + u64::from(section.raw_size);
        if section.raw_size > 0 && end > image.len() as u64 {
            return Err(PeError::SectionOutside(section.name()));
        }
        Ok(section)
    };
    table.chunks_exact(SECTION_HEADER_LEN).map(decode).collect()
}

/// Computes the checksum of an image whose checksum field is zero (the algorithm of `ImageHlp`'s
/// `CheckSumMappedFile`): the sum of all 16-bit words with carries added back in, plus the length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checksum {
    /// The sum of words of 32 bits, little-endian: the same once it is folded, in half the steps.
    /// 2^32 of them fit.
    sum: u64,
    len: u64,
}

impl Checksum {
    /// Takes the next bytes in.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !self.len.is_multiple_of(4)
            && let Some((&byte, rest)) = bytes.split_first()
        {
            self.sum += u64::from(byte) << (8 * (self.len % 4));
            self.len += 1;
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks::<4>();
        self.sum += words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum::<u64>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        self.sum += u64::from(u32::from_le_bytes(last));
        self.len += bytes.len() as u64;
    }

    /// Returns the checksum.
    pub(crate) fn finish(&self) -> u32 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let folded = u32::try_from(sum).expect("folded to 16 bits");
        folded.wrapping_add(u32::try_from(self.len).unwrap_or(u32::MAX))
    }
}

fn slice<'a>(
    bytes: &'a [u8],
    at: usize,
    len: usize,
    what: &'static str,
) -> Result<&'a [u8], PeError> {
    let end = at.checked_add(len).ok_or(PeError::Truncated(what))?;
    bytes.get(at..end).ok_or(PeError::Truncated(what))
}

fn half(bytes: &[u8], at: usize, what: &'static str) -> Result<u16, PeError> {
    let bytes = slice(bytes, at, 2, what)?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn word(bytes: &[u8], at: usize, what: &'static str) -> Result<u32, PeError> {
    let bytes = slice(bytes, at, 4, what)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_does_not_depend_on_where_the_bytes_are_cut() {
        let image: Vec<u8> = (0..1021).map(|i| u8::try_from(i * 37 % 251).unwrap()).collect();
        // By the definition: words of 16 bits, carries added back in, and the length.
        let words =
            image.chunks(2).map(|w| u32::from(w[0]) | u32::from(*w.get(1).unwrap_or(&0)) << 8);
        let sum = words.fold(0, |sum, word| ((sum + word) & 0xffff) + ((sum + word) >> 16));
        let expected = sum + 1021;
        for step in [1, 2, 3, 4, 5, 7, 64, 1021] {
            let mut checksum = Checksum::default();
            image.chunks(step).for_each(|piece| checksum.add(piece));
            assert_eq!(checksum.finish(), expected, "pieces of {step}");
        }
    }
}
