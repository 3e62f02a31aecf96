use std::fmt;

use super::{Elf, PT_NOTE, Segment};
use crate::ElfError;

/// The owner and the type of the note ("ELF dlopen metadata", systemd).
const NOTE_OWNER: &[u8] = b"FDO\0";
const NOTE_TYPE: u32 = 0x407c_0c0a;

/// How much an object wants a library that it opens at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DlopenPriority {
    /// It does not work without.
    Required,
    /// It should be there by default.
    #[default]
    Recommended,
    /// It is for a feature that few use.
    Suggested,
}

impl fmt::Display for DlopenPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::Suggested => "suggested",
        })
    }
}

/// A library that an object opens at run time, by its own account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct DlopenNote {
    /// The feature it is for; may be empty.
    #[serde(default)]
    pub feature: String,
    /// How much the object wants it.
    #[serde(default)]
    pub priority: DlopenPriority,
    /// The names it tries, one after the other; one of them is enough.
    pub soname: Vec<String>,
}

impl Elf<'_> {
    /// Reads the `.note.dlopen` entries, from the segments, so that stripped objects have them too.
    ///
    /// # Errors
    /// [`ElfError::Malformed`] for a note that is cut off, [`ElfError::DlopenNote`] for one that is
    /// not the JSON it should be.
    pub fn dlopen_notes(&self) -> Result<Vec<DlopenNote>, ElfError> {
        let mut found = Vec::new();
        for segment in self.segments()?.iter().filter(|segment| segment.kind == PT_NOTE) {
            self.collect_notes(segment, &mut found)?;
        }
        Ok(found)
    }

    fn collect_notes(
        &self,
        segment: &Segment,
        found: &mut Vec<DlopenNote>,
    ) -> Result<(), ElfError> {
        const HEADER: u64 = 12;
        const CUT: ElfError = ElfError::Malformed("a note is cut off");
        // GNU property notes are aligned to 8 in segments of their own; all others to 4.
        let align = if segment.align == 8 { 8 } else { 4 };
        let size = self.segment_data(segment)?.len() as u64;
        let mut at = 0_u64;
        while at + HEADER <= size {
            let header = segment.offset + at;
            let name_size = u64::from(self.u32(header)?);
            let text_size = u64::from(self.u32(header + 4)?);
            let kind = self.u32(header + 8)?;
            let text_at = (HEADER + name_size).next_multiple_of(align);
            if at + text_at + text_size > size {
                return Err(CUT);
            }
            let name = self.bytes(header + HEADER, name_size).ok_or(CUT)?;
            if kind == NOTE_TYPE && name == NOTE_OWNER {
                let text = self.bytes(header + text_at, text_size).ok_or(CUT)?;
                let text = text.split(|&b| b == 0).next().unwrap_or_default();
                let notes: Vec<DlopenNote> =
                    serde_json::from_slice(text).map_err(ElfError::DlopenNote)?;
                found.extend(notes);
            }
            at += (text_at + text_size).next_multiple_of(align);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn a_note_names_feature_priority_and_alternatives() {
        let text = r#"[{"feature":"f","description":"d","priority":"suggested","soname":["a","b"]},
            {"soname":["c"]}]"#;
        let file = sample(&[], None, text);
        let notes = Elf::parse(&file).unwrap().dlopen_notes().unwrap();
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[0].priority, DlopenPriority::Suggested);
        assert_eq!(notes[0].soname, ["a", "b"]);
        assert_eq!(notes[1].priority, DlopenPriority::Recommended);
    }

    #[test]
    fn a_note_that_is_not_json_is_an_error() {
        let file = sample(&[], None, "[{");
        let elf = Elf::parse(&file).unwrap();
        assert!(matches!(elf.dlopen_notes(), Err(ElfError::DlopenNote(_))));
    }
}
