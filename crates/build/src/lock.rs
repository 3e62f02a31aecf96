use std::collections::{BTreeMap, BTreeSet};

use flagstone_debian::{
    Archive, ArchiveKind, ArchiveRequest, Candidate, Keyring, Mirrors, ReleaseRecord, Request,
    Solution, Suite, resolve,
};
use flagstone_fetch::Fetcher;
use flagstone_recipe::{
    Archive as LockedArchive, Lock, LockedPackage, LockedSuite, PackageName, Recipe, SuiteName,
    Timestamp,
};

use crate::{BuildError, Progress, Stage};

/// Which locked packages may move to another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moves {
    /// None that still satisfies the recipe and is still offered.
    Needed,
    /// All.
    All,
    /// These.
    Only(BTreeSet<PackageName>),
}

/// What a lock is made from.
#[derive(Debug)]
pub struct LockRequest<'a> {
    /// What the image shall be.
    pub recipe: &'a Recipe,
    /// The lock that was there.
    pub old: Option<&'a Lock>,
    /// What of it may move.
    pub moves: Moves,
    /// Where the archives can be had.
    pub mirrors: &'a Mirrors,
    /// The keys that the archives are trusted by.
    pub keyring: &'a Keyring,
    /// The time, in seconds since 1970-01-01 UTC.
    pub now: i64,
}

/// Resolves a recipe against what the archives offer now.
///
/// # Errors
/// [`BuildError`] if an archive cannot be read or trusted, or no set of packages fits.
pub fn make_lock(
    fetcher: &Fetcher,
    request: &LockRequest<'_>,
    progress: &dyn Progress,
) -> Result<Lock, BuildError> {
    progress.stage(Stage::Index);
    let archive = load_archive(fetcher, request, progress)?;
    progress.stage(Stage::Resolve);
    let wanted = wanted(request)?;
    let solution =
        resolve(&archive.universe, &wanted).map_err(|e| BuildError::Resolve(Box::new(e)))?;
    let suites = suites(&archive.releases)?;
    let date = suites.values().map(|suite| suite.date).max().ok_or(BuildError::NoSuites)?;
    Ok(Lock {
        inputs: request.recipe.lock_inputs(),
        architecture: request.recipe.image.architecture,
        date,
        suites,
        packages: packages(&archive, &solution)?,
        scripts: BTreeMap::new(),
    })
}

fn load_archive(
    fetcher: &Fetcher,
    request: &LockRequest<'_>,
    progress: &dyn Progress,
) -> Result<Archive, BuildError> {
    let source = &request.recipe.source;
    let mut suites = Vec::new();
    for suite in &source.suites {
        let name = suite.name.as_str();
        suites.push(Suite::new(name).ok_or_else(|| BuildError::Word(name.to_owned()))?);
    }
    // Of equal versions the first suite's is taken, and the release itself is kept longest.
    let components: Vec<String> = source.components.iter().map(ToString::to_string).collect();
    let load = ArchiveRequest {
        mirrors: request.mirrors,
        suites: &suites,
        components: &components,
        architecture: request.recipe.image.architecture,
        keyring: request.keyring,
        now: request.now,
    };
    Archive::load(fetcher, &load, progress).map_err(|e| BuildError::Archive(Box::new(e)))
}

fn wanted(request: &LockRequest<'_>) -> Result<Request, BuildError> {
    let mut wanted = Request::default();
    for name in request.recipe.requested() {
        wanted.packages.push(word(name.as_str())?);
    }
    for name in &request.recipe.exclude {
        wanted.excluded.insert(word(name.as_str())?);
    }
    if let Some(old) = request.old {
        for (name, package) in &old.packages {
            let moves = match &request.moves {
                Moves::Needed => false,
                Moves::All => true,
                Moves::Only(names) => names.contains(name),
            };
            if !moves {
                wanted.keep.insert(word(name.as_str())?, word(package.version.as_str())?);
            }
        }
    }
    Ok(wanted)
}

fn suites(releases: &[ReleaseRecord]) -> Result<BTreeMap<SuiteName, LockedSuite>, BuildError> {
    let mut suites = BTreeMap::new();
    for release in releases {
        let suite = LockedSuite {
            archive: archive(release.suite.archive()),
            release: release.sha256,
            date: moment(release.date)?,
            valid_until: release.valid_until.map(moment).transpose()?,
        };
        suites.insert(word(release.suite.as_str())?, suite);
    }
    Ok(suites)
}

fn packages(
    from: &Archive,
    solution: &Solution,
) -> Result<BTreeMap<PackageName, LockedPackage>, BuildError> {
    let mut packages = BTreeMap::new();
    for (name, solved) in &solution.packages {
        let candidate: Candidate<'_> = from.universe.get(solved.id);
        let package = LockedPackage {
            version: word(candidate.version())?,
            architecture: word(candidate.architecture())?,
            archive: archive(candidate.archive()),
            path: word(candidate.filename())?,
            size: candidate.size(),
            sha256: candidate.sha256(),
            why: word(&solved.why.to_string())?,
        };
        packages.insert(word(name.as_str())?, package);
    }
    Ok(packages)
}

fn archive(kind: ArchiveKind) -> LockedArchive {
    match kind {
        ArchiveKind::Main => LockedArchive::Main,
        ArchiveKind::Security => LockedArchive::Security,
    }
}

fn moment(seconds: i64) -> Result<Timestamp, BuildError> {
    Timestamp::from_unix_seconds(seconds).ok_or_else(|| BuildError::Word(seconds.to_string()))
}

/// Turns one crate's word into another's; both grammars are Debian's.
fn word<T: std::str::FromStr>(text: &str) -> Result<T, BuildError> {
    text.parse().map_err(|_| BuildError::Word(text.to_owned()))
}
