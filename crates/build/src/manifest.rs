use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use flagstone_artifact::{
    ArtifactRecord, CommandRecord, Manifest, PackageRecord, Sha256Digest, Sha256Hasher,
};
use flagstone_recipe::{Lock, LockedPackage, Recipe};
use rayon::prelude::*;

use crate::BuildError;
use crate::output::{Names, Output, SUMS};

/// How much of a file is digested at once.
const PIECE: usize = 256 << 10;

/// The format of the manifest.
const MANIFEST_VERSION: u32 = 1;

/// Returns length and digest of files in the output folder.
pub(crate) fn records(
    files: &[String],
    output: &Output,
) -> Result<BTreeMap<String, ArtifactRecord>, BuildError> {
    let record = |name: &String| record(name, output).map(|record| (name.clone(), record));
    files.par_iter().with_max_len(1).map(record).collect()
}

/// Writes the manifest and the list of digests.
pub(crate) fn write_manifest(
    recipe: &Recipe,
    lock: &Lock,
    root_hash: Sha256Digest,
    commands: Vec<CommandRecord>,
    artifacts: BTreeMap<String, ArtifactRecord>,
    names: &Names,
    output: &Output,
) -> Result<Manifest, BuildError> {
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
        manifest.artifacts.iter().filter_map(|(name, a)| Some((name.clone(), a.sha256?))).collect();
    sums.insert(names.manifest(), Sha256Digest::of(text.as_bytes()));
    let mut list = String::new();
    for (name, digest) in sums {
        let _ = writeln!(list, "{digest}  {name}");
    }
    output.write(SUMS, list.as_bytes())?;
    Ok(manifest)
}

/// Returns length and digest of a file in the output folder.
pub(crate) fn record(name: &str, output: &Output) -> Result<ArtifactRecord, BuildError> {
    let path = output.path(name);
    let digest = || {
        let mut file = File::open(&path)?;
        let (mut hasher, mut size) = (Sha256Hasher::new(), 0);
        let mut piece = vec![0; PIECE];
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                return Ok(ArtifactRecord { size, sha256: Some(hasher.finish()) });
            }
            hasher.update(&piece[..count]);
            size += count as u64;
        }
    };
    digest().map_err(|source| BuildError::Write { path: path.clone(), source })
}

fn packages(lock: &Lock) -> BTreeMap<String, PackageRecord> {
    lock.packages.iter().map(|(name, locked)| (name.to_string(), package(locked))).collect()
}

/// Returns the record of a package.
pub(crate) fn package(package: &LockedPackage) -> PackageRecord {
    PackageRecord {
        version: package.version.to_string(),
        architecture: package.architecture.to_string(),
        sha256: package.sha256,
    }
}
