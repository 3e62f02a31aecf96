use std::collections::BTreeMap;
use std::fmt::Write as _;

use flagstone_artifact::{ArtifactRecord, CommandRecord, Manifest, PackageRecord, Sha256Digest};
use flagstone_recipe::{Lock, Recipe};
use rayon::prelude::*;

use crate::BuildError;
use crate::output::{Names, Output, SUMS};
use crate::sparse_digest::digest_file;

/// The format of the manifest.
const MANIFEST_VERSION: u32 = 1;

/// Digests the artefacts and writes the manifest and the list of digests.
pub(crate) fn write_manifest(
    recipe: &Recipe,
    lock: &Lock,
    root_hash: Sha256Digest,
    commands: Vec<CommandRecord>,
    names: &Names,
    output: &Output,
) -> Result<Manifest, BuildError> {
    let artifacts: BTreeMap<String, ArtifactRecord> = names
        .artifacts()
        .into_par_iter()
        .with_max_len(1)
        .map(|name| record(&name, output).map(|record| (name, record)))
        .collect::<Result<_, _>>()?;
    let manifest = Manifest {
        manifest_version: MANIFEST_VERSION,
        flagstone_version: env!("CARGO_PKG_VERSION").to_owned(),
        id: recipe.image.id.clone(),
        version: recipe.image.version.clone(),
        architecture: recipe.image.architecture,
        source_date: lock.date.unix_seconds(),
        lock_sha256: Some(Sha256Digest::of(lock.render().as_bytes())),
        recipe_sha256: Some(recipe.digest()),
        root_hash,
        hermetic: commands.is_empty(),
        commands,
        artifacts,
        packages: packages(lock),
    };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(BuildError::Manifest)?;
    text.push('\n');
    output.write(&names.manifest(), text.as_bytes())?;
    let mut sums: BTreeMap<String, Sha256Digest> =
        manifest.artifacts.iter().map(|(name, record)| (name.clone(), record.sha256)).collect();
    sums.insert(names.manifest(), Sha256Digest::of(text.as_bytes()));
    let mut list = String::new();
    for (name, digest) in sums {
        let _ = writeln!(list, "{digest}  {name}");
    }
    output.write(SUMS, list.as_bytes())?;
    Ok(manifest)
}

fn record(name: &str, output: &Output) -> Result<ArtifactRecord, BuildError> {
    let path = output.path(name);
    let (size, sha256) =
        digest_file(&path).map_err(|source| BuildError::Write { path: path.clone(), source })?;
    Ok(ArtifactRecord { size, sha256 })
}

fn packages(lock: &Lock) -> BTreeMap<String, PackageRecord> {
    let record = |package: &flagstone_recipe::LockedPackage| PackageRecord {
        version: package.version.to_string(),
        architecture: package.architecture.to_string(),
        sha256: package.sha256,
    };
    lock.packages.iter().map(|(name, package)| (name.to_string(), record(package))).collect()
}
