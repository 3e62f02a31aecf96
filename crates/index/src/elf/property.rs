use super::{Elf, ElfClass, ElfMachine, PT_GNU_PROPERTY, Segment};
use crate::ElfError;

const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
const GNU_PROPERTY_X86_ISA_1_NEEDED: u32 = 0xc000_8002;

impl Elf<'_> {
    /// Returns the x86 level that a library needs (0 for the baseline, 3 for x86-64-v4), as glibc
    /// reads it from the GNU property note.
    ///
    /// # Errors
    /// [`ElfError::Malformed`] for a note that lies outside the file.
    pub fn isa_level(&self) -> Result<u32, ElfError> {
        if self.machine != ElfMachine::X86_64 && self.machine != ElfMachine::I386 {
            return Ok(0);
        }
        let align = match self.class {
            ElfClass::Elf32 => 4,
            ElfClass::Elf64 => 8,
        };
        let mut level = 0;
        let notes = self.segments()?;
        for note in notes.iter().filter(|one| one.kind == PT_GNU_PROPERTY && one.align == align) {
            if let Some(needed) = self.isa_needed(note, align)? {
                level = needed.checked_ilog2().unwrap_or(level);
            }
        }
        Ok(level)
    }

    fn isa_needed(&self, note: &Segment, align: u64) -> Result<Option<u32>, ElfError> {
        // The note's header, the owner "GNU", then the properties: type, size, padded data.
        const PROPERTIES: u64 = 16;
        let size = self.segment_data(note)?.len() as u64;
        if size < PROPERTIES
            || self.u32(note.offset)? != 4
            || self.u32(note.offset + 8)? != NT_GNU_PROPERTY_TYPE_0
        {
            return Ok(None);
        }
        let end = size.min(PROPERTIES + u64::from(self.u32(note.offset + 4)?));
        let mut at = PROPERTIES;
        while at + 8 <= end {
            let kind = self.u32(note.offset + at)?;
            let len = u64::from(self.u32(note.offset + at + 4)?);
            at += 8;
            // Properties come by rising type.
            if kind > GNU_PROPERTY_X86_ISA_1_NEEDED || at + len > end {
                break;
            }
            if kind == GNU_PROPERTY_X86_ISA_1_NEEDED {
                return if len == 4 { self.u32(note.offset + at).map(Some) } else { Ok(None) };
            }
            at += len.next_multiple_of(align);
        }
        Ok(None)
    }
}
