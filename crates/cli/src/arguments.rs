use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use flagstone_artifact::Architecture;
use flagstone_debian::RepositoryName;
use flagstone_fetch::Url;
use flagstone_recipe::ByteSize;

use crate::command::{
    build::Build, cache::Cache, diff::Diff, ignition::Ignition, inside::Inside, keys::Keys,
    lock::Lock, payload::Payload, publish::Publish, run::Run, scripts::Scripts, serve::Serve,
    sign::Sign, sysext::Sysext, torture::Torture, verify_rebuild::VerifyRebuild, why::Why,
    why_not::WhyNot,
};

/// The recipe that is meant where none is named.
pub(crate) const DEFAULT_RECIPE: &str = "base";

/// Turns a recipe into an immutable, verified Linux system: disk image, kernel image, /usr image.
#[derive(Debug, Parser)]
#[command(name = "flagstone", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the artefacts of a recipe, from exactly the packages that its lock names
    Build(Build),
    /// Show what differs between two releases: packages, files, units, kernel, accounts, sizes
    Diff(Diff),
    /// Make and show the keys that releases are signed with
    Keys(Keys),
    /// Choose the packages of a recipe, and write down which they are
    Lock(Lock),
    /// Make, sign, show, verify and apply update payloads
    Payload(Payload),
    /// Publish payloads in an update repository, which machines look into by themselves
    Publish(Publish),
    /// Sign the artefacts of a build, so that machines can tell who vouches for them
    Sign(Sign),
    /// Build system extensions: what a recipe adds to another one, to be merged into /usr of its machines
    Sysext(Sysext),
    /// Rebuild an image from recipe and lock, and prove that every artefact is the same
    VerifyRebuild(VerifyRebuild),
    /// Tell why a package is in a recipe's lock
    Why(Why),
    /// Tell why a package is not in a recipe's lock, and what adding it would do
    WhyNot(WhyNot),
    /// Boot a recipe's image, or any disk image, in QEMU, without changing it
    Run(Run),
    /// Serve files, boot scripts and Ignition documents to machines that boot from the network
    Serve(Serve),
    /// Update a machine in QEMU, and prove what it boots after a power cut at any point
    Torture(Torture),
    /// Check and translate configurations for Ignition before a machine meets them
    Ignition(Ignition),
    /// Show what maintainer scripts would do, and what becomes of it
    Scripts(Scripts),
    /// Show, check or shrink what is kept for further builds
    Cache(Cache),
    /// Go into the tree of a build and run a command there; for builds alone
    #[command(name = flagstone_sandbox::ENTRY, hide = true)]
    Inside(Inside),
}

/// Which recipe, and where its packages come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct SourceArguments {
    /// Architecture to build for, in place of the recipe's own; its lock has the name in its own
    /// name (`base.arm64.lock`)
    #[arg(long, value_name = "ARCHITECTURE")]
    pub(crate) arch: Option<Architecture>,

    /// Base URL of a Debian mirror's main archive [default: `$FLAGSTONE_MIRROR`, then the
    /// configuration file, then this machine's own apt sources]
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,

    /// Base URL of a repository that the recipe names [default: what the configuration file says
    /// under `[repositories]`]
    #[arg(long, value_name = "NAME=URL", value_parser = repository)]
    pub(crate) repository: Vec<(RepositoryName, Url)>,

    /// The program flagstone-agent for the image's architecture, for recipes that want it in the
    /// image [default: `flagstone-agent` beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) agent: Option<PathBuf>,

    /// Use what is in the cache, and open no connection
    #[arg(long)]
    pub(crate) offline: bool,

    /// Number of threads and of downloads at once [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Folder of the cache [default: `flagstone` in `$XDG_CACHE_HOME` or `~/.cache`]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// How much builds may keep in the cache for those that follow, downloads not counted
    /// [default: what the configuration file says, or 10G]
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_limit: Option<ByteSize>,
}

/// Reads `NAME=URL`.
fn repository(text: &str) -> Result<(RepositoryName, Url), String> {
    let (name, url) = text.split_once('=').ok_or("it is written NAME=URL")?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    Ok((name, url.parse().map_err(|error| format!("{error}"))?))
}
