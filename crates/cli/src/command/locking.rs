use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use flagstone_build::{
    LockRequest, Moves, ScriptsReport, fetch_packages, make_lock, missing_packages, survey_scripts,
};
use flagstone_debian::Keyring;
use flagstone_recipe::{Lock, PackageName, Recipe, lock_path};

use crate::progress::Reporter;
use crate::report;
use crate::sources::{self, Sources};

/// A lock has a line of about 200 bytes a package; no recipe comes near this.
const LOCK_MAX: u64 = 64 << 20;

/// Reads the lock at a path, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<Lock>> {
    let shown = path.display().to_string();
    let text = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LOCK_MAX => {
            anyhow::bail!("{shown} is too large to be a lock");
        }
        Ok(_) => fs::read(path).with_context(|| format!("failed to read {shown}"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("failed to read {shown}")),
    };
    Ok(Some(Lock::parse(&shown, &text)?))
}

/// Reads the lock of a recipe; makes it first, if there is none, with the versions of `old` where they fit.
pub(crate) fn read_or_make(
    reference: &str,
    recipe: &Recipe,
    old: Option<&Lock>,
    sources: &Sources,
    progress: &Reporter,
) -> Result<Lock> {
    let path = lock_path(reference, recipe.retarget);
    if let Some(lock) = read(&path)? {
        return Ok(lock);
    }
    report::say(&format!("there is no lock {} yet: making it", path.display()));
    // The build reports on the scripts, too.
    let (lock, _) = make(recipe, old, moves(None), sources, progress)?;
    write(&path, &lock)?;
    Ok(lock)
}

/// Resolves a recipe, brings its packages into the cache, and looks through their scripts.
pub(crate) fn make(
    recipe: &Recipe,
    old: Option<&Lock>,
    moves: Moves,
    sources: &Sources,
    progress: &Reporter,
) -> Result<(Lock, ScriptsReport)> {
    let request = LockRequest {
        recipe,
        old,
        moves,
        mirrors: &sources.mirrors,
        keyring: &Keyring::debian(),
        now: sources::now(),
    };
    let mut lock = make_lock(&sources.fetcher, &request, progress)?;
    let report = survey(recipe, &lock, sources, progress)?;
    progress.finish();
    lock.scripts = report.accepted();
    Ok((lock, report))
}

/// Looks through the scripts of a lock's packages, which are fetched if they are not in the cache.
pub(crate) fn survey(
    recipe: &Recipe,
    lock: &Lock,
    sources: &Sources,
    progress: &Reporter,
) -> Result<ScriptsReport> {
    fetch(recipe, lock, sources, progress)?;
    let cache = sources.fetcher.cache();
    Ok(survey_scripts(cache, &sources.work, recipe, lock, sources.jobs, progress)?)
}

/// Brings the packages of a lock into the cache.
pub(crate) fn fetch(
    recipe: &Recipe,
    lock: &Lock,
    sources: &Sources,
    progress: &Reporter,
) -> Result<()> {
    let (missing, bytes) = missing_packages(sources.fetcher.cache(), lock);
    if missing > 0 {
        progress.expect_bytes(bytes);
        let Sources { fetcher, mirrors, jobs, .. } = sources;
        fetch_packages(fetcher, mirrors, recipe, lock, *jobs, progress)?;
    }
    Ok(())
}

/// Writes a lock whole, or leaves the old one as it was.
pub(crate) fn write(path: &Path, lock: &Lock) -> Result<()> {
    let shown = path.display();
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".flagstone-").tempfile_in(dir)?;
        file.write_all(lock.render().as_bytes())?;
        file.as_file().sync_all()?;
        // A temporary file is private; a lock is as readable as any file of the user's.
        let mode = fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {shown}"))
}

/// Turns the words after `--update` into what may move.
pub(crate) fn moves(update: Option<&[PackageName]>) -> Moves {
    match update {
        None => Moves::Needed,
        Some([]) => Moves::All,
        Some(names) => Moves::Only(names.iter().cloned().collect::<BTreeSet<_>>()),
    }
}
