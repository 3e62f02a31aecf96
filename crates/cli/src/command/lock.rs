use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_artifact::Architecture;
use flagstone_recipe::{DiskReader, LockDiff, PackageName, Recipe, lock_path};

use super::locking;
use crate::arguments::{DEFAULT_RECIPE, SourceArguments};
use crate::progress::Reporter;
use crate::report::{self, Hinted};
use crate::sources::Sources;

/// Arguments of `flagstone lock`.
#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// Path of a recipe, or the name of a shipped one
    #[arg(default_value = DEFAULT_RECIPE)]
    recipe: String,

    /// Move these packages, or all if none is named, to the versions that are offered now
    #[arg(long, value_name = "PACKAGE", num_args = 0..)]
    update: Option<Vec<PackageName>>,

    /// Write nothing; fail if the lock would change
    #[arg(long, conflicts_with = "update")]
    check: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

impl Lock {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let recipe = Recipe::load_for(&self.recipe, self.sources.arch, &DiskReader)?;
        let path = lock_path(&self.recipe, recipe.retarget);
        let old = locking::read(&path)?;
        self.refuse_unknown(old.as_ref())?;
        let sources = Sources::find(&self.sources)?;
        let moves = locking::moves(self.update.as_deref());
        let progress = Reporter::new();
        let (new, scripts) = locking::make(&recipe, old.as_ref(), moves, &sources, &progress)?;
        scripts.notes().iter().for_each(|note| report::note(note));
        let shown = path.display();
        let Some(old) = old else {
            if self.check {
                let hint =
                    format!("run `flagstone lock {}{}`", self.recipe, for_arch(recipe.retarget));
                return Err(Hinted::new(format!("there is no lock {shown}"), hint).into());
            }
            locking::write(&path, &new)?;
            report::say(&format!("{shown}: {} packages", new.packages.len()));
            return Ok(ExitCode::SUCCESS);
        };
        let same = LockDiff::between(&old, &new).same_packages() && old.inputs == new.inputs;
        // Newer indices alone are no reason to change a file that is committed, or the image.
        let new =
            if same { flagstone_recipe::Lock { scripts: new.scripts, ..old.clone() } } else { new };
        let diff = LockDiff::between(&old, &new);
        if diff.is_empty() {
            report::say(&format!("{shown} is up to date: {} packages", old.packages.len()));
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(std::io::stdout(), "{diff}")?;
        if self.check {
            let hint = format!("run `flagstone lock {}{}`", self.recipe, for_arch(recipe.retarget));
            return Err(Hinted::new(format!("{shown} is not up to date"), hint).into());
        }
        locking::write(&path, &new)?;
        report::say(&format!("{shown}: {} packages", new.packages.len()));
        Ok(ExitCode::SUCCESS)
    }

    fn refuse_unknown(&self, old: Option<&flagstone_recipe::Lock>) -> Result<()> {
        let (Some(names), Some(old)) = (&self.update, old) else { return Ok(()) };
        match names.iter().find(|name| !old.packages.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let hint =
                    "only packages that are in the lock can move; add it to the recipe first";
                Err(Hinted::new(format!("the lock has no package {name}"), hint).into())
            }
        }
    }
}

/// Returns the argument that asks for an architecture.
fn for_arch(retarget: Option<Architecture>) -> String {
    retarget.map(|architecture| format!(" --arch {architecture}")).unwrap_or_default()
}
