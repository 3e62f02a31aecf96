//! Packages in files beside the recipe.
//!
//! A lock names them by digest like all others. They go into the cache when the lock is made, and
//! again before a build, so that nothing later has to tell them from packages of an archive.

use std::fmt::Write as _;

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;
use flagstone_debian::{ArchiveId, Deb, Origin, Universe};
use flagstone_fetch::Cache;
use flagstone_recipe::{LocalDeb, Recipe};

use crate::BuildError;

/// Puts the recipe's own packages into the cache.
pub(crate) fn keep(cache: &Cache, recipe: &Recipe) -> Result<(), BuildError> {
    for deb in &recipe.selection.debs {
        cache.insert(&deb.content).map_err(|e| BuildError::Fetch(Box::new(e)))?;
    }
    Ok(())
}

/// Adds the recipe's own packages to what the archives offer.
pub(crate) fn offer(universe: &mut Universe, recipe: &Recipe) -> Result<(), BuildError> {
    let origin = Origin { archive: ArchiveId::Local, suite: String::new(), automatic: true };
    for deb in &recipe.selection.debs {
        let stanza = stanza(deb)?;
        let before = universe.local_names().len();
        universe.add(&stanza, &origin).map_err(|source| BuildError::LocalDeb {
            path: deb.path.clone(),
            source: Box::new(source),
        })?;
        if universe.local_names().len() == before {
            return Err(BuildError::LocalDebTwice { path: deb.path.clone() });
        }
    }
    Ok(())
}

/// Writes the stanza that an archive's index would have.
fn stanza(deb: &LocalDeb) -> Result<String, BuildError> {
    let error = |source| BuildError::Package {
        package: deb.path.display().to_string(),
        source: Box::new(source),
    };
    let parsed = Deb::parse(&Bytes::copy_from_slice(&deb.content)).map_err(error)?;
    let control = parsed.control();
    let version = control.version.as_str();
    let version = version.split_once(':').map_or(version, |(_epoch, version)| version);
    let mut stanza = String::new();
    for field in control.stanza().fields() {
        if !["filename", "size", "sha256"].contains(&field.name.to_ascii_lowercase().as_str()) {
            let _ = writeln!(stanza, "{}: {}", field.name, field.value);
        }
    }
    let _ = writeln!(
        stanza,
        "Filename: {}_{version}_{}.deb\nSize: {}\nSHA256: {}",
        control.package,
        control.architecture,
        deb.content.len(),
        Sha256Digest::of(&deb.content)
    );
    Ok(stanza)
}
