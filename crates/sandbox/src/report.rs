use std::fmt;
use std::io;

/// What the confined process tells the one that started it, as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A step of the confinement failed, with this `errno`.
    Confine(String, i32),
    /// The program did not start, with this `errno`.
    Start(i32),
    /// The program ended by itself.
    Exit(i32),
    /// A signal ended the program.
    Signal(i32),
}

impl Report {
    /// Makes a report of a failed step.
    pub(crate) fn step(step: &str, error: &io::Error) -> Self {
        Self::Confine(step.to_owned(), error.raw_os_error().unwrap_or_default())
    }

    /// Reads a report; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.lines().next()?.split_once(' ')?;
        match kind {
            "confine" => {
                let (number, step) = rest.split_once(' ')?;
                Some(Self::Confine(step.to_owned(), number.parse().ok()?))
            }
            "start" => Some(Self::Start(rest.parse().ok()?)),
            "exit" => Some(Self::Exit(rest.parse().ok()?)),
            "signal" => Some(Self::Signal(rest.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confine(step, number) => write!(f, "confine {number} {step}"),
            Self::Start(number) => write!(f, "start {number}"),
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_they_were_written() {
        for report in [
            Report::Confine("mount /proc".to_owned(), 1),
            Report::Start(2),
            Report::Exit(0),
            Report::Signal(9),
        ] {
            assert_eq!(Report::parse(&format!("{report}\n")), Some(report));
        }
        for text in ["", "exit", "exit x", "done 1", "confine 1"] {
            assert_eq!(Report::parse(text), None, "{text}");
        }
    }
}
