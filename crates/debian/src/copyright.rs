use std::collections::{BTreeMap, BTreeSet};

use crate::{Stanza, Stanzas};

/// What a machine-readable copyright file says about licences (copyright-format 1.0).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copyright {
    /// The licence of each group of files, and of the whole: `GPL-2+`, `Expat or Artistic`.
    pub licences: BTreeSet<String>,
    /// The texts that are given, by short name, without the leading blanks of the format.
    pub texts: BTreeMap<String, String>,
}

impl Copyright {
    /// Reads a copyright file; `None` if it is not machine-readable or breaks the format.
    pub fn parse(text: &str) -> Option<Self> {
        let mut stanzas = Stanzas::new(text).with_comments();
        let header = stanzas.next()?.ok()?;
        // The format's address was written in several ways before it settled.
        let format = header.get("Format").or_else(|| header.get("Format-Specification"))?;
        if !["copyright-format", "dep5", "/DEP5"].iter().any(|word| format.contains(word)) {
            return None;
        }
        let mut copyright = Self::default();
        copyright.read(&header, true);
        for stanza in stanzas {
            let stanza = stanza.ok()?;
            copyright.read(&stanza, stanza.get("Files").is_some());
        }
        Some(copyright)
    }

    /// Takes the licence of a stanza; one that is `applied` is said of files, others only give texts.
    fn read(&mut self, stanza: &Stanza<'_>, applied: bool) {
        let Some(licence) = stanza.get("License") else { return };
        let (short, text) = licence.split_once('\n').unwrap_or((licence, ""));
        let short = short.split_whitespace().collect::<Vec<_>>().join(" ");
        if short.is_empty() {
            return;
        }
        if !text.trim().is_empty() {
            self.texts.entry(short.clone()).or_insert_with(|| plain(text));
        }
        if applied {
            self.licences.insert(short);
        }
    }
}

/// Takes the format's blanks and lone dots off a text.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.strip_prefix([' ', '\t']).unwrap_or(line).trim_end();
        if line == "." { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_of_files_and_texts_are_read() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
                    License: GPL-2+\n\nFiles: *\nCopyright: someone\nLicense: GPL-2+\n\n\
                    Files: a b\nLicense: own  or\tExpat\n As you\n .\n like.\n\n\
                    License: Expat\n Do it.\n";
        let copyright = Copyright::parse(text).unwrap();
        let licences: Vec<&str> = copyright.licences.iter().map(String::as_str).collect();
        assert_eq!(licences, ["GPL-2+", "own or Expat"]);
        assert_eq!(copyright.texts["own or Expat"], "As you\n\nlike.");
        assert_eq!(copyright.texts["Expat"], "Do it.");
    }

    #[test]
    fn other_files_say_nothing_that_a_program_could_read() {
        for text in
            ["", "This package was made by hand.\n", "Format: 1.0\n\nFiles: *\n", "Name: x\n"]
        {
            assert_eq!(Copyright::parse(text), None, "{text:?}");
        }
    }
}
