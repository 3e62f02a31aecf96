//! From two recipes to a system extension: what the one has that the other has not.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use flagstone_artifact::{PackageRecord, Sha256Digest};
use flagstone_certificate::SigningKey;
use flagstone_disk::{ExtensionImage, write_extension};
use flagstone_fetch::Cache;
use flagstone_recipe::{Lock, Recipe};
use flagstone_rootfs::{ExtensionInput, extension};
use serde::Serialize;

use crate::assemble::{Assembled, Ingredients, assemble};
use crate::build::{Seed, in_pool};
use crate::output::Output;
use crate::release::extension_release;
use crate::usr_image::{Format, write_verified};
use crate::{BuildError, Existing, Progress, Stage, WorkCache, manifest};

/// A recipe with its lock.
#[derive(Clone, Copy, Debug)]
pub struct LockedRecipe<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The packages it is made of.
    pub lock: &'a Lock,
}

/// What extension is built, and where to.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionRequest<'a> {
    /// The machine that is extended.
    pub base: LockedRecipe<'a>,
    /// The same machine with what the extension brings; its name is the extension's.
    pub full: LockedRecipe<'a>,
    /// The key that signs it; without, no machine of Flagstone merges it.
    pub key: Option<&'a SigningKey>,
    /// Where the packages are.
    pub cache: &'a Cache,
    /// What earlier builds have kept, and this one keeps.
    pub work: &'a WorkCache,
    /// The folder of the artefacts.
    pub out: &'a Path,
    /// What to do about artefacts that are there.
    pub existing: Existing,
    /// As [`BuildRequest::commands`](crate::BuildRequest::commands).
    pub commands: Option<&'a Path>,
    /// The program flagstone-agent, for bases that want it in the image.
    pub agent: Option<&'a Path>,
    /// The number of threads.
    pub jobs: NonZeroUsize,
}

/// The record of an extension, which is written beside it as JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ExtensionManifest {
    /// The name of its file.
    pub file: String,
    /// The length of its file, in bytes.
    pub size: u64,
    /// The digest of its file.
    pub sha256: Sha256Digest,
    /// What it is: `id_version_architecture`.
    pub extension: String,
    /// The release whose machines merge it, likewise.
    pub base: String,
    /// The root hash of its file system.
    pub root_hash: Sha256Digest,
    /// The fingerprint of the certificate that its root hash is signed by.
    pub certificate: Option<Sha256Digest>,
    /// Files of the base that its own cover.
    pub replaced: Vec<String>,
    /// The packages that it has and its base has not.
    pub packages: BTreeMap<String, PackageRecord>,
}

impl ExtensionRequest<'_> {
    /// Checks what can be checked before anything is fetched or written.
    ///
    /// # Errors
    /// As [`BuildRequest::check`](crate::BuildRequest::check); [`BuildError::ExtensionName`],
    /// [`BuildError::OtherArchitecture`], [`BuildError::OtherVersion`] for a package that the two have in different
    /// versions.
    pub fn check(&self) -> Result<(), BuildError> {
        let (base, full) = (&self.base.recipe.image, &self.full.recipe.image);
        if base.id == full.id {
            return Err(BuildError::ExtensionName { id: full.id.to_string() });
        }
        if base.architecture != full.architecture {
            return Err(BuildError::OtherArchitecture {
                base: base.architecture,
                extension: full.architecture,
            });
        }
        for (name, package) in &self.full.lock.packages {
            if let Some(old) = self.base.lock.packages.get(name)
                && old.sha256 != package.sha256
            {
                return Err(BuildError::OtherVersion {
                    package: name.to_string(),
                    base: old.version.to_string(),
                    extension: package.version.to_string(),
                });
            }
        }
        for locked in [self.base, self.full] {
            self.ingredients(locked).check()?;
        }
        Output::open(self.out, &self.names(), self.existing).map(drop)
    }

    fn ingredients<'a>(
        &'a self,
        LockedRecipe { recipe, lock }: LockedRecipe<'a>,
    ) -> Ingredients<'a> {
        let Self { cache, work, commands, agent, .. } = *self;
        Ingredients { recipe, lock, cache, work, commands, agent }
    }

    /// The names of image and manifest.
    fn names(&self) -> [String; 2] {
        let stem = self.stem();
        [format!("{stem}.sysext.raw"), format!("{stem}.sysext.json")]
    }

    /// An extension is an artefact of the release that it goes with, and is called so.
    fn stem(&self) -> String {
        format!("{}.{}", self.base.recipe.image, self.full.recipe.image.id)
    }
}

