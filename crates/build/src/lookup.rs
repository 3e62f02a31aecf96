//! Why a package is not part of a lock.

use std::collections::BTreeSet;

use flagstone_debian::{
    DebVersion, PackageName, Request, ResolveError, Solution, Universe, VersionPattern, resolve,
};
use flagstone_fetch::Fetcher;
use flagstone_recipe::Lock;

use crate::lock::{load_archive, wanted};
use crate::word::word;
use crate::{BuildError, LockRequest, Progress, Stage};

/// A package that somebody misses, perhaps in a version: `openssl`, `openssl=3.6*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: PackageName,
    /// Its version, or how it starts.
    pub version: Option<VersionPattern>,
}

impl std::str::FromStr for Wanted {
    type Err = flagstone_debian::GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, version) = match text.split_once('=') {
            Some((name, version)) => (name, Some(version.parse()?)),
            None => (text, None),
        };
        Ok(Self { name: name.parse()?, version })
    }
}

/// Why a package is not part of a lock, the first that applies.
#[derive(Debug)]
pub enum Absence {
    /// It is there, in this version.
    Present {
        /// The version.
        version: String,
    },
    /// The recipe excludes it.
    Excluded {
        /// The packages that would need it.
        needed_by: BTreeSet<PackageName>,
    },
    /// No archive offers the version.
    NotOffered {
        /// The versions that there are.
        offers: Vec<String>,
    },
    /// It could not be added.
    Impossible(ResolveError),
    /// Another version is there, and has to move for it.
    OtherVersion {
        /// The version that is locked.
        locked: String,
        /// The version that would come.
        offered: String,
        /// What else would change: `+ name version`, `- name version`, `~ name old → new`.
        changes: Vec<String>,
    },
    /// Nothing asks for it.
    NotAsked {
        /// The version that would come.
        offered: String,
        /// Packages of the lock that recommend it.
        recommended_by: BTreeSet<PackageName>,
        /// What else would change: `+ name version`, `- name version`, `~ name old → new`.
        changes: Vec<String>,
    },
}

/// Tells why a package is not part of a recipe's lock, by asking what adding it would do.
///
/// `request.old` is the lock; without one, the one that would be made now.
///
/// # Errors
/// [`BuildError`] if an archive cannot be read or trusted, or the recipe has no solution itself.
pub fn why_not(
    fetcher: &Fetcher,
    request: &LockRequest<'_>,
    missing: &Wanted,
    progress: &dyn Progress,
) -> Result<Absence, BuildError> {
    let universe = load_archive(fetcher, request, progress)?.universe;
    progress.stage(Stage::Resolve);
    let now = wanted(request, &universe)?;
    let failed = |e| BuildError::Resolve(Box::new(e));
    let is_wanted = |version: &str| missing.version.as_ref().is_none_or(|v| v.allows(version));
    let locked = locked_version(request.old, &missing.name)?;
    if let Some(version) = locked.as_ref().filter(|version| is_wanted(version.as_str())) {
        return Ok(Absence::Present { version: version.to_string() });
    }
    if now.excluded.contains(missing.name.as_str()) {
        let mut solution = resolve(&universe, &now).map_err(failed)?;
        let needed_by = solution.absent.remove(missing.name.as_str()).unwrap_or_default();
        return Ok(Absence::Excluded { needed_by });
    }
    if missing.version.is_some() {
        let offers = || universe.versions(missing.name.as_str()).map(|c| c.version());
        if offers().next().is_some() && !offers().any(is_wanted) {
            let offers = offers().map(str::to_owned).collect();
            return Ok(Absence::NotOffered { offers });
        }
    }
    let with = match resolve(&universe, &adding(&now, missing)) {
        Ok(solution) => solution,
        Err(error) => return Ok(Absence::Impossible(error)),
    };
    let without = resolve(&universe, &now).map_err(failed)?;
    let version = |solution: &Solution| {
        let solved = solution.packages.get(missing.name.as_str())?;
        Some(universe.get(solved.id).version().to_owned())
    };
    let changes = changes(&universe, &without, &with, &missing.name);
    let offered = version(&with).unwrap_or_default();
    Ok(match version(&without) {
        Some(version) if is_wanted(&version) => Absence::Present { version },
        Some(locked) => Absence::OtherVersion { locked, offered, changes },
        None => {
            let recommended_by = recommended_by(&universe, &without, &missing.name)?;
            Absence::NotAsked { offered, recommended_by, changes }
        }
    })
}

fn locked_version(
    lock: Option<&Lock>,
    name: &PackageName,
) -> Result<Option<DebVersion>, BuildError> {
    let Some(lock) = lock else { return Ok(None) };
    let package = lock.packages.get(&word::<flagstone_recipe::PackageName>(name.as_str())?);
    package.map(|package| word(package.version.as_str())).transpose()
}

/// Returns the request with one more package.
fn adding(now: &Request, missing: &Wanted) -> Request {
    let mut with = now.clone();
    if !with.packages.contains(&missing.name) {
        with.packages.push(missing.name.clone());
    }
    if let Some(version) = &missing.version {
        with.keep.remove(&missing.name);
        with.pins.entry(missing.name.clone()).or_default().version = Some(version.clone());
    }
    with
}

fn changes(
    universe: &Universe,
    old: &Solution,
    new: &Solution,
    except: &PackageName,
) -> Vec<String> {
    let names: BTreeSet<&PackageName> = old.packages.keys().chain(new.packages.keys()).collect();
    let version = |solution: &Solution, name: &PackageName| {
        solution.packages.get(name).map(|solved| universe.get(solved.id).version().to_owned())
    };
    let change = |name: &PackageName| match (version(old, name), version(new, name)) {
        (Some(old), None) => Some(format!("- {name} {old}")),
        (None, Some(new)) => Some(format!("+ {name} {new}")),
        (Some(old), Some(new)) if old != new => Some(format!("~ {name} {old} → {new}")),
        _ => None,
    };
    names.into_iter().filter(|name| *name != except).filter_map(change).collect()
}

fn recommended_by(
    universe: &Universe,
    solution: &Solution,
    name: &PackageName,
) -> Result<BTreeSet<PackageName>, BuildError> {
    let mut by = BTreeSet::new();
    for (other, solved) in &solution.packages {
        let recommends = universe.get(solved.id).recommends();
        let recommends = recommends.map_err(|source| BuildError::Relation {
            package: other.to_string(),
            source: Box::new(source),
        })?;
        let mut relations = recommends.iter().flat_map(|wish| &wish.alternatives);
        if relations.any(|relation| relation.name == *name) {
            by.insert(other.clone());
        }
    }
    Ok(by)
}
