use std::fmt;

/// What a key may be relied on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Made on a developer's machine, without any care about who else may read it.
    Development,
    /// Made to sign releases.
    Release,
}

impl KeyKind {
    /// Returns the words that stand for it in files.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Development => "development key",
            Self::Release => "release key",
        }
    }

    pub(crate) fn from_words(words: &str) -> Option<Self> {
        [Self::Development, Self::Release].into_iter().find(|kind| kind.words() == words)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
