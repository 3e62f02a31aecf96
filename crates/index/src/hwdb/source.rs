//! The text form: records of matches, then of properties.

use crate::IndexError;

/// The longest line that the tool reads (`LONG_LINE_MAX`).
const MAX_LINE: usize = 1 << 20;

/// The longest match that is taken. It bounds the depth of the tree made from them; names of
/// devices have some hundred bytes.
const MAX_MATCH: usize = 4096;

/// Properties for the devices whose names match one of some patterns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) matches: Vec<&'a [u8]>,
    pub(super) properties: Vec<Property<'a>>,
}

/// One property, with the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property<'a> {
    /// The key with one blank before it, as the database stores it.
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) line: u32,
}

/// Splits a source into its records.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    line: u32,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 0 }
    }

    /// Returns the next line that is no comment, without what is not to be read.
    fn next_line(&mut self) -> Option<Result<&'a [u8], IndexError>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.iter().position(|b| matches!(b, b'\n' | b'\r' | 0));
            let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            self.rest = match rest {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => rest,
            };
            self.line = self.line.saturating_add(1);
            if line.len() >= MAX_LINE {
                return Some(Err(IndexError::TooLarge("a line of the hardware database")));
            }
            if line.starts_with(b"#") {
                continue;
            }
            let line = line.split(|&b| b == b'#').next().unwrap_or_default();
            // The C library's isspace(): also the vertical tab.
            let end = line.iter().rposition(|b| !b.is_ascii_whitespace() && *b != 0x0b);
            return Some(Ok(&line[..end.map_or(0, |end| end + 1)]));
        }
    }

    fn property(&self, line: &'a [u8]) -> Option<Property<'a>> {
        let equals = line.iter().position(|&b| b == b'=')?;
        let (mut key, value) = (&line[..equals], &line[equals + 1..]);
        while let [b' ' | b'\t', b' ' | b'\t', ..] = key {
            key = &key[1..];
        }
        (key.len() > 1).then_some(Property { key, value, line: self.line })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = Record::default();
        let mut in_properties = false;
        while let Some(line) = self.next_line() {
            let line = match line {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let is_property = line.starts_with(b" ");
            match (in_properties, is_property) {
                // An empty line ends a record; so does a match behind properties, which is lost.
                (true, false) => return Some(Ok(record)),
                (false, false) if line.is_empty() => record.matches.clear(),
                (false, false) if line.len() > MAX_MATCH => {
                    return Some(Err(IndexError::TooLarge("a match of the hardware database")));
                }
                (false, false) => record.matches.push(line),
                // Properties of nothing are skipped.
                (false, true) if record.matches.is_empty() => {}
                (_, true) => {
                    in_properties = true;
                    record.properties.extend(self.property(line));
                }
            }
        }
        in_properties.then_some(Ok(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_matches_and_properties() {
        let text =
            b"# c\n lost=1\nm1 # c\n#\nm2\t\n  \tK = v \n bad\n =x\n E=\n\nalone\n\nm3\n A=1\n\
            m4\n B=2\n\r\nm5\n C=3";
        let records: Vec<Record<'_>> = Records::new(text).map(Result::unwrap).collect();
        let property = |key: &'static str, value: &'static str, line| Property {
            key: key.as_bytes(),
            value: value.as_bytes(),
            line,
        };
        let expected = [
            Record {
                matches: vec![b"m1", b"m2"],
                properties: vec![property("\tK ", " v", 6), property(" E", "", 9)],
            },
            Record { matches: vec![b"m3"], properties: vec![property(" A", "1", 14)] },
            Record { matches: vec![b"m5"], properties: vec![property(" C", "3", 19)] },
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn what_no_database_should_hold_is_refused() {
        for text in [vec![b'm'; MAX_LINE], vec![b'm'; MAX_MATCH + 1]] {
            assert!(Records::new(&text).next().unwrap().is_err());
        }
    }
}
