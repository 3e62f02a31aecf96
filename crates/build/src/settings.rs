//! A recipe's settings as the finishers take them.

use flagstone_index::KernelModules;
use flagstone_recipe::{ModuleName, Recipe};
use flagstone_rootfs::{Capabilities, Choice, ModulesInput, OwnerSpec};

use crate::BuildError;

pub(crate) fn modules(recipe: &Recipe) -> ModulesInput {
    let names =
        |names: &mut dyn Iterator<Item = &ModuleName>| names.map(ToString::to_string).collect();
    let options = recipe.modules.options.iter();
    ModulesInput {
        load: names(&mut recipe.modules.load.iter()),
        blacklist: names(&mut recipe.modules.blacklist.iter()),
        options: options.map(|(name, text)| (name.to_string(), text.to_string())).collect(),
    }
}

pub(crate) fn choices(recipe: &Recipe) -> Vec<Choice> {
    let choices = recipe.alternatives.iter().map(|(command, alternative)| Choice {
        command: command.to_string(),
        program: alternative.program.to_string(),
        place: alternative.place.clone(),
    });
    choices.collect()
}

pub(crate) fn owners(recipe: &Recipe) -> Vec<OwnerSpec> {
    let owners = recipe.owners.iter().map(|(path, owner)| OwnerSpec {
        path: path.to_string(),
        owner: owner.owner.as_ref().map(ToString::to_string),
        group: owner.group.as_ref().map(ToString::to_string),
        mode: owner.mode.map(flagstone_recipe::Mode::bits),
        capabilities: owner.capabilities.as_ref().map(|capabilities| Capabilities {
            permitted: capabilities.permitted,
            inheritable: capabilities.inheritable,
            effective: capabilities.effective,
        }),
        place: owner.place.clone(),
    });
    owners.collect()
}

/// Checks that the kernel has the modules that the recipe loads at boot: for a missing one,
/// systemd-modules-load.service fails, and no boot counts as good.
pub(crate) fn check_modules(recipe: &Recipe, known: &KernelModules) -> Result<(), BuildError> {
    let load: Vec<&str> = recipe.modules.load.iter().map(ModuleName::as_str).collect();
    known.closure(&load, &[], false).map(drop).map_err(BuildError::BootModule)
}
