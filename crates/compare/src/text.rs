use std::fmt;

use crate::comparison::{Comparison, Pair};
use crate::outline::{Detail, List, Section, sections};
use crate::release::Side;

/// A comparison as lines of text.
#[derive(Clone, Copy, Debug)]
pub struct TextReport<'a> {
    /// What is shown.
    pub comparison: &'a Comparison,
    /// How many lines of each list are shown; all if there is no limit.
    pub limit: Option<usize>,
}

impl TextReport<'_> {
    /// Tells whether the limit hides lines.
    pub fn is_cut(&self) -> bool {
        let mut lists = sections(self.comparison).into_iter().flat_map(|section| section.lists);
        let Some(limit) = self.limit else { return false };
        lists.any(|list| list.rows.len() > limit || list.detail == Detail::Short)
    }

    /// Tells whether a list is shown: one of paths in full or the short one.
    fn has(&self, list: &List) -> bool {
        let other = if self.limit.is_some() { Detail::Full } else { Detail::Short };
        list.detail != other
    }

    fn list(&self, f: &mut fmt::Formatter<'_>, list: &List) -> fmt::Result {
        let shown = self.limit.unwrap_or(usize::MAX).min(list.rows.len());
        for row in &list.rows[..shown] {
            writeln!(f, "  {} {}", list.sign, row.line)?;
        }
        let left = list.rows.len() - shown;
        if left > 0 {
            writeln!(f, "    … and {left} more {}", list.title)?;
        }
        Ok(())
    }

    fn section(&self, f: &mut fmt::Formatter<'_>, section: &Section) -> fmt::Result {
        writeln!(f, "{}: {}", section.title, section.summary)?;
        section.lists.iter().filter(|list| self.has(list)).try_for_each(|list| self.list(f, list))
    }
}

impl fmt::Display for TextReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = self.comparison;
        let Pair { old, new } = &comparison.sides;
        writeln!(f, "old: {}", headline(old))?;
        writeln!(f, "new: {}", headline(new))?;
        if comparison.identical {
            let gap = if comparison.not_compared.is_empty() { "" } else { " in what was compared" };
            writeln!(f, "nothing differs{gap}")?;
        } else {
            if let Some(Pair { old, new }) = comparison.root_hashes() {
                if old == new {
                    writeln!(f, "root hash: {old}, the same")?;
                } else {
                    writeln!(f, "root hash: {old}\n         → {new}")?;
                }
            }
            sections(comparison).iter().try_for_each(|section| self.section(f, section))?;
        }
        for gap in &comparison.not_compared {
            writeln!(f, "not compared: {}: {}", gap.what, gap.why)?;
        }
        comparison.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// Returns what a side is called.
pub(crate) fn headline(side: &Side) -> String {
    let Side { path, kind, id, version, architecture, .. } = side;
    let architecture = architecture.map(|architecture| architecture.to_string());
    let names = [id.clone(), version.clone(), architecture];
    let names: Vec<String> = names.into_iter().flatten().collect();
    if names.is_empty() {
        format!("{path} ({})", kind.name())
    } else {
        format!("{} ({}, {path})", names.join(" "), kind.name())
    }
}
