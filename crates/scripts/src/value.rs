use std::fmt;

/// The longest text that is followed.
const TEXT_MAX: usize = 16 << 10;

/// What is known of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// All of it.
    Known(String),
    /// How it begins.
    Prefix(String),
    /// The name of a temporary file or directory that the script made, or no name.
    Temporary,
    /// Nothing.
    Unknown,
}

impl Value {
    /// Returns the text if all of it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            Self::Prefix(_) | Self::Temporary | Self::Unknown => None,
        }
    }

    /// Returns the text that it is or begins with.
    pub fn beginning(&self) -> Option<&str> {
        match self {
            Self::Known(text) | Self::Prefix(text) => Some(text),
            Self::Temporary | Self::Unknown => None,
        }
    }

    /// Returns what is known of two texts one after the other.
    pub(crate) fn then(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(mut text), Self::Known(more)) if text.len() + more.len() <= TEXT_MAX => {
                text.push_str(more);
                Self::Known(text)
            }
            (Self::Known(text), Self::Temporary) if text.is_empty() => Self::Temporary,
            (Self::Known(mut text), Self::Prefix(more)) if text.len() + more.len() <= TEXT_MAX => {
                text.push_str(more);
                Self::Prefix(text)
            }
            // A file beside or below a temporary one.
            (Self::Temporary, _) => Self::Temporary,
            (Self::Known(text) | Self::Prefix(text), _) if !text.is_empty() => Self::Prefix(text),
            _ => Self::Unknown,
        }
    }

    /// Returns what holds of both.
    pub(crate) fn or(&self, other: &Self) -> Self {
        match (self, other) {
            _ if self == other => self.clone(),
            // A name that a temporary file gets later: no name is no file.
            (Self::Temporary, Self::Known(text)) | (Self::Known(text), Self::Temporary)
                if text.is_empty() =>
            {
                Self::Temporary
            }
            _ => Self::Unknown,
        }
    }
}

/// One word of a command, expanded as far as that is possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Argument {
    /// What is known of it.
    pub value: Value,
    /// For people: the value, or what stands in the script.
    pub text: String,
    /// Whether the script may have made the file of this name.
    pub made: bool,
}

impl Argument {
    pub(crate) fn new(value: Value, text: impl Into<String>) -> Self {
        Self { value, text: text.into(), made: false }
    }

    pub(crate) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(Value::Known(text.clone()), text)
    }

    pub(crate) fn unknown(text: impl Into<String>) -> Self {
        Self::new(Value::Unknown, text)
    }

    /// Returns the text if all of it is known.
    pub fn as_known(&self) -> Option<&str> {
        self.value.known()
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%^~$(){}*?\"'[]!".contains(c);
        let unknown = self.value.known().is_none();
        if unknown || (!self.text.is_empty() && self.text.chars().all(bare)) {
            f.write_str(&self.text)
        } else {
            write!(f, "'{}'", self.text)
        }
    }
}

/// What is known of a condition.
///
/// A script asks for what it is about to make: a file, an account. On a system that has only what
/// packages ship, nothing of it is there, unless a finisher was first; then making it again changes
/// nothing. So the way to "make it" counts as taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    False,
    /// False where only files of packages exist.
    Doubted,
    /// False where only accounts of packages exist; another script may have made it before.
    Missing,
    Unknown,
    /// The opposite of missing.
    Lacking,
    /// The opposite of doubted.
    Presumed,
    True,
}

impl Truth {
    pub(crate) fn of(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::Presumed => Self::Doubted,
            Self::Lacking => Self::Missing,
            Self::Unknown => Self::Unknown,
            Self::Missing => Self::Lacking,
            Self::Doubted => Self::Presumed,
            Self::False => Self::True,
        }
    }

    /// Returns how likely the way is on which the condition holds.
    pub(crate) fn chance(self) -> Chance {
        match self {
            Self::True | Self::Presumed | Self::Lacking => Chance::Certain,
            Self::Unknown | Self::Missing => Chance::Possible,
            Self::Doubted | Self::False => Chance::Improbable,
        }
    }
}

/// How likely a first installation runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chance {
    /// Only if there is something that no package of the image brings.
    Improbable,
    /// That depends on what is not known here.
    Possible,
    /// Always, unless its work is done already.
    Certain,
}
