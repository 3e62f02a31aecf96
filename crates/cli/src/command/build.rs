use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use flagstone_artifact::Manifest;
use flagstone_build::{BuildRequest, DiskSum, Existing, Names, build, check_commands};
use flagstone_recipe::{DiskReader, Lock, Recipe};

use super::locking;
use crate::arguments::{DEFAULT_RECIPE, SourceArguments};
use crate::progress::{Reporter, megabytes};
use crate::report;
use crate::sources::Sources;

/// Arguments of `flagstone build`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands alone")]
pub(crate) struct Build {
    /// Path of a recipe, or the name of a shipped one
    #[arg(default_value = DEFAULT_RECIPE)]
    recipe: String,

    /// Folder of the artefacts
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    out: PathBuf,

    /// Replace artefacts of an earlier build
    #[arg(short, long)]
    force: bool,

    /// Run the commands of the recipe (`[run]`) inside the tree; the image then depends on more
    /// than recipe and lock
    #[arg(long)]
    allow_run: bool,

    /// Leave the disk image out of SHA256SUMS, and its digest out of the manifest: the digest takes
    /// a second for every 1.7 GB of disk, holes included
    #[arg(long)]
    no_disk_sum: bool,

    /// Leave out what boots from the network: kernel, initrd with /usr, iPXE script, and all of it in
    /// one image for firmware that boots by HTTP
    #[arg(long)]
    no_pxe: bool,

    /// Print the manifest
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

impl Build {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let start = Instant::now();
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let commands = self.allow_run.then_some(Path::new(THIS));
        let disk_sum = if self.no_disk_sum { DiskSum::Skip } else { DiskSum::Take };
        let options = BuildOptions { existing, commands, disk_sum, netboot: !self.no_pxe };
        let manifest = build_recipe(&self.recipe, &self.out, options, &self.sources)?;
        if self.json {
            serde_json::to_writer_pretty(std::io::stdout(), &manifest)?;
            writeln!(std::io::stdout())?;
        }
        report::say(&format!("built in {:.1} s:", start.elapsed().as_secs_f64()));
        for (name, artifact) in &manifest.artifacts {
            let path = self.out.join(name);
            report::say(&format!("  {:<44} {:>10}", path.display(), megabytes(artifact.size)));
        }
        report::say(&format!("root hash {}", manifest.root_hash));
        if !manifest.hermetic {
            let names: Vec<&str> = manifest.commands.iter().map(|c| c.name.as_str()).collect();
            report::say(&format!("not hermetic: commands ran in the tree: {}", names.join(", ")));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// This program, whatever became of its file.
pub(super) const THIS: &str = "/proc/self/exe";

/// How a recipe is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuildOptions<'a> {
    pub(crate) existing: Existing,
    pub(crate) commands: Option<&'a Path>,
    pub(crate) disk_sum: DiskSum,
    pub(crate) netboot: bool,
}

/// Builds a recipe from its lock, making the lock first if there is none.
pub(crate) fn build_recipe(
    reference: &str,
    out: &Path,
    options: BuildOptions<'_>,
    arguments: &SourceArguments,
) -> Result<Manifest> {
    let recipe = Recipe::load_for(reference, arguments.arch, &DiskReader)?;
    check_commands(&recipe, options.commands)?;
    let sources = Sources::find(arguments)?;
    let progress = Reporter::new();
    let lock = locking::read_or_make(reference, &recipe, None, &sources, &progress)?;
    build_locked(&recipe, &lock, out, options, &sources, &progress)
}

/// Builds a recipe from a lock, fetching what is missing.
pub(super) fn build_locked(
    recipe: &Recipe,
    lock: &Lock,
    out: &Path,
    BuildOptions { existing, commands, disk_sum, netboot }: BuildOptions<'_>,
    sources: &Sources,
    progress: &Reporter,
) -> Result<Manifest> {
    let names = Names::new(&recipe.image, netboot);
    let request = BuildRequest {
        recipe,
        lock,
        cache: sources.fetcher.cache(),
        work: &sources.work,
        out,
        existing,
        commands,
        agent: sources.agent.as_deref(),
        disk_sum,
        netboot,
        jobs: sources.jobs,
    };
    request.check()?;
    locking::fetch(recipe, lock, sources, progress)?;
    let built = build(&request, progress)?;
    progress.finish();
    sources.trim_cache();
    debug_assert!(built.manifest.artifacts.contains_key(&names.raw()));
    Ok(built.manifest)
}