/// Builds an extension: image and manifest get their names, or none does.
///
/// # Errors
/// [`BuildError`]; the folder is then as it was.
pub fn build_extension(
    request: &ExtensionRequest<'_>,
    progress: &dyn Progress,
) -> Result<ExtensionManifest, BuildError> {
    in_pool(request.jobs, progress, |progress| build_here(request, progress))
}

fn build_here(
    request: &ExtensionRequest<'_>,
    progress: &dyn Progress,
) -> Result<ExtensionManifest, BuildError> {
    request.check()?;
    let names = request.names();
    let output = Output::open(request.out, &names, request.existing)?;
    let base = request.ingredients(request.base);
    let full = request.ingredients(request.full);
    let date = full.date();
    let usr = |ingredients: &Ingredients<'_>, progress: &dyn Progress| -> Result<_, BuildError> {
        let Assembled { system, .. } = assemble(ingredients, &output.path(""), progress)?;
        Ok(system.split(ingredients.date(), &())?.usr)
    };
    // What there is to say of the base, its own build says.
    progress.stage(Stage::Base);
    let (base_usr, full_usr) = (usr(&base, &())?, usr(&full, progress)?);
    let (name, base_name) = (&full.recipe.image, &base.recipe.image);
    let made = extension(&ExtensionInput {
        base: &base_usr,
        full: &full_usr,
        id: name.id.as_str(),
        file_name: &request.stem(),
        release: &extension_release(name, base_name)?.to_string(),
        date,
    });
    let made = made.map_err(|source| BuildError::Rootfs(Box::new(source)))?;
    made.notes.iter().for_each(|note| progress.note(&note.to_string()));

    progress.stage(Stage::Extension);
    let seed = Seed::new(full.recipe, full.lock);
    let format = Format { usr: &full.recipe.usr, label: name.id.as_str(), date, seed: &seed };
    let (data_bytes, tree) = write_verified(&made.tree, &format, DATA, full.work, &output)?;
    let signature = request.key.map(|key| key.sign(&tree.root_hash)).transpose();
    let signature = signature.map_err(|source| BuildError::Sign(Box::new(source)))?;
    let signature = signature.map(|signature| signature.to_json());
    let identity = seed.digest("extension");
    let image = ExtensionImage {
        architecture: name.architecture,
        label: &name.usr_label(),
        root_hash: tree.root_hash,
        data_bytes,
        tree: &tree.bytes,
        signature: signature.as_deref(),
        seed: identity.as_bytes(),
    };
    let path = output.path(DATA);
    let content = File::open(&path).map_err(|source| BuildError::Write { path, source })?;
    write_extension(&image, content, &mut output.create(&names[0])?).map_err(BuildError::Disk)?;
    let record = manifest::record(&names[0], &output)?;
    let added =
        full.lock.packages.iter().filter(|(name, _)| !base.lock.packages.contains_key(*name));
    let manifest = ExtensionManifest {
        file: names[0].clone(),
        size: record.size,
        sha256: record.sha256.expect("the record of a file has its digest"),
        extension: name.to_string(),
        base: base_name.to_string(),
        root_hash: tree.root_hash,
        certificate: request.key.map(|key| key.certificate().fingerprint()),
        replaced: made.replaced.iter().map(|path| format!("/usr/{path}")).collect(),
        packages: added
            .map(|(name, package)| (name.to_string(), manifest::package(package)))
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(BuildError::Manifest)?;
    text.push('\n');
    output.write(&names[1], text.as_bytes())?;
    output.publish(&names)?;
    request.work.take_trouble().iter().for_each(|note| progress.note(note));
    Ok(manifest)
}

/// The file system, until it is in its image.
const DATA: &str = "extension.erofs";
