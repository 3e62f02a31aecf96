use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use flagstone_artifact::Manifest;
use flagstone_build::{DiskSum, Existing, Names, WorkCache};
use flagstone_compare::{Proof, find_manifest, other_inputs, read_manifest};
use flagstone_recipe::{DiskReader, Lock, Recipe, lock_path, shipped};

use super::build::{BuildOptions, THIS, build_locked};
use super::locking;
use crate::arguments::SourceArguments;
use crate::progress::Reporter;
use crate::report::{self, Hinted};
use crate::sources::Sources;

/// Arguments of `flagstone verify-rebuild`.
#[derive(Debug, Args)]
pub(crate) struct VerifyRebuild {
    /// A manifest, the folder that holds it, or an artefact beside it
    #[arg(value_name = "IMAGE|MANIFEST")]
    target: PathBuf,

    /// Recipe that it was built from [default: `<id>.toml` in the working folder, then the shipped
    /// recipe of that name]
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,

    /// Lock that it was built from [default: the recipe's]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,

    /// Folder to rebuild in, which needs room for the artefacts [default: the manifest's]
    #[arg(long, value_name = "DIR", conflicts_with = "keep")]
    work: Option<PathBuf>,

    /// Rebuild into this folder, and keep what was built
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Run the commands of the recipe (`[run]`), if it has some
    #[arg(long)]
    allow_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

impl VerifyRebuild {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let path = find_manifest(&self.target)?;
        let manifest = read_manifest(&path)?;
        let (recipe, lock) = self.inputs(&manifest)?;
        let causes = other_inputs(&manifest, &recipe, &lock);
        let proof = if causes.is_empty() {
            self.rebuild(&path, &manifest, &recipe, &lock)?
        } else {
            Proof::without_rebuild(&path, causes)
        };
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &proof)?;
            writeln!(out)?;
        } else {
            write!(out, "{proof}")?;
        }
        Ok(if proof.identical { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Finds recipe and lock, for the architecture of the manifest.
    fn inputs(&self, manifest: &Manifest) -> Result<(Recipe, Lock)> {
        let reference = match &self.recipe {
            Some(recipe) => recipe.clone(),
            None => named_after(manifest)?,
        };
        let mut recipe = Recipe::load_for(&reference, self.sources.arch, &DiskReader)?;
        if self.sources.arch.is_none() && recipe.image.architecture != manifest.architecture {
            recipe = Recipe::load_for(&reference, Some(manifest.architecture), &DiskReader)?;
        }
        let path = self.lock.clone().unwrap_or_else(|| lock_path(&reference, recipe.retarget));
        let Some(lock) = locking::read(&path)? else {
            let hint = "a rebuild needs the lock of the build: name it with --lock";
            return Err(Hinted::new(format!("there is no lock {}", path.display()), hint).into());
        };
        Ok((recipe, lock))
    }

    fn rebuild(
        &self,
        path: &Path,
        manifest: &Manifest,
        recipe: &Recipe,
        lock: &Lock,
    ) -> Result<Proof> {
        let temporary;
        let out = if let Some(keep) = &self.keep {
            keep.as_path()
        } else {
            let beside = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let work = self.work.as_deref().or(beside).unwrap_or(Path::new("."));
            temporary = tempfile::Builder::new()
                .prefix(".verify-rebuild-")
                .tempdir_in(work)
                .map_err(|error| {
                    let what = format!("failed to make a folder in {}: {error}", work.display());
                    Hinted::new(what, "name a folder to rebuild in with --work")
                })?;
            temporary.path()
        };
        let mut sources = Sources::find(&self.sources)?;
        // What the build itself has kept is no proof; what this one keeps is gone with it.
        let parent = out.parent().filter(|dir| !dir.as_os_str().is_empty());
        let kept = tempfile::Builder::new()
            .prefix(".verify-rebuild-")
            .tempdir_in(parent.unwrap_or(Path::new(".")))
            .context("failed to make a folder for unpacked packages")?;
        sources.work = WorkCache::open(kept.path());
        let progress = Reporter::new();
        let commands = self.allow_run.then_some(Path::new(THIS));
        let unsummed = manifest.artifacts.values().any(|artifact| artifact.sha256.is_none());
        let disk_sum = if unsummed { DiskSum::Skip } else { DiskSum::Take };
        let netboot =
            manifest.artifacts.contains_key(&Names::new(&recipe.image, true).pxe_initrd());
        let options = BuildOptions { existing: Existing::Refuse, commands, disk_sum, netboot };
        let rebuilt = build_locked(recipe, lock, out, options, &sources, &progress)?;
        report::say("comparing with what was built before");
        Ok(Proof::of(path, manifest, out, &rebuilt)?)
    }
}

/// Returns the recipe that bears the image's name.
fn named_after(manifest: &Manifest) -> Result<String> {
    let id = manifest.id.as_str();
    let file = format!("{id}.toml");
    if Path::new(&file).is_file() {
        return Ok(file);
    }
    if shipped().iter().any(|(name, _)| *name == id) {
        return Ok(id.to_owned());
    }
    let what = format!("there is no {file}, and no shipped recipe is called {id}");
    Err(Hinted::new(what, "name the recipe with --recipe").into())
}
