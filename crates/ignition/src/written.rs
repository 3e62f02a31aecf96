use std::fmt;
use std::ops::Range;

/// What people wrote, where JSON is only a translation of it.
///
/// Findings stand where they wrote what caused them, and speak of the keys that they wrote.
pub struct Written<'a> {
    /// Its name in messages.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Returns the bytes of the text that caused what begins at a byte of the JSON.
    pub place: &'a dyn Fn(usize) -> Range<usize>,
}

impl Written<'_> {
    /// Returns the place of something in the JSON; of a line of it if each has a line of its own.
    pub(crate) fn place_of(
        &self,
        json: &Range<usize>,
        line: Option<(usize, &str)>,
    ) -> Range<usize> {
        let place = (self.place)(json.start);
        line.and_then(|(number, says)| self.line_within(&place, number, says)).unwrap_or(place)
    }

    fn line_within(&self, place: &Range<usize>, number: usize, says: &str) -> Option<Range<usize>> {
        let text = self.text.get(place.clone())?;
        let lines: Vec<&str> = text.split_inclusive('\n').take(number).collect();
        let line = lines.get(number.checked_sub(1)?)?;
        let before: usize = lines[..number - 1].iter().map(|line| line.len()).sum();
        let trimmed = line.trim();
        // Where lines are joined or escaped, they are others.
        if trimmed.is_empty() || trimmed != says.trim() {
            return None;
        }
        let start = place.start + before + (line.len() - line.trim_start().len());
        Some(start..start + trimmed.len())
    }
}

impl fmt::Debug for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("path", &self.path).finish_non_exhaustive()
    }
}
