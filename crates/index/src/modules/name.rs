use std::fmt;

/// A module's name as the kernel knows it: with underscores where its file may have dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName(String);

impl ModuleName {
    /// Creates a name from any spelling of it; everything from a dot on (`.ko.xz`) is dropped.
    pub fn new(text: &str) -> Self {
        Self(text.split('.').next().unwrap_or_default().replace('-', "_"))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Replaces the dashes of an alias outside brackets by underscores, as all readers of the index do
/// with what they look up; `None` if its brackets do not pair.
pub(super) fn normalized_alias(alias: &[u8]) -> Option<Vec<u8>> {
    let mut inside = false;
    let mut out = Vec::with_capacity(alias.len());
    for &byte in alias {
        match byte {
            b']' if !inside => return None,
            b']' => inside = false,
            b'[' => inside = true,
            _ => {}
        }
        out.push(if byte == b'-' && !inside { b'_' } else { byte });
    }
    (!inside).then_some(out)
}

/// Returns the candidate that takes the fewest edits to become `text`, if it is near at all.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let limit = (text.len() / 3).max(1);
    names
        .filter(|name| name.len().abs_diff(text.len()) <= limit)
        .map(|name| (edits(text.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Counts the insertions, removals and replacements between two texts.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for text in ["nls-iso8859-1", "nls_iso8859_1", "nls_iso8859-1.ko.xz"] {
            assert_eq!(ModuleName::new(text).as_str(), "nls_iso8859_1");
        }
    }

    #[test]
    fn dashes_in_brackets_stay() {
        let cases = [("a-b[0-9]-c", Some("a_b[0-9]_c")), ("a]b", None), ("a[b", None)];
        for (alias, expected) in cases {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(normalized_alias(alias.as_bytes()), expected, "{alias}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["virtio_net", "virtio_blk", "ext4"];
        assert_eq!(nearest("virtio_nett", names.into_iter()).as_deref(), Some("virtio_net"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }
}
