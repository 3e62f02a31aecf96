//! Arguments of a command: options and what is left.

/// Options and other arguments, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    /// Options with their values, in order; the value of a flag is empty.
    pub(crate) options: Vec<(&'a str, &'a str)>,
    /// What is no option.
    pub(crate) operands: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// Takes arguments apart; `with_value` are the options whose value is the next argument.
    ///
    /// Short options may stand together (`-aG`), and a value may follow one at once (`-m755`).
    pub(crate) fn parse(arguments: &[&'a str], with_value: &[&str]) -> Self {
        let mut parsed = Self::default();
        let mut rest = arguments.iter().copied();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                parsed.operands.extend(rest.by_ref());
            } else if argument.starts_with("--") {
                let (name, value) = match argument.split_once('=') {
                    Some((name, value)) => (name, value),
                    None if with_value.contains(&argument) => {
                        (argument, rest.next().unwrap_or_default())
                    }
                    None => (argument, ""),
                };
                parsed.options.push((name, value));
            } else if argument.len() > 1 && argument.starts_with('-') && argument.is_ascii() {
                let mut at = 1;
                while at < argument.len() {
                    let letter = &argument[at..=at];
                    at += 1;
                    let takes = with_value.iter().find(|o| o.strip_prefix('-') == Some(letter));
                    if takes.is_some() {
                        let glued = &argument[at..];
                        let value =
                            if glued.is_empty() { rest.next().unwrap_or_default() } else { glued };
                        parsed.options.push((letter, value));
                        break;
                    }
                    parsed.options.push((letter, ""));
                }
            } else {
                parsed.operands.push(argument);
            }
        }
        parsed
    }

    /// Returns the value of the last option that has one of the names.
    pub(crate) fn value(&self, names: &[&str]) -> Option<&'a str> {
        self.options.iter().rev().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.value(names).is_some()
    }

    /// Tells whether there is no option besides these.
    pub(crate) fn only(&self, names: &[&str]) -> bool {
        self.options.iter().all(|(name, _)| names.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_apart() {
        let arguments =
            ["-aG", "wheel", "--home", "/x", "--shell=/bin/sh", "-m755", "me", "--", "-y"];
        let parsed = Options::parse(&arguments, &["-G", "-m", "--home"]);
        assert_eq!(
            parsed.options,
            [("a", ""), ("G", "wheel"), ("--home", "/x"), ("--shell", "/bin/sh"), ("m", "755")]
        );
        assert_eq!(parsed.operands, ["me", "-y"]);
        assert_eq!(parsed.value(&["--home"]), Some("/x"));
    }
}
