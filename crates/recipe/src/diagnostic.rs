use std::fmt;

use flagstone_artifact::Diagnostic;

/// Everything that was found wrong at once; never empty.
///
/// Each diagnostic shows its own hint, and the list has no further cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics {
    pub(crate) items: Vec<Diagnostic>,
    /// How many more were found than `items` holds.
    pub(crate) left_out: usize,
}

impl Diagnostics {
    /// Returns the diagnostics, by file and position.
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.items
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(item: Diagnostic) -> Self {
        Self { items: vec![item], left_out: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            item.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\n\n… and {} more", self.left_out)?;
        }
        Ok(())
    }
}
