use std::num::NonZeroUsize;
use std::path::Path;

use bytes::Bytes;
use flagstone_artifact::{Manifest, Sha256Digest, Sha256Hasher};
use flagstone_fetch::Cache;
use flagstone_recipe::{Lock, Recipe};
use flagstone_tree::Mtime;

use crate::assemble::{Assembled, Ingredients, assemble};
use crate::disk_image::DiskImage;
use crate::netboot::Netboot;
use crate::output::{Existing, Names, Output};
use crate::{BuildError, Progress, Stage, WorkCache, boot_files, disk_image, manifest, usr_image};

/// What is built, and where to.
#[derive(Clone, Copy, Debug)]
pub struct BuildRequest<'a> {
    /// What the image shall be.
    pub recipe: &'a Recipe,
    /// The packages it is made of; all of them in the cache.
    pub lock: &'a Lock,
    /// Where the packages are.
    pub cache: &'a Cache,
    /// What earlier builds have kept, and this one keeps.
    pub work: &'a WorkCache,
    /// The folder of the artefacts.
    pub out: &'a Path,
    /// What to do about artefacts that are there.
    pub existing: Existing,
    /// Allows the recipe's commands: a program that can enter a sandbox
    /// ([`flagstone_sandbox::ENTRY`]). Without it, recipes with commands are refused.
    pub commands: Option<&'a Path>,
    /// The program flagstone-agent, for recipes that want it in the image.
    pub agent: Option<&'a Path>,
    /// Whether the disk image gets a digest.
    pub disk_sum: DiskSum,
    /// Whether there are artefacts to boot from the network, too.
    pub netboot: bool,
    /// The number of threads.
    pub jobs: NonZeroUsize,
}

/// Whether manifest and list of digests have one of the whole disk image.
///
/// Most of a disk are zeros, but SHA-256 has no short cut for them: at about 1.7 GB/s they can take
/// longer than all else when little has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskSum {
    /// Take it.
    Take,
    /// Leave it out; the parts of the disk have theirs all the same.
    Skip,
}

/// What a build gave.
#[derive(Clone, Debug)]
pub struct Built {
    /// The record of the artefacts.
    pub manifest: Manifest,
}

impl BuildRequest<'_> {
    /// Checks what can be checked before anything is fetched or written.
    ///
    /// # Errors
    /// [`BuildError::CommandsRefused`], [`BuildError::ForeignCommands`], [`BuildError::Stale`],
    /// [`BuildError::NoAgent`], [`BuildError::Agent`], [`BuildError::TrustedKeys`],
    /// [`BuildError::Exists`], or [`BuildError::Write`] for a folder that
    /// cannot be written to.
    pub fn check(&self) -> Result<(), BuildError> {
        self.ingredients().check()?;
        Output::open(self.out, &self.names().all(), self.existing).map(drop)
    }

    fn names(&self) -> Names {
        Names::new(&self.recipe.image, self.netboot)
    }

    fn ingredients(&self) -> Ingredients<'_> {
        let Self { recipe, lock, cache, work, commands, agent, .. } = *self;
        Ingredients { recipe, lock, cache, work, commands, agent }
    }
}

/// Builds all artefacts of a recipe: either all of them get their names, or none.
///
/// The bytes depend on recipe and lock alone, unless the recipe has commands: the manifest says so.
///
/// # Errors
/// [`BuildError`]; the folder is then as it was.
pub fn build(request: &BuildRequest<'_>, progress: &dyn Progress) -> Result<Built, BuildError> {
    in_pool(request.jobs, progress, |progress| build_here(request, progress))
}

/// Runs a build with as many threads as it may have.
pub(crate) fn in_pool<T: Send>(
    jobs: NonZeroUsize,
    progress: &dyn Progress,
    work: impl FnOnce(&dyn Progress) -> Result<T, BuildError> + Send,
) -> Result<T, BuildError> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs.get()).build();
    let threads = threads.map_err(|source| BuildError::Threads(Box::new(source)))?;
    let progress = Shared(progress);
    threads.install(|| {
        let progress = &progress;
        work(progress.0)
    })
}

