use crate::{Diagnostic, Diagnostics};

/// How many diagnostics are worth showing at once.
const SHOWN: usize = 20;

/// Collects what is wrong while a file is read on.
#[derive(Debug, Default)]
pub(crate) struct Report {
    items: Vec<Diagnostic>,
    left_out: usize,
}

impl Report {
    /// Adds a diagnostic; past the first few it is only counted.
    pub(crate) fn push(&mut self, item: Diagnostic) {
        if self.items.len() < SHOWN {
            self.items.push(item);
        } else {
            self.left_out += 1;
        }
    }

    /// Returns what was found, sorted, unless there was nothing.
    pub(crate) fn finish(&mut self) -> Result<(), Diagnostics> {
        if self.items.is_empty() {
            return Ok(());
        }
        let mut items = std::mem::take(&mut self.items);
        items.sort_by(|a, b| (&a.path, a.position).cmp(&(&b.path, b.position)));
        Err(Diagnostics { items, left_out: std::mem::take(&mut self.left_out) })
    }
}
