use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use flagstone_debian::{Control, Deb, DebVersion, Mirrors, Relation};
use flagstone_fetch::{Cache, Fetcher, Request};
use flagstone_recipe::{Archive, Lock, LockedPackage, PackageName, Recipe};
use flagstone_rootfs::{PackageArchive, Replaces, RootfsError};
use rayon::prelude::*;

use crate::unpacked::{self, PackageFault, UnpackedDeb};
use crate::word::archive_id;
use crate::{BuildError, Progress, Stage, WorkCache, local_debs};

/// The content of all packages of a lock.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) archives: Vec<PackageArchive>,
    pub(crate) replaces: Vec<Replaces>,
    /// What each package says about itself, by name.
    pub(crate) controls: BTreeMap<String, Control>,
}

/// One package, decompressed.
struct UnpackedOne {
    archive: PackageArchive,
    replaces: Vec<Replaces>,
    control: Control,
}

/// Returns how many packages of a lock are not in the cache, and their bytes.
pub fn missing_packages(cache: &Cache, lock: &Lock) -> (usize, u64) {
    let missing = lock.packages.values().filter(|p| cache.find(&p.sha256, p.size).is_none());
    missing.fold((0, 0), |(count, bytes), package| (count + 1, bytes + package.size))
}

/// Brings every package of a lock into the cache: those of archives, and those beside the recipe.
///
/// # Errors
/// [`BuildError::Fetch`] for the first that cannot be had as it was locked.
pub fn fetch_packages(
    fetcher: &Fetcher,
    mirrors: &Mirrors,
    recipe: &Recipe,
    lock: &Lock,
    jobs: NonZeroUsize,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    progress.stage(Stage::Fetch);
    local_debs::keep(fetcher.cache(), recipe)?;
    let mut requests = Vec::with_capacity(lock.packages.len());
    for (name, package) in &lock.packages {
        if package.archive == Archive::Local {
            continue;
        }
        let urls = mirrors
            .locate(&archive_id(&package.archive)?, package.path.as_str())
            .map_err(|e| BuildError::Fetch(Box::new(e)))?;
        requests.push(Request {
            name: format!("{name} {}", package.version),
            urls,
            size: package.size,
            sha256: package.sha256,
        });
    }
    fetcher
        .fetch_all(&requests, jobs, progress)
        .map(drop)
        .map_err(|e| BuildError::Fetch(Box::new(e)))
}

/// Takes all packages of a lock apart, the largest first, as wide as the thread pool is.
pub(crate) fn unpack(cache: &Cache, work: &WorkCache, lock: &Lock) -> Result<Unpacked, BuildError> {
    let mut by_size: Vec<(&PackageName, &LockedPackage)> = lock.packages.iter().collect();
    by_size.sort_by_key(|(name, package)| (std::cmp::Reverse(package.size), *name));
    let total: u64 = by_size.iter().map(|(_, package)| package.size).sum();
    let unpacked: Vec<UnpackedOne> = by_size
        .par_iter()
        .with_max_len(1)
        .map(|(name, package)| {
            unpack_one(cache, work, lock, name, package, fair_threads(package.size, total))
        })
        .collect::<Result<_, _>>()?;
    let mut all =
        Unpacked { archives: Vec::new(), replaces: Vec::new(), controls: BTreeMap::new() };
    for one in unpacked {
        all.controls.insert(one.archive.name.clone(), one.control);
        all.archives.push(one.archive);
        all.replaces.extend(one.replaces);
    }
    Ok(all)
}

/// Returns how many threads a package's decoder may have: more than one only for a package so large
/// that the others would be done before it.
fn fair_threads(size: u64, total: u64) -> NonZeroUsize {
    let threads = rayon::current_num_threads();
    let share = (u128::from(size) * threads as u128).div_ceil(u128::from(total.max(1)));
    let share = usize::try_from(share).unwrap_or(threads).min(threads);
    NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN)
}

fn unpack_one(
    cache: &Cache,
    work: &WorkCache,
    lock: &Lock,
    name: &PackageName,
    package: &LockedPackage,
    threads: NonZeroUsize,
) -> Result<UnpackedOne, BuildError> {
    let unpacked = match unpacked::find(work, &package.sha256) {
        Some(unpacked) => unpacked,
        None => unpack_deb(cache, work, name, package, threads)?,
    };
    let UnpackedDeb { control, data } = unpacked;
    if control.package.as_str() != name.as_str() {
        return Err(BuildError::OtherPackage {
            expected: name.to_string(),
            actual: control.package.to_string(),
        });
    }
    let replaces = replaced(&control, name, lock)?;
    let conffiles = control.conffiles.clone();
    let archive = PackageArchive { name: name.to_string(), data, conffiles };
    Ok(UnpackedOne { archive, replaces, control })
}

fn unpack_deb(
    cache: &Cache,
    work: &WorkCache,
    name: &PackageName,
    package: &LockedPackage,
    threads: NonZeroUsize,
) -> Result<UnpackedDeb, BuildError> {
    let deb = cache
        .read(&package.sha256, package.size)
        .map_err(|e| BuildError::Fetch(Box::new(e)))?
        .ok_or_else(|| BuildError::NotCached { package: name.to_string() })?;
    let error =
        |source| BuildError::Package { package: name.to_string(), source: Box::new(source) };
    let deb = Deb::parse(&deb).map_err(error)?;
    unpacked::unpack(work, &package.sha256, &deb, threads).map_err(|fault| match fault {
        PackageFault::Deb(source) => error(source),
        PackageFault::Archive(source) => {
            let package = name.to_string();
            BuildError::Rootfs(Box::new(RootfsError::Archive { package, source }))
        }
    })
}

/// Returns which packages of the lock this one may take files from.
fn replaced(
    control: &Control,
    name: &PackageName,
    lock: &Lock,
) -> Result<Vec<Replaces>, BuildError> {
    let Some(field) = control.stanza().get("Replaces").map(str::to_owned) else {
        return Ok(Vec::new());
    };
    let relations = Relation::parse_list(&field).map_err(|source| BuildError::Relation {
        package: name.to_string(),
        source: Box::new(source),
    })?;
    let replaces = relations.iter().filter(|relation| applies(relation, lock));
    Ok(replaces
        .map(|relation| Replaces { package: name.to_string(), replaced: relation.name.to_string() })
        .collect())
}

/// Tells whether a relation is about a package of the lock in the version that is locked.
fn applies(relation: &Relation, lock: &Lock) -> bool {
    let Ok(name) = relation.name.as_str().parse::<PackageName>() else { return false };
    let Some(locked) = lock.packages.get(&name) else { return false };
    match (&relation.constraint, locked.version.as_str().parse::<DebVersion>()) {
        (None, _) => true,
        (Some(constraint), Ok(version)) => constraint.allows(&version),
        (Some(_), Err(_)) => false,
    }
}
