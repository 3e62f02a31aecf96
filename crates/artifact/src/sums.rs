use std::collections::BTreeMap;
use std::fmt;

use crate::{ParseError, Sha256Digest};

/// The longest text: a thousand names of 255 bytes.
const TEXT_MAX: usize = 320 << 10;
/// The longest file name, in bytes, as file systems have it.
const NAME_MAX: usize = 255;

/// The digests of the files of a folder, as in a `SHA256SUMS` file.
///
/// Of the format of `sha256sum` the plain part alone: a digest, two blanks (or a blank and a `*`),
/// the name of a file in the same folder, a line feed. No name is there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sha256Sums(BTreeMap<String, Sha256Digest>);

impl Sha256Sums {
    /// The name of such a file.
    pub const FILE_NAME: &str = "SHA256SUMS";
    /// The name of the file beside it with signatures over it.
    pub const SIGNATURES_NAME: &str = "SHA256SUMS.sig";

    /// Returns the longest length of a file, in bytes.
    pub const fn text_max() -> u64 {
        TEXT_MAX as u64
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Names the first line that is none.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let wrong = |line: &[u8], rule| ParseError {
            text: String::from_utf8_lossy(line).chars().take(80).collect(),
            what: "a list of SHA-256 digests",
            rule,
        };
        if text.len() > TEXT_MAX {
            return Err(wrong(&text[..80], "it has at most 320 KiB"));
        }
        let Some(lines) = text.strip_suffix(b"\n") else {
            return Err(wrong(
                &text[text.len().saturating_sub(80)..],
                "a line feed ends each line",
            ));
        };
        let mut sums = BTreeMap::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let (digest, name) = parse_line(line)
                .ok_or_else(|| wrong(line, "a line has a digest, two blanks and a file's name"))?;
            if sums.insert(name.to_owned(), digest).is_some() {
                return Err(wrong(line, "each file is listed once"));
            }
        }
        Ok(Self(sums))
    }

    /// Returns the digest of a file.
    pub fn get(&self, name: &str) -> Option<Sha256Digest> {
        self.0.get(name).copied()
    }

    /// Lists a file, and returns the digest that was listed for it before.
    pub fn insert(&mut self, name: &str, digest: Sha256Digest) -> Option<Sha256Digest> {
        self.0.insert(name.to_owned(), digest)
    }

    /// Returns all files in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Sha256Digest)> {
        self.0.iter().map(|(name, digest)| (name.as_str(), *digest))
    }
}

impl fmt::Display for Sha256Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, digest)| writeln!(f, "{digest}  {name}"))
    }
}

fn parse_line(line: &[u8]) -> Option<(Sha256Digest, &str)> {
    let (digest, rest) = str::from_utf8(line).ok()?.split_once(' ')?;
    let name = rest.strip_prefix([' ', '*'])?;
    let plain = (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"/\\".contains(&b))
        && !matches!(name, "." | "..");
    plain.then_some((digest.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> String {
        format!("{}  {name}\n", Sha256Digest::of(name.as_bytes()))
    }

    #[test]
    fn lists_of_sha256sum_are_read() {
        let text = format!("{}{}", line("b.raw"), line("a_1~2+3.efi").replace("  ", " *"));
        let sums = Sha256Sums::parse(text.as_bytes()).unwrap();
        assert_eq!(sums.get("b.raw"), Some(Sha256Digest::of(b"b.raw")));
        assert_eq!(sums.get("b"), None);
        assert_eq!(sums.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a_1~2+3.efi", "b.raw"]);
        assert_eq!(sums.to_string(), line("a_1~2+3.efi") + &line("b.raw"));
    }

    #[test]
    fn what_could_name_another_file_is_refused() {
        let good = line("a");
        assert!(Sha256Sums::parse(good.as_bytes()).is_ok());
        for bad in [
            String::new(),
            "\n".to_owned(),
            good.trim_end().to_owned(),
            good.repeat(2),
            format!("{good}\n"),
            format!("{good}x\n"),
            good.replace("  ", " "),
            good.to_uppercase(),
            line(""),
            line(".."),
            line("a/b"),
            line("a\\b"),
            line("a\r"),
            line("é"),
            line(&"a".repeat(256)),
            format!("\\{good}"),
            line("a").repeat(10_000),
        ] {
            assert!(Sha256Sums::parse(bad.as_bytes()).is_err(), "{bad:.100}");
        }
    }
}
