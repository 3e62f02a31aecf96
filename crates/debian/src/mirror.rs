use std::fmt;

use flagstone_fetch::Url;

use crate::SourceEntry;

/// One of the archives that Debian keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveKind {
    /// The releases and their updates: usually `…/debian`.
    Main,
    /// The security updates: usually `…/debian-security`.
    Security,
}

impl ArchiveKind {
    /// Returns the word for messages and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Security => "security",
        }
    }
}

impl fmt::Display for ArchiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A suite by its name in the folder `dists`, such as `trixie-updates`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite {
    name: String,
}

impl Suite {
    /// Checks a suite's name; `None` if it is not letters, digits, `.`, `-`, or `/` within.
    pub fn new(name: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphanumeric());
        let shape =
            name.len() <= 64 && name.split('/').all(|part| word(part) && part.bytes().all(plain));
        shape.then(|| Self { name: name.to_owned() })
    }

    /// Returns a release with its updates and security updates: `trixie`, `trixie-updates`,
    /// `trixie-security`.
    pub fn family(codename: &str) -> Option<[Self; 3]> {
        Some([
            Self::new(codename)?,
            Self::new(&format!("{codename}-updates"))?,
            Self::new(&format!("{codename}-security"))?,
        ])
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the archive that has the suite.
    pub fn archive(&self) -> ArchiveKind {
        // "buster/updates" is the form before Debian 11.
        if self.name.ends_with("-security") || self.name.ends_with("/updates") {
            ArchiveKind::Security
        } else {
            ArchiveKind::Main
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where the archives can be had, each with the places to try in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Bases of the main archive.
    pub main: Vec<Url>,
    /// Bases of the security archive.
    pub security: Vec<Url>,
}

/// The names under which Debian's releases appear in `sources.list`.
const FAMILIES: [&str; 13] = [
    "stretch",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

impl Mirrors {
    /// Returns the places of an archive.
    pub fn of(&self, archive: ArchiveKind) -> &[Url] {
        match archive {
            ArchiveKind::Main => &self.main,
            ArchiveKind::Security => &self.security,
        }
    }

    /// Guesses both archives from the base of the main one: the security archive of nearly every
    /// mirror that has one is beside it, as `debian-security`.
    pub fn beside(main: Url) -> Self {
        let text = main.as_str();
        let security = text
            .strip_suffix("/debian")
            .and_then(|parent| format!("{parent}/debian-security").parse().ok());
        Self { security: security.into_iter().collect(), main: vec![main] }
    }

    /// Finds Debian's archives among a machine's apt sources.
    ///
    /// The machine need not run the release that is wanted: an archive holds all releases. Entries
    /// whose path ends with `debian` or `debian-security` are taken; if there is none of a kind,
    /// those with a suite of Debian's and the component `main`. What they serve is checked anyway.
    pub fn from_sources(entries: &[SourceEntry]) -> Self {
        let find = |archive| {
            let of_kind = |strict| {
                let mut urls: Vec<Url> = Vec::new();
                for entry in entries.iter().filter(|entry| serves(entry, archive, strict)) {
                    for uri in entry.uris.iter().filter_map(|uri| uri.parse::<Url>().ok()) {
                        if is_named(&uri, archive, strict) && !urls.contains(&uri) {
                            urls.push(uri);
                        }
                    }
                }
                urls
            };
            let strict = of_kind(true);
            if strict.is_empty() { of_kind(false) } else { strict }
        };
        Self { main: find(ArchiveKind::Main), security: find(ArchiveKind::Security) }
    }
}

/// Tells whether an entry is about suites of an archive of Debian's.
fn serves(entry: &SourceEntry, archive: ArchiveKind, strict: bool) -> bool {
    let ours = |suite: &String| {
        let Some(suite) = Suite::new(suite) else { return false };
        let family = suite.as_str().split(['-', '/']).next().unwrap_or_default();
        let known = ["", "-updates", "-security", "-proposed-updates", "-backports", "/updates"];
        suite.archive() == archive
            && FAMILIES.contains(&family)
            && (strict || known.contains(&&suite.as_str()[family.len()..]))
    };
    entry.enabled
        && entry.types.iter().any(|t| t == "deb")
        && entry.components.iter().any(|c| c == "main")
        && entry.suites.iter().any(ours)
}

fn is_named(url: &Url, archive: ArchiveKind, strict: bool) -> bool {
    let name = match archive {
        ArchiveKind::Main => "debian",
        ArchiveKind::Security => "debian-security",
    };
    !strict || url.file_name() == name
}
