use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use flagstone_artifact::{Architecture, ParseError, Sha256Digest};

use crate::decode::Word;
use crate::{
    DebArchitecture, PackageName, PackageVersion, PoolPath, Recipe, RepositoryName, ScriptName,
    SuiteName, Timestamp, Why,
};

/// What a recipe was resolved to: all that a build reads from the outside, by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// [`Recipe::lock_inputs`] of the recipe that was resolved.
    pub inputs: Sha256Digest,
    /// The image's architecture.
    pub architecture: Architecture,
    /// The build's one clock: the newest date of the suites.
    pub date: Timestamp,
    /// The suites that were read, each of an archive; at least one.
    pub suites: BTreeMap<(Archive, SuiteName), LockedSuite>,
    /// Every package of the image.
    pub packages: BTreeMap<PackageName, LockedPackage>,
    /// Digests of the maintainer scripts that were looked at and accepted as covered.
    pub scripts: BTreeMap<(PackageName, ScriptName), Sha256Digest>,
}

/// One suite as it was when the lock was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedSuite {
    /// Digest of its signed Release file.
    pub release: Sha256Digest,
    /// The Release file's date.
    pub date: Timestamp,
    /// Until when the Release file may be believed, if it says so.
    pub valid_until: Option<Timestamp>,
}

/// One package, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its version.
    pub version: PackageVersion,
    /// Its architecture.
    pub architecture: DebArchitecture,
    /// The archive that holds it.
    pub archive: Archive,
    /// Where in the archive.
    pub path: PoolPath,
    /// The size of the `.deb`, in bytes.
    pub size: u64,
    /// The digest of the `.deb`.
    pub sha256: Sha256Digest,
    /// Why it is here, for people.
    pub why: Why,
}

/// Where packages come from; which mirror serves it is not a lock's concern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Archive {
    /// The distribution's archive proper.
    Main,
    /// The distribution's archive of security updates.
    Security,
    /// A repository that the recipe names.
    Repository(RepositoryName),
    /// A file beside the recipe.
    Local,
}

impl Archive {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^[a-z][a-z0-9-]{0,31}$";

    /// Returns the id in locks.
    pub fn id(&self) -> &str {
        match self {
            Self::Main => "main",
            Self::Security => "security",
            Self::Repository(name) => name.as_str(),
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Archive {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "main" => Ok(Self::Main),
            "security" => Ok(Self::Security),
            "local" => Ok(Self::Local),
            _ => text.parse().map(Self::Repository).map_err(|_| ParseError {
                text: text.to_owned(),
                what: "an archive",
                rule: "it is \"main\", \"security\", \"local\" or the name of a repository",
            }),
        }
    }
}

impl Word for Archive {}

#[cfg(test)]
crate::schema::text_schema!(Archive, "an archive", Archive::PATTERN);

/// Why a lock cannot be used for a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock {}", self.what())]
pub struct StaleLock {
    /// [`Recipe::lock_inputs`] now.
    pub expected: Sha256Digest,
    /// What the lock was made for.
    pub actual: Sha256Digest,
    /// Requested packages that the lock does not have.
    pub missing: Vec<PackageName>,
}

impl StaleLock {
    fn what(&self) -> String {
        if self.missing.is_empty() {
            return "was made for other packages, other suites or another architecture".to_owned();
        }
        let names: Vec<&str> = self.missing.iter().map(PackageName::as_str).collect();
        format!("lacks packages that the recipe asks for: {}", names.join(", "))
    }

    /// Returns what the user can do.
    pub fn hint(&self) -> Option<String> {
        Some("run `flagstone lock` to bring it up to date".to_owned())
    }
}

impl Lock {
    /// Returns what leads to a package: itself, the one that needs it, and so on to one that was
    /// requested. Empty if the lock does not have it.
    pub fn why(&self, name: &PackageName) -> Vec<&PackageName> {
        let mut steps: Vec<&PackageName> = Vec::new();
        let mut next = self.packages.get_key_value(name);
        while let Some((name, package)) = next.filter(|(name, _)| !steps.contains(name)) {
            steps.push(name);
            next = package.why.needed_by().and_then(|by| self.packages.get_key_value(&by));
        }
        steps
    }

    /// Checks that the lock was made for what `recipe` asks for, and has it.
    ///
    /// # Errors
    /// [`StaleLock`] if the recipe has asked for something else since.
    pub fn check(&self, recipe: &Recipe) -> Result<(), StaleLock> {
        let expected = recipe.lock_inputs();
        let requested = recipe.requested().into_iter();
        let missing: Vec<PackageName> =
            requested.filter(|name| !self.packages.contains_key(*name)).cloned().collect();
        if self.inputs == expected && missing.is_empty() {
            return Ok(());
        }
        Err(StaleLock { expected, actual: self.inputs, missing })
    }
}
