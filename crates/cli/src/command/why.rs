use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_artifact::Architecture;
use flagstone_recipe::{DiskReader, Lock, PackageName, Recipe, lock_path};

use super::locking;
use crate::arguments::DEFAULT_RECIPE;
use crate::report::Hinted;

/// Arguments of `flagstone why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The package
    package: PackageName,

    /// Path of a recipe, or the name of a shipped one
    #[arg(default_value = DEFAULT_RECIPE)]
    recipe: String,

    /// Architecture of the lock, in place of the recipe's own
    #[arg(long, value_name = "ARCHITECTURE")]
    arch: Option<Architecture>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let recipe = Recipe::load_for(&self.recipe, self.arch, &DiskReader)?;
        let path = lock_path(&self.recipe, recipe.retarget);
        let Some(lock) = locking::read(&path)? else {
            let hint = format!("run `flagstone lock {}`", self.recipe);
            return Err(Hinted::new(format!("there is no lock {}", path.display()), hint).into());
        };
        let steps = lock.why(&self.package);
        if steps.is_empty() {
            let hint = format!("run `flagstone why-not {} {}`", self.package, self.recipe);
            let what = format!("{} has no package {}", path.display(), self.package);
            return Err(Hinted::new(what, hint).into());
        }
        let mut out = std::io::stdout();
        if self.json {
            let steps: Vec<_> = steps.iter().map(|name| step(&lock, name)).collect();
            serde_json::to_writer_pretty(&mut out, &steps)?;
            writeln!(out)?;
            return Ok(ExitCode::SUCCESS);
        }
        for name in &steps {
            let package = &lock.packages[*name];
            writeln!(out, "{name} {}: {}", package.version, package.why)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn step(lock: &Lock, name: &PackageName) -> serde_json::Value {
    let package = &lock.packages[name];
    serde_json::json!({
        "package": name.to_string(),
        "version": package.version.to_string(),
        "archive": package.archive.to_string(),
        "why": package.why.to_string(),
    })
}
