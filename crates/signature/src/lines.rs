use crate::SignatureError;

/// The lines of a file in one of this crate's formats: each ends with a line feed.
pub(crate) struct Lines<'a> {
    what: &'static str,
    rest: &'a str,
    /// The line that was read last, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    /// Starts to read, and checks the first line.
    pub(crate) fn open(
        what: &'static str,
        text: &'a [u8],
        limit: usize,
        magic: &str,
    ) -> Result<Self, SignatureError> {
        if text.len() > limit {
            return Err(SignatureError::TooLong { what, limit: limit as u64 });
        }
        let rest = text.is_ascii().then(|| str::from_utf8(text).ok()).flatten();
        let rest = rest.ok_or(SignatureError::format(what, 1, "the file is plain ASCII"))?;
        let mut lines = Self { what, rest, number: 0 };
        match lines.next()? {
            Some(line) if line == magic => Ok(lines),
            _ => Err(lines.wrong("it names the format, and its version")),
        }
    }

    /// Returns the next line, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<&'a str>, SignatureError> {
        self.number += 1;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (line, rest) = self.rest.split_once('\n').ok_or(SignatureError::format(
            self.what,
            self.number,
            "a line feed ends it",
        ))?;
        self.rest = rest;
        Ok(Some(line))
    }

    /// Returns what follows `name: ` on the next line.
    pub(crate) fn field(
        &mut self,
        name: &str,
        rule: &'static str,
    ) -> Result<&'a str, SignatureError> {
        let value = self.next()?.and_then(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.ok_or_else(|| self.wrong(rule))
    }

    /// Checks that nothing follows.
    pub(crate) fn end(mut self) -> Result<(), SignatureError> {
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(self.wrong("nothing may follow")),
        }
    }

    /// Returns the error that the line read last breaks a rule.
    pub(crate) fn wrong(&self, rule: &'static str) -> SignatureError {
        SignatureError::format(self.what, self.number, rule)
    }
}
