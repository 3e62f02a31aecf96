//! Files of groups and `key=value` lines, as `GKeyFile` reads them (Desktop Entry Specification,
//! "Basic format of the file").

/// A group and its entries, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Keys with their raw values; the last of equal keys counts.
    pub(crate) entries: Vec<(String, String)>,
}

impl Group {
    /// Returns a key's raw value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// Parses a file; `None` if a line is neither a comment, a group nor an entry of a group.
///
/// Entries for a language (`Name[de]`) are kept only if `translations` says so: GLib drops those
/// that are not for the current language, and an image has none.
pub(crate) fn parse(text: &str, translations: bool) -> Option<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut current = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = line.trim_start_matches(crate::is_blank);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = group_name(line) {
            let known = groups.iter().position(|group| group.name == name);
            current = Some(known.unwrap_or(groups.len()));
            if known.is_none() {
                groups.push(Group { name: name.to_owned(), entries: Vec::new() });
            }
            continue;
        }
        let (key, value) = line.split_once('=')?;
        let key = key.trim_end_matches(crate::is_blank);
        let index = current?;
        if !is_key(key) {
            return None;
        }
        if translations || !key.ends_with(']') {
            let value = value.trim_start_matches(crate::is_blank);
            groups[index].entries.push((key.to_owned(), value.to_owned()));
        }
    }
    Some(groups)
}

/// Returns the name if a line starts a group.
fn group_name(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix('[')?.split_once(']')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c == '[' || c.is_ascii_control());
    (is_name && rest.chars().all(|c| c == ' ' || c == '\t')).then_some(name)
}

fn is_key(key: &str) -> bool {
    let name = key.split_once('[').map_or(key, |(name, _)| name);
    !name.is_empty() && !name.contains(']') && !name.ends_with(' ')
}

/// Reads a value that is true or false.
pub(crate) fn boolean(value: &str) -> bool {
    matches!(value.trim_end_matches(crate::is_blank), "true" | "1")
}

/// Splits a value at its separators, which a backslash takes the meaning from, and resolves the
/// escapes; an empty last piece is none.
pub(crate) fn strings(value: &str, separator: char) -> Option<Vec<String>> {
    let mut pieces = list(value, Some(separator))?;
    if pieces.last().is_some_and(String::is_empty) {
        pieces.pop();
    }
    Some(pieces)
}

fn list(value: &str, separator: Option<char>) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if Some(c) == separator {
            pieces.push(String::new());
            continue;
        }
        let c = match c {
            '\\' => match chars.next()? {
                's' => ' ',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' => '\\',
                other if Some(other) == separator => other,
                _ => return None,
            },
            c => c,
        };
        pieces.last_mut()?.push(c);
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keys_and_comments_are_told_apart() {
        let text = "# c\n\n [b] \na = 1 \r\nName[de]=x\n[a]\nk=\n[b]\na=2\n";
        let groups = parse(text, false).unwrap();
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(groups[0].get("a"), Some("2"));
        assert_eq!(groups[0].entries[0].1, "1 ");
        assert_eq!(groups[1].get("k"), Some(""));
        assert_eq!(parse(text, true).unwrap()[0].entries.len(), 3);
        for bad in ["a=1\n", "[a]\nno\n", "[a]\n=1\n", "[]\n"] {
            assert_eq!(parse(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn lists_are_split_and_escapes_resolved() {
        assert_eq!(strings("a;b\\;c;\\s;", ';').unwrap(), ["a", "b;c", " "]);
        assert_eq!(strings("", ';').unwrap(), [""; 0]);
        assert_eq!(strings("a\\q;", ';'), None);
    }
}
