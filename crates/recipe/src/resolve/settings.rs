//! Kernel modules, alternatives, owners and commands.

use super::{Resolver, items, values};
use crate::layer::{ModulesLayer, OwnerLayer};
use crate::or_remove::OrRemove;
use crate::recipe::{Alternative, Modules, Owner};
use crate::run::RunLayer;
use crate::source::At;
use crate::{ImagePath, ModuleName, Run};

impl Resolver<'_> {
    /// Refuses modules that are loaded and blacklisted: the one would undo the other.
    pub(super) fn modules(&mut self, layer: ModulesLayer) -> Modules {
        let (load, blacklist) = (items(layer.load), items(layer.blacklist));
        for module in &blacklist {
            let same = |other: &ModuleName| spelled(other) == spelled(&module.value);
            if let Some(loaded) = load.iter().find(|loaded| same(&loaded.value)) {
                let place = loaded.at.line();
                self.report.push(
                    module
                        .at
                        .error(format!("the module `{}` is loaded and blacklisted", module.value))
                        .hint(format!("it is loaded at {place}; take one out")),
                );
            }
        }
        Modules {
            load: values(load),
            blacklist: values(blacklist),
            options: self.entries(layer.options, |_, _, _, options| options.value()),
        }
    }

    pub(super) fn alternative(
        &mut self,
        command: &ImagePath,
        at: &At,
        program: OrRemove<ImagePath>,
    ) -> Option<Alternative> {
        let program = program.value()?;
        if program == *command {
            let error = at.error(format!("{command} cannot be a link to itself"));
            self.report.push(error.hint("name the program that a package ships"));
        }
        Some(Alternative { program, place: at.line() })
    }

    pub(super) fn run(&mut self, at: &At, layer: RunLayer) -> Option<Run> {
        let command = match (layer.command, layer.script) {
            (Some(command), None) => command.value.0,
            (None, Some(script)) => script.value.into_command(),
            (Some(_), Some(script)) => {
                let error = script.at.error("an entry has `command` or `script`, not both");
                self.report.push(error);
                return None;
            }
            (None, None) => {
                let error = at.error("nothing is run here");
                self.report.push(error.expected("`command` or `script`"));
                return None;
            }
        };
        Some(Run { command, place: at.line() })
    }

    pub(super) fn owner(&mut self, at: &At, layer: OwnerLayer) -> Option<Owner> {
        let owner = Owner {
            owner: layer.owner.map(|owner| owner.value),
            group: layer.group.map(|group| group.value),
            mode: layer.mode.map(|mode| mode.value),
            capabilities: layer.capabilities.map(|capabilities| capabilities.value),
            place: at.line(),
        };
        let nothing = owner.owner.is_none()
            && owner.group.is_none()
            && owner.mode.is_none()
            && owner.capabilities.is_none();
        if nothing {
            let error = at.error("nothing is said about this path");
            self.report.push(error.expected("`owner`, `group`, `mode` or `capabilities`"));
            return None;
        }
        Some(owner)
    }
}

/// Returns a module's name as the kernel compares it: `-` and `_` are the same.
fn spelled(name: &ModuleName) -> String {
    name.as_str().replace('-', "_")
}
