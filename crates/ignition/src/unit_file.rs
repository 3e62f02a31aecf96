//! The syntax of systemd's units, as Ignition reads it.

use std::collections::BTreeMap;

/// A line of 2048 bytes was the longest that systemd took, and Ignition keeps to it.
const LINE_MAX: usize = 2048;

/// What a unit's text has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitFile<'a> {
    /// Sections, in their order of names, with how many options each has.
    pub(crate) sections: BTreeMap<&'a str, usize>,
    /// The first line, from 1, before all sections that is neither empty nor a comment.
    pub(crate) stray: Option<usize>,
}

/// Reads a unit's text.
///
/// # Errors
/// The line, from 1, that is none, and why.
pub(crate) fn read(text: &str) -> Result<UnitFile<'_>, (usize, &'static str)> {
    let mut unit = UnitFile::default();
    let mut section: Option<&str> = None;
    let mut lines = text.split('\n').enumerate();
    while let Some((at, line)) = lines.next() {
        let number = at + 1;
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[') {
            let (name, rest) = name.split_once(']').ok_or((number, "a section has no ]"))?;
            if !rest.trim().is_empty() {
                return Err((number, "something follows the name of a section"));
            }
            section = Some(name);
            unit.sections.entry(name).or_default();
        } else if trimmed.is_empty() {
        } else if trimmed.starts_with(['#', ';']) {
            continued(line.trim_end_matches(' '), &mut lines);
        } else if let Some(section) = section {
            let (_, value) = line.split_once('=').ok_or((number, "an option has no ="))?;
            if value.len() >= LINE_MAX {
                return Err((number, "a value has 2048 bytes or more in one line"));
            }
            *unit.sections.entry(section).or_default() += 1;
            continued(value, &mut lines);
        } else {
            unit.stray = unit.stray.or(Some(number));
        }
    }
    Ok(unit)
}

/// Skips the lines that go on where one ends with a backslash.
fn continued<'a>(first: &'a str, lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let mut line = first;
    while line.ends_with('\\') {
        let Some((_, next)) = lines.next() else { return };
        line = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_by_their_lines() {
        let unit =
            read("# a\n[Unit]\nDescription=x \\\n[y]\n\n[Service]\n ExecStart=/a=b\n;c\\\nd\n")
                .unwrap();
        assert_eq!(unit.sections, BTreeMap::from([("Unit", 1), ("Service", 1)]));
        assert_eq!(read("x\n[Unit]\n").unwrap().stray, Some(1));
        for (text, error) in [
            ("[Unit", (1, "a section has no ]")),
            ("[Unit] x", (1, "something follows the name of a section")),
            ("[Unit]\nDescription", (2, "an option has no =")),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        let long = format!("[Unit]\nDescription={}", "x".repeat(LINE_MAX));
        assert_eq!(read(&long).unwrap_err().0, 2);
    }
}
