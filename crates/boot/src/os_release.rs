use std::collections::BTreeMap;
use std::fmt;

use crate::OsReleaseError;

/// The variables of an os-release file (os-release(5)), by name.
///
/// `Display` renders the file: one assignment a line, sorted, quoted where the shell needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease(BTreeMap<String, String>);

impl OsRelease {
    /// Creates a file without variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// [`OsReleaseError`] if the name or the value breaks the rules of the file.
    pub fn set(
        &mut self,
        name: &str,
        value: impl Into<String>,
    ) -> Result<&mut Self, OsReleaseError> {
        let value = value.into();
        let shape = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        if !shape {
            return Err(OsReleaseError::Name(name.chars().take(80).collect()));
        }
        if value.chars().any(char::is_control) {
            return Err(OsReleaseError::Value { name: name.to_owned() });
        }
        self.0.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Display for OsRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "{name}={}", Quoted(value))?;
        }
        Ok(())
    }
}

/// A value as a shell reads it: bare if it has only letters, digits, dots, dashes
/// and underscores, else between double quotes,
/// with a backslash before what keeps its meaning there (POSIX shell, 2.2.3).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !self.0.is_empty() && self.0.chars().all(bare) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '$' | '`' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn sample() -> OsRelease {
        let mut release = OsRelease::new();
        for (name, value) in [
            ("VERSION_ID", "1.2"),
            ("PRETTY_NAME", "It's a \"stone\" for $5 \\ `id`; é"),
            ("ID", "flagstone"),
            ("VARIANT", ""),
            ("HOME_URL", "https://example.org/?a=b&c"),
        ] {
            release.set(name, value).unwrap();
        }
        release
    }

    #[test]
    fn the_file_is_sorted_and_quoted() {
        let expected = "HOME_URL=\"https://example.org/?a=b&c\"\n\
                        ID=flagstone\n\
                        PRETTY_NAME=\"It's a \\\"stone\\\" for \\$5 \\\\ \\`id\\`; é\"\n\
                        VARIANT=\"\"\n\
                        VERSION_ID=1.2\n";
        assert_eq!(sample().to_string(), expected);
    }

    #[test]
    fn a_shell_reads_the_values_back() {
        let release = sample();
        for name in ["PRETTY_NAME", "HOME_URL", "VARIANT", "VERSION_ID"] {
            let script = format!("{release}printf %s \"${name}\"");
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(Some(&*String::from_utf8(output.stdout).unwrap()), release.get(name));
        }
    }

    #[test]
    fn what_could_add_a_line_is_refused() {
        let mut release = OsRelease::new();
        assert!(release.set("A", "b\nC=d").is_err());
        for name in ["", "a", "1A", "A B", "A=B", "_A"] {
            assert!(release.set(name, "x").is_err(), "{name:?}");
        }
        assert_eq!(release.to_string(), "");
    }
}
