use super::{Elf, PT_DYNAMIC, PT_LOAD, Segment, string_at};
use crate::ElfError;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// What an object asks of the dynamic loader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic<'a> {
    /// The name by which others ask for this library.
    pub soname: Option<&'a [u8]>,
    /// The libraries it asks for, in order.
    pub needed: Vec<&'a [u8]>,
    /// Directories to search for them, colon-separated (`DT_RUNPATH`).
    pub runpath: Option<&'a [u8]>,
    /// The same, in its obsolete form (`DT_RPATH`).
    pub rpath: Option<&'a [u8]>,
}

impl<'a> Elf<'a> {
    /// Reads the dynamic section; `None` for a static program or a relocatable object.
    ///
    /// # Errors
    /// [`ElfError::Malformed`] if it, or a name in it, lies outside the file.
    pub fn dynamic(&self) -> Result<Option<Dynamic<'a>>, ElfError> {
        let segments = self.segments()?;
        let Some(found) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Ok(None);
        };
        let entries = self.dynamic_entries(found)?;
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|entry| entry.1);
        let strings = match (value(DT_STRTAB), value(DT_STRSZ)) {
            (Some(address), Some(size)) => self.mapped(&segments, address, size)?,
            _ => &[],
        };
        let text = |offset| {
            string_at(strings, offset)
                .ok_or(ElfError::Malformed("a dynamic entry's name lies outside its table"))
        };
        let mut dynamic = Dynamic::default();
        for &(tag, offset) in &entries {
            match tag {
                DT_NEEDED => dynamic.needed.push(text(offset)?),
                DT_SONAME => dynamic.soname = Some(text(offset)?),
                DT_RPATH => dynamic.rpath = Some(text(offset)?),
                DT_RUNPATH => dynamic.runpath = Some(text(offset)?),
                _ => {}
            }
        }
        Ok(Some(dynamic))
    }

    fn dynamic_entries(&self, segment: &Segment) -> Result<Vec<(u64, u64)>, ElfError> {
        let width = match self.class {
            super::ElfClass::Elf32 => 4,
            super::ElfClass::Elf64 => 8,
        };
        // Bounds the loop below by the file, whatever the header says.
        let size = self.segment_data(segment)?.len() as u64;
        let mut entries = Vec::new();
        for i in 0..size / (2 * width) {
            let at = segment.offset + i * 2 * width;
            let tag = self.word(at)?;
            if tag == DT_NULL {
                break;
            }
            entries.push((tag, self.word(at + width)?));
        }
        Ok(entries)
    }

    /// Returns the bytes that the loader would see at an address.
    fn mapped(&self, segments: &[Segment], address: u64, size: u64) -> Result<&'a [u8], ElfError> {
        segments
            .iter()
            .filter(|segment| segment.kind == PT_LOAD)
            .find_map(|segment| {
                let within = address.checked_sub(segment.address)?;
                (within < segment.file_size).then(|| segment.offset.checked_add(within))?
            })
            .and_then(|offset| self.bytes(offset, size))
            .ok_or(ElfError::Malformed("its dynamic strings lie outside the file"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn names_and_search_paths_are_read() {
        let file =
            sample(&[(1, "liba.so.1"), (1, "libb.so"), (14, "me"), (29, "$ORIGIN")], None, "");
        let dynamic = Elf::parse(&file).unwrap().dynamic().unwrap().unwrap();
        assert_eq!(dynamic.needed, [&b"liba.so.1"[..], b"libb.so"]);
        assert_eq!(dynamic.soname, Some(&b"me"[..]));
        assert_eq!(dynamic.runpath, Some(&b"$ORIGIN"[..]));
        assert_eq!(dynamic.rpath, None);
    }
}
