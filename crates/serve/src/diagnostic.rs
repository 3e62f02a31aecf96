use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as the user named it.
    pub path: PathBuf,
    /// Line and column in it, from 1, columns in characters; `None` if the whole file is meant.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  = hint: {hint}"))
    }
}

/// Everything that was found wrong at once; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub(crate) Vec<Mistake>);

impl Mistakes {
    /// Returns the mistakes, in the order they were found.
    pub fn as_slice(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

/// A text with the name of the file it is from.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

/// A place in a file that messages can point at.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    text: Arc<Text>,
    offset: Option<usize>,
}

impl Place {
    /// Returns the place of a span in a text.
    pub(crate) fn at(text: &Arc<Text>, span: &Range<usize>) -> Self {
        Self { text: Arc::clone(text), offset: Some(span.start) }
    }

    /// Returns a place for what stands in no file, such as a profile that was found in a folder.
    pub(crate) fn whole(path: &Path) -> Self {
        let text = Text { path: path.to_owned(), content: String::new() };
        Self { text: Arc::new(text), offset: None }
    }

    /// Makes a mistake that is shown with this place.
    pub(crate) fn mistake(&self, message: impl Into<String>, hint: Option<String>) -> Mistake {
        Mistake {
            path: self.text.path.clone(),
            position: self.offset.map(|offset| line_and_column(&self.text.content, offset)),
            message: message.into(),
            hint,
        }
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A value with the place it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_tells_file_line_column_and_hint() {
        let text = Text { path: "a.toml".into(), content: "x = 1\nä = y\n".into() };
        let place = Place::at(&Arc::new(text), &(11..12));
        let shown = place.mistake("no value", Some("write one".into())).to_string();
        assert_eq!(shown, "a.toml:2:5: no value\n  = hint: write one");
    }
}
