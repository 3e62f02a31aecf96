//! Commands of a recipe: what no finisher knows, run inside the tree where the user allows it.

use std::path::Path;

use flagstone_artifact::{Architecture, CommandRecord};
use flagstone_recipe::{Recipe, Run, RunName};
use flagstone_sandbox::{Changes, Command, Staged};
use flagstone_tree::{Mtime, Tree, TreePath};

use crate::{BuildError, Progress, Stage};

/// Where the tree lies on the disk meanwhile, in the hidden folder.
const FOLDER: &str = "tree";

/// Refuses commands that nobody allowed or that this machine cannot run, before anything is made.
///
/// `entry` is as in [`BuildRequest::commands`](crate::BuildRequest::commands).
///
/// # Errors
/// [`BuildError::CommandsRefused`] or [`BuildError::ForeignCommands`].
pub fn check_commands(recipe: &Recipe, entry: Option<&Path>) -> Result<(), BuildError> {
    let Some((name, run)) = recipe.run.first_key_value() else { return Ok(()) };
    if entry.is_none() {
        let (command, place) = (name.to_string(), run.place.clone());
        return Err(BuildError::CommandsRefused { command, place });
    }
    let image = recipe.image.architecture;
    let host = std::env::consts::ARCH;
    if host != processor(image) {
        let command = name.to_string();
        return Err(BuildError::ForeignCommands { command, image, host: host.to_owned() });
    }
    Ok(())
}

/// Returns a processor's name as the compiler has it.
fn processor(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

/// Runs the recipe's commands one after the other and returns what each changed; the tree is then
/// as they left it.
pub(crate) fn run(
    tree: &mut Tree,
    recipe: &Recipe,
    entry: &Path,
    folder: &Path,
    date: Mtime,
    progress: &dyn Progress,
) -> Result<Vec<CommandRecord>, BuildError> {
    progress.stage(Stage::Run);
    let sandbox = |source| BuildError::Command(Box::new(source));
    let mut staged = Staged::new(tree.clone(), &folder.join(FOLDER), date).map_err(sandbox)?;
    let mut records = Vec::new();
    for (name, run) in &recipe.run {
        let command = command(staged.tree(), name, run)?;
        let changes = staged.run(&command, entry).map_err(sandbox)?;
        let Changes { added, changed, removed } = &changes;
        progress.note(&format!(
            "not hermetic: {name} ran in the tree; paths added: {}, changed: {}, removed: {}",
            added.len(),
            changed.len(),
            removed.len()
        ));
        let outside = added.iter().chain(changed).filter(|path| !reaches_the_image(path)).count();
        if outside > 0 {
            progress.note(&format!(
                "{outside} of them are outside /usr and /etc, and not in the image"
            ));
        }
        let texts = |paths: &[TreePath]| paths.iter().map(|path| format!("/{path}")).collect();
        records.push(CommandRecord {
            name: name.to_string(),
            command: run.command.clone(),
            added: texts(added),
            changed: texts(changed),
            removed: texts(removed),
        });
    }
    *tree = staged.into_tree();
    Ok(records)
}

/// Tells whether a path is one that the split does not drop.
fn reaches_the_image(path: &TreePath) -> bool {
    let names: Vec<&[u8]> = path.names().take(2).collect();
    matches!(names.first(), Some(&b"usr" | &b"etc")) && names != [b"usr".as_slice(), b"local"]
}

/// Checks that the program is there, and says what to run.
fn command(tree: &Tree, name: &RunName, run: &Run) -> Result<Command, BuildError> {
    let (program, arguments) = run.command.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
    let found = tree.resolve(program.trim_start_matches('/'));
    if !found.is_ok_and(|(_, id)| tree.inode(id).content().is_some()) {
        return Err(BuildError::NoProgram {
            command: name.to_string(),
            program: program.to_owned(),
            place: run.place.clone(),
        });
    }
    Ok(Command {
        name: format!("{name} ({})", run.place),
        program: program.to_owned(),
        arguments: arguments.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use flagstone_recipe::DiskReader;

    use super::*;

    fn recipe(arch: Option<Architecture>) -> Recipe {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.toml");
        let text = "extends = \"ci\"\n[run.fonts]\ncommand = [\"/usr/bin/fc-cache\"]\n";
        std::fs::write(&path, text).unwrap();
        Recipe::load_for(path.to_str().unwrap(), arch, &DiskReader).unwrap()
    }

    #[test]
    fn commands_need_to_be_allowed_and_the_image_s_own_processor() {
        let error = check_commands(&recipe(None), None).unwrap_err();
        assert!(error.to_string().contains("fonts, at "), "{error}");
        assert!(error.to_string().ends_with("site.toml:2"), "{error}");
        assert!(error.hint().unwrap().contains("--allow-run"));
        let entry = Some(Path::new("/proc/self/exe"));
        for architecture in Architecture::ALL {
            let native = processor(architecture) == std::env::consts::ARCH;
            assert_eq!(check_commands(&recipe(Some(architecture)), entry).is_ok(), native);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_place() {
        let recipe = recipe(None);
        let (name, run) = recipe.run.first_key_value().unwrap();
        let tree = Tree::new(flagstone_tree::Metadata::root(0o755, Mtime::default()));
        let error = command(&tree, name, run).unwrap_err();
        assert!(error.to_string().contains("/usr/bin/fc-cache"), "{error}");
    }
}
