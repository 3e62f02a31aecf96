use std::collections::BTreeMap;
use std::fmt;

use flagstone_fetch::Url;

use crate::{RepositoryName, SourceEntry};

/// An archive that packages come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveId {
    /// Debian's releases and their updates: usually `…/debian`.
    Main,
    /// Debian's security updates: usually `…/debian-security`.
    Security,
    /// A repository of somebody else's.
    Repository(RepositoryName),
    /// None: the package is a file beside the recipe.
    Local,
}

impl ArchiveId {
    /// Returns the word for messages and files.
    pub fn name(&self) -> &str {
        match self {
            Self::Main => "main",
            Self::Security => "security",
            Self::Repository(name) => name.as_str(),
            Self::Local => "local",
        }
    }

    /// Tells whether it is one of Debian's own.
    pub const fn is_debian(&self) -> bool {
        matches!(self, Self::Main | Self::Security)
    }
}

impl fmt::Display for ArchiveId {
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
    pub fn archive(&self) -> ArchiveId {
        // "buster/updates" is the form before Debian 11.
        if self.name.ends_with("-security") || self.name.ends_with("/updates") {
            ArchiveId::Security
        } else {
            ArchiveId::Main
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
    /// Bases of other repositories.
    pub repositories: BTreeMap<RepositoryName, Vec<Url>>,
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
    pub fn of(&self, archive: &ArchiveId) -> &[Url] {
        match archive {
            ArchiveId::Main => &self.main,
            ArchiveId::Security => &self.security,
            ArchiveId::Repository(name) => self.repositories.get(name).map_or(&[], Vec::as_slice),
            ArchiveId::Local => &[],
        }
    }

    /// Guesses both archives from the base of the main one: the security archive of nearly every
    /// mirror that has one is beside it, as `debian-security`.
    pub fn beside(main: Url) -> Self {
        let text = main.as_str();
        let security = text
            .strip_suffix("/debian")
            .and_then(|parent| format!("{parent}/debian-security").parse().ok());
        Self { security: security.into_iter().collect(), main: vec![main], ..Self::default() }
    }

    /// Finds Debian's archives among a machine's apt sources.
    ///
    /// The machine need not run the release that is wanted: an archive holds all releases. Entries
    /// whose path ends with `debian` or `debian-security` are taken; if there is none of a kind,
    /// those with a suite of Debian's and the component `main`. What they serve is checked anyway.
    pub fn from_sources(entries: &[SourceEntry]) -> Self {
        let find = |archive: &ArchiveId, folder: &str| {
            let of_kind = |strict| {
                let mut urls: Vec<Url> = Vec::new();
                for entry in entries.iter().filter(|entry| serves(entry, archive, strict)) {
                    for uri in entry.uris.iter().filter_map(|uri| uri.parse::<Url>().ok()) {
                        if (!strict || uri.file_name() == folder) && !urls.contains(&uri) {
                            urls.push(uri);
                        }
                    }
                }
                urls
            };
            let strict = of_kind(true);
            if strict.is_empty() { of_kind(false) } else { strict }
        };
        let (main, security) =
            (find(&ArchiveId::Main, "debian"), find(&ArchiveId::Security, "debian-security"));
        Self { main, security, ..Self::default() }
    }
}

/// Tells whether an entry is about suites of an archive of Debian's.
fn serves(entry: &SourceEntry, archive: &ArchiveId, strict: bool) -> bool {
    let ours = |suite: &String| {
        let Some(suite) = Suite::new(suite) else { return false };
        let family = suite.as_str().split(['-', '/']).next().unwrap_or_default();
        let known = ["", "-updates", "-security", "-proposed-updates", "-backports", "/updates"];
        suite.archive() == *archive
            && FAMILIES.contains(&family)
            && (strict || known.contains(&&suite.as_str()[family.len()..]))
    };
    entry.enabled
        && entry.types.iter().any(|t| t == "deb")
        && entry.components.iter().any(|c| c == "main")
        && entry.suites.iter().any(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_sources;

    fn find(text: &str) -> (Vec<String>, Vec<String>) {
        let deb822 = text.contains("URIs:");
        let mirrors = Mirrors::from_sources(&parse_sources(text, deb822));
        let texts = |urls: Vec<Url>| urls.iter().map(ToString::to_string).collect();
        (texts(mirrors.main), texts(mirrors.security))
    }

    #[test]
    fn a_debian_machine_has_both_archives() {
        let stanzas = "Types: deb\n# a comment\nURIs: http://m.test/debian/\n\
                       Suites: bookworm bookworm-updates\nComponents: main\n\n\
                       Types: deb\nURIs: http://m.test/debian-security\n\
                       Suites: bookworm-security\nComponents: main\n";
        let lines = "deb http://m.test/debian bookworm main contrib\n\
                     deb-src http://m.test/src/debian bookworm main\n\
                     deb [arch=amd64 signed-by=/x y] http://m.test/debian-security bookworm-security main # z\n";
        let expected =
            (vec!["http://m.test/debian".into()], vec!["http://m.test/debian-security".into()]);
        assert_eq!(find(stanzas), expected);
        assert_eq!(find(lines), expected);
    }

    #[test]
    fn archives_of_others_are_not_taken() {
        let text = "deb http://o.test/linux/debian bookworm stable\n\
                    deb http://o.test/apt bookworm-pgdg main\n\
                    deb http://o.test/ubuntu jammy main\n\
                    deb http://o.test/node nodistro main\n\
                    deb cdrom:[Debian]/ bookworm main\n\
                    # deb http://o.test/debian bookworm main\n";
        assert_eq!(find(text), (vec![], vec![]));
        let off = "Types: deb\nURIs: http://m.test/debian\nSuites: trixie\nComponents: main\nEnabled: no\n";
        assert_eq!(find(off).0, Vec::<String>::new());
    }

    #[test]
    fn a_mirror_under_another_name_is_taken_if_there_is_no_better_one() {
        let other = "deb http://m.test/cache/debian-remote trixie main\n";
        assert_eq!(find(other).0, ["http://m.test/cache/debian-remote"]);
        let both = format!("{other}deb http://m.test/debian trixie-backports main\n");
        assert_eq!(find(&both).0, ["http://m.test/debian"]);
    }

    #[test]
    fn suites_know_their_archive() {
        for (name, archive) in [
            ("trixie", Some(ArchiveId::Main)),
            ("trixie-updates", Some(ArchiveId::Main)),
            ("trixie-security", Some(ArchiveId::Security)),
            ("buster/updates", Some(ArchiveId::Security)),
            ("", None),
            ("../x", None),
            ("/x", None),
            ("x/", None),
            ("Trixie", None),
        ] {
            assert_eq!(Suite::new(name).map(|suite| suite.archive()), archive, "{name}");
        }
    }

    #[test]
    fn the_security_archive_is_beside_the_main_one() {
        let beside = |text: &str| Mirrors::beside(text.parse().unwrap()).security;
        assert_eq!(beside("http://m.test/debian")[0].as_str(), "http://m.test/debian-security");
        assert_eq!(beside("http://m.test/other"), []);
    }
}
