use std::collections::{BTreeMap, BTreeSet};

use flagstone_debian::{
    Archive, ArchiveRequest, Candidate, Keyring, Mirrors, Pin, ReleaseRecord, Request, Solution,
    Suite, SuiteRequest, Universe, resolve,
};
use flagstone_fetch::Fetcher;
use flagstone_recipe::{
    Archive as LockedArchive, Component, Lock, LockedPackage, LockedSuite, PackageName, Recipe,
    SuiteName, Timestamp,
};

use crate::word::{archive, archive_id, word};
use crate::{BuildError, Progress, Stage, local_debs};

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
    let archive = load_archive(fetcher, request, progress)?;
    progress.stage(Stage::Resolve);
    let wanted = wanted(request, &archive.universe)?;
    let solution =
        resolve(&archive.universe, &wanted).map_err(|e| BuildError::Resolve(Box::new(e)))?;
    local_debs::keep(fetcher.cache(), request.recipe)?;
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

/// Loads what all archives of a recipe offer, and the packages in files beside it.
pub(crate) fn load_archive(
    fetcher: &Fetcher,
    request: &LockRequest<'_>,
    progress: &dyn Progress,
) -> Result<Archive, BuildError> {
    progress.stage(Stage::Index);
    let recipe = request.recipe;
    let names = |components: &[Component]| -> Vec<String> {
        components.iter().map(ToString::to_string).collect()
    };
    let own = names(&recipe.source.components);
    let mut others = Vec::new();
    for (name, repository) in &recipe.selection.repositories {
        let keyring = Keyring::parse(&repository.key.content).map_err(|source| {
            let path = repository.key.path.clone();
            BuildError::RepositoryKey { path, source: Box::new(source) }
        })?;
        others.push((name, repository, names(&repository.components), keyring));
    }
    // Of equal versions the first suite's is taken, and the release itself is kept longest.
    let mut suites = Vec::new();
    for suite in &recipe.source.suites {
        let (archive, suite) = (archive_id(&suite.archive)?, suite_name(&suite.name)?);
        suites.push(SuiteRequest { archive, suite, components: &own, keyring: request.keyring });
    }
    for (name, repository, components, keyring) in &others {
        let archive = archive_id(&LockedArchive::Repository((*name).clone()))?;
        let suite = suite_name(&repository.suite)?;
        suites.push(SuiteRequest { archive, suite, components, keyring });
    }
    let load = ArchiveRequest {
        mirrors: request.mirrors,
        suites: &suites,
        architecture: recipe.image.architecture,
        now: request.now,
    };
    let mut archive =
        Archive::load(fetcher, &load, progress).map_err(|e| BuildError::Archive(Box::new(e)))?;
    local_debs::offer(&mut archive.universe, recipe)?;
    Ok(archive)
}

fn suite_name(name: &SuiteName) -> Result<Suite, BuildError> {
    Suite::new(name.as_str()).ok_or_else(|| BuildError::Word(name.to_string()))
}

/// Turns a recipe, and the lock that was there, into what the resolver is asked for.
pub(crate) fn wanted(
    request: &LockRequest<'_>,
    universe: &Universe,
) -> Result<Request, BuildError> {
    let selection = &request.recipe.selection;
    let mut wanted = Request { recommends: selection.recommends, ..Request::default() };
    for name in request.recipe.requested() {
        wanted.packages.push(word(name.as_str())?);
    }
    for name in universe.local_names() {
        let name = word(name)?;
        if !wanted.packages.contains(&name) {
            wanted.packages.push(name);
        }
    }
    for name in &request.recipe.exclude {
        wanted.excluded.insert(word(name.as_str())?);
    }
    for (name, pin) in &selection.pins {
        let pin = Pin {
            version: pin.version.as_ref().map(|version| word(version.as_str())).transpose()?,
            suite: pin.suite.as_ref().map(ToString::to_string),
            repository: pin.repository.as_ref().map(|name| word(name.as_str())).transpose()?,
        };
        wanted.pins.insert(word(name.as_str())?, pin);
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

fn suites(
    releases: &[ReleaseRecord],
) -> Result<BTreeMap<(LockedArchive, SuiteName), LockedSuite>, BuildError> {
    let mut suites = BTreeMap::new();
    for release in releases {
        let suite = LockedSuite {
            release: release.sha256,
            date: moment(release.date)?,
            valid_until: release.valid_until.map(moment).transpose()?,
        };
        suites.insert((archive(&release.archive)?, word(release.suite.as_str())?), suite);
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
            archive: archive(candidate.archive())?,
            path: word(candidate.filename())?,
            size: candidate.size(),
            sha256: candidate.sha256(),
            why: word(&solved.why.to_string())?,
        };
        packages.insert(word(name.as_str())?, package);
    }
    Ok(packages)
}

fn moment(seconds: i64) -> Result<Timestamp, BuildError> {
    Timestamp::from_unix_seconds(seconds).ok_or_else(|| BuildError::Word(seconds.to_string()))
}
