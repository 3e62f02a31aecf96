use crate::ControlError;

/// The most fields a stanza may have; real ones have about thirty.
const FIELDS_MAX: usize = 1000;

/// One field of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, as written.
    pub name: &'a str,
    /// The value without surrounding blanks; further lines follow with their leading blank.
    pub value: &'a str,
    /// The line of the name, from 1.
    pub line: u32,
}

/// One paragraph of control data (deb822): fields in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// Returns all fields in order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// Returns the field with this name, in any case.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Returns the value of the field with this name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|field| field.value)
    }

    /// Returns the value of a field that must be there.
    ///
    /// # Errors
    /// [`ControlError`], at the stanza's first line, if it is not.
    pub fn require(&self, name: &'static str) -> Result<&'a str, ControlError> {
        self.get(name).ok_or_else(|| ControlError {
            line: self.line(),
            problem: format!("the field {name} is missing"),
        })
    }

    /// Returns the line of the first field.
    pub fn line(&self) -> u32 {
        self.fields.first().map_or(0, |field| field.line)
    }
}

/// Reads control data stanza by stanza, without copying.
#[derive(Clone, Debug)]
pub struct Stanzas<'a> {
    text: &'a str,
    position: usize,
    line: u32,
    comments: bool,
}

/// A field whose last line is not known yet.
struct Open<'a> {
    name: &'a str,
    start: usize,
    end: usize,
    line: u32,
}

impl<'a> Stanzas<'a> {
    /// Starts at the first stanza of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0, line: 0, comments: false }
    }

    /// Also skips lines that start with `#` between fields, as files written by people have them.
    #[must_use]
    pub fn with_comments(self) -> Self {
        Self { comments: true, ..self }
    }

    /// Takes a line off the text; returns where it starts, and the line without its end.
    fn next_line(&mut self) -> Option<(usize, &'a str)> {
        let start = self.position;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        self.position = start + line.len() + 1;
        self.line = self.line.saturating_add(1);
        Some((start, line))
    }

    fn stanza(&mut self) -> Result<Option<Stanza<'a>>, ControlError> {
        let mut stanza = Stanza { fields: Vec::with_capacity(32) };
        let mut open: Option<Open<'a>> = None;
        while let Some((start, line)) = self.next_line() {
            let end = start + line.trim_ascii_end().len();
            match line.as_bytes().first() {
                Some(b'#') if self.comments => {}
                _ if end == start || line.trim_ascii().is_empty() => {
                    if open.is_some() {
                        break;
                    }
                }
                Some(b' ' | b'\t') => match &mut open {
                    Some(open) => open.end = end,
                    None => return Err(self.error("a continuation line continues nothing")),
                },
                _ => {
                    let field = self.open(start, end)?;
                    self.close(open.replace(field).as_ref(), &mut stanza)?;
                }
            }
        }
        self.close(open.as_ref(), &mut stanza)?;
        Ok((!stanza.fields.is_empty()).then_some(stanza))
    }

    /// Reads the line of a field's name.
    fn open(&self, start: usize, end: usize) -> Result<Open<'a>, ControlError> {
        let line = &self.text[start..end];
        let Some((name, value)) = line.split_once(':') else {
            return Err(self.error(&format!("{:?} is not \"Name: value\"", cut(line))));
        };
        let plain = |b: u8| b.is_ascii_graphic();
        if name.is_empty() || name.starts_with(['#', '-']) || !name.bytes().all(plain) {
            return Err(self.error(&format!("{:?} is not a field name", cut(name))));
        }
        let start = end - value.trim_ascii_start().len();
        Ok(Open { name, start, end, line: self.line })
    }

    /// Adds a field that is complete.
    fn close(&self, open: Option<&Open<'a>>, stanza: &mut Stanza<'a>) -> Result<(), ControlError> {
        let Some(&Open { name, start, end, line }) = open else { return Ok(()) };
        let problem = if stanza.field(name).is_some() {
            format!("the field {} is there twice", cut(name))
        } else if stanza.fields.len() == FIELDS_MAX {
            "the stanza has too many fields".to_owned()
        } else {
            stanza.fields.push(Field { name, value: &self.text[start..end], line });
            return Ok(());
        };
        Err(ControlError { line, problem })
    }

    fn error(&self, problem: &str) -> ControlError {
        ControlError { line: self.line, problem: problem.to_owned() }
    }
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, ControlError>;

    /// Returns the next stanza; after an error, nothing.
    fn next(&mut self) -> Option<Self::Item> {
        let stanza = self.stanza();
        if stanza.is_err() {
            self.position = self.text.len();
        }
        stanza.transpose()
    }
}

/// Shortens what is quoted in a message.
fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Stanza<'_>>, ControlError> {
        Stanzas::new(text).collect()
    }

    #[test]
    fn stanzas_fields_and_continuations_are_told_apart() {
        let text =
            "\n\nPackage: a\nDescription: short \n long\n .\n more\nEmpty:\n\n \nPackage: b\nX:y";
        let stanzas = read(text).unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("description"), Some("short \n long\n .\n more"));
        assert_eq!(stanzas[0].get("Empty"), Some(""));
        assert_eq!(stanzas[1].field("X").unwrap(), &Field { name: "X", value: "y", line: 12 });
        assert_eq!(stanzas[1].line(), 11);
    }

    #[test]
    fn a_value_may_start_on_its_second_line() {
        let stanzas = read("SHA256:\n abc 1 x\n def 2 y\n").unwrap();
        assert_eq!(stanzas[0].get("SHA256"), Some("\n abc 1 x\n def 2 y"));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, problem) in [
            (" x", 1, "continues nothing"),
            ("A: 1\n\n b", 3, "continues nothing"),
            ("A: 1\nnonsense\n", 2, "is not \"Name: value\""),
            ("A: 1\nb c: 2\n", 2, "is not a field name"),
            ("A: 1\n: 2\n", 2, "is not a field name"),
            ("A: 1\n#c: 2\n", 2, "is not a field name"),
            ("A: 1\nB: 2\na: 3\n", 3, "twice"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.problem.contains(problem), "{error}");
        }
        let many = (0..2000).fold(String::new(), |text, i| format!("{text}F{i}: x\n"));
        assert_eq!(read(&many).unwrap_err().line, 1001);
    }

    #[test]
    fn comments_are_skipped_where_people_write() {
        let mut stanzas = Stanzas::new("# c\nA: 1\n# d: e\nB: 2\n").with_comments();
        let stanza = stanzas.next().unwrap().unwrap();
        assert_eq!(stanza.fields().len(), 2);
        assert!(stanzas.next().is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([A-B]{1,2}|[ \t]|:|#|\n|\r|é|x){0,40}") {
            for stanza in Stanzas::new(&text).flatten() {
                assert!(!stanza.fields().is_empty());
            }
        }
    }
}