fn build_here(request: &BuildRequest<'_>, progress: &dyn Progress) -> Result<Built, BuildError> {
    let BuildRequest { recipe, lock, work, .. } = *request;
    request.ingredients().check()?;
    let names = request.names();
    let output = Output::open(request.out, &names.all(), request.existing)?;
    let date = Mtime::from_seconds(lock.date.unix_seconds());
    let seed = Seed::new(recipe, lock);
    let ingredients = request.ingredients();
    let Assembled { system, software, commands } =
        assemble(&ingredients, &output.path(""), progress)?;
    output.write(&names.spdx(), software.spdx.as_bytes())?;
    output.write(&names.cyclonedx(), software.cyclonedx.as_bytes())?;

    progress.stage(Stage::Image);
    let loader = boot_files::loader(&system.tree, recipe.image.architecture)?;
    let parts = system.split(date, progress)?;
    let (usr, initrd) = rayon::join(
        || usr_image::write_usr(&parts.usr, &recipe.usr, date, &seed, &names, work, &output),
        || boot_files::initrd(&parts.full, &parts.modules, recipe, &parts.release, date, work),
    );
    let (usr, initrd) = (usr?, initrd?);
    let layout = disk_image::plan(&recipe.image, &recipe.disk, &usr, &seed)?;

    progress.stage(Stage::Uki);
    let uki = Bytes::from(boot_files::uki(
        &loader,
        &parts.kernel,
        &initrd,
        recipe,
        &parts.release,
        &usr.root_hash,
    )?);
    output.write(&names.uki(), &uki)?;

    progress.stage(Stage::Disk);
    let source_date = date.seconds;
    let disk = DiskImage::new(&layout, &recipe.image, &loader, &uki, source_date, &names, &output)?;
    let netboot = Netboot {
        recipe,
        loader: &loader,
        kernel: &parts.kernel,
        initrd: &initrd,
        usr: &usr,
        release: &parts.release,
        date,
        names: &names,
        output: &output,
    };
    let write = || {
        disk.write()?;
        if request.netboot { netboot.write() } else { Ok(()) }
    };
    // The digest takes longest, and needs no disk that is written.
    let (record, artifacts) = rayon::join(
        || disk.record(request.disk_sum),
        || write().and_then(|()| manifest::records(&names.parts(), &output)),
    );
    let mut artifacts = artifacts?;
    artifacts.insert(names.raw(), record?);
    let manifest = manifest::write_manifest(
        recipe,
        lock,
        usr.root_hash,
        commands,
        artifacts,
        &names,
        &output,
    )?;
    output.publish(&names.all())?;
    work.take_trouble().iter().for_each(|note| progress.note(note));
    Ok(Built { manifest })
}

/// Lets worker threads report; every [`Progress`] is `Sync`.
struct Shared<'a>(&'a dyn Progress);

/// What identifiers and salts are derived from: the release's name and its exact packages.
#[derive(Debug)]
pub(crate) struct Seed(Sha256Digest);

impl Seed {
    pub(crate) fn new(recipe: &Recipe, lock: &Lock) -> Self {
        let text = format!("flagstone seed 1\n{}\n{}", recipe.image, lock.render());
        Self(Sha256Digest::of(text.as_bytes()))
    }

    /// Returns 32 bytes for one purpose.
    pub(crate) fn digest(&self, purpose: &str) -> Sha256Digest {
        let mut hasher = Sha256Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(purpose.as_bytes());
        hasher.finish()
    }

    /// Returns a UUID for one purpose: version 8, whose bits are free for their maker (RFC 9562,
    /// 5.8).
    pub(crate) fn uuid(&self, purpose: &str) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.digest(purpose).as_bytes()[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }
}
