//! The first half of every build: from packages to a finished system.

use std::path::Path;

use flagstone_artifact::CommandRecord;
use flagstone_fetch::Cache;
use flagstone_recipe::{Lock, PackageName, Recipe};
use flagstone_tree::Mtime;

use crate::indices::ToolVersions;
use crate::software::Software;
use crate::system::{Site, System};
use crate::updates::Updates;
use crate::{
    BuildError, Progress, Stage, WorkCache, commands, extensions, packages, scripts, system,
    sysupdate,
};

/// What a system is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredients<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) lock: &'a Lock,
    pub(crate) cache: &'a Cache,
    pub(crate) work: &'a WorkCache,
    pub(crate) commands: Option<&'a Path>,
    pub(crate) agent: Option<&'a Path>,
}

/// A finished system, and what is known of it.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) system: System,
    pub(crate) software: Software,
    pub(crate) commands: Vec<CommandRecord>,
}

impl Ingredients<'_> {
    /// Checks what can be checked before anything is fetched or written.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        commands::check_commands(self.recipe, self.commands)?;
        self.lock.check(self.recipe).map_err(BuildError::Stale)?;
        extensions::check(self.recipe)?;
        Updates::read(self.recipe, self.agent).map(drop)
    }

    /// Returns the time that everything made here has.
    pub(crate) fn date(&self) -> Mtime {
        Mtime::from_seconds(self.lock.date.unix_seconds())
    }
}

/// Makes the system; `folder` is where a tree may lie on the disk meanwhile.
pub(crate) fn assemble(
    ingredients: &Ingredients<'_>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Assembled, BuildError> {
    let Ingredients { recipe, lock, cache, work, .. } = *ingredients;
    let date = ingredients.date();
    let updates = Updates::read(recipe, ingredients.agent)?;
    progress.stage(Stage::Unpack);
    let mut unpacked = packages::unpack(cache, work, lock)?;
    progress.stage(Stage::Merge);
    let controls = std::mem::take(&mut unpacked.controls);
    let mut merged = system::merge_packages(unpacked, recipe, date, progress)?;
    progress.stage(Stage::Finish);
    updates.install(&mut merged, date, progress)?;
    sysupdate::install(recipe, &mut merged, date, progress)?;
    extensions::install(recipe, &mut merged, date, progress)?;
    let scripts = scripts::survey(&merged, recipe, &controls)?;
    scripts.notes().iter().for_each(|note| progress.note(note));
    let declarations = scripts.declarations;
    let run = |tree: &mut _| match ingredients.commands {
        Some(entry) if !recipe.run.is_empty() => {
            commands::run(tree, recipe, entry, folder, date, progress)
        }
        _ => Ok(Vec::new()),
    };
    let site = Site { recipe, tools: &tools(lock), date, work, progress };
    let (mut system, commands) = system::finish_system(merged, declarations, run, &site)?;
    let software = Software::new(&system.tree, recipe, lock, &controls);
    software.install(&mut system.tree, date)?;
    Ok(Assembled { system, software, commands })
}

/// Returns the versions that indices carry, as the packages' own tools would write them.
fn tools(lock: &Lock) -> ToolVersions {
    let version = |name: &str| {
        let name = name.parse().ok();
        let package = name.and_then(|name: PackageName| lock.packages.get(&name));
        package.map(|package| package.version.to_string()).unwrap_or_default()
    };
    let caches = flagstone_caches::ToolVersions { shared_mime_info: version("shared-mime-info") };
    ToolVersions { libc_bin: version("libc-bin"), udev: version("udev"), caches }
}
