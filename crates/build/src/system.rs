use flagstone_artifact::CommandRecord;
use flagstone_boot::OsRelease;
use flagstone_index::KernelModules;
use flagstone_recipe::Recipe;
use flagstone_rootfs::{
    EtcInput, FinishInput, Glob, GroupSpec, Kernel, MergeInput, Note, OwnFile, OwnKind, PruneList,
    RootfsError, Split, UnitsInput, UserSpec, UsersInput, finish, merge, set_owners, split,
};
use flagstone_scripts::Declaration;
use flagstone_tree::{Mtime, Tree};

use crate::indices::{Indices, ToolVersions};
use crate::packages::Unpacked;
use crate::release::os_release;
use crate::{BuildError, Progress, WorkCache, settings};

/// A finished system, still whole.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) tree: Tree,
    release: OsRelease,
    modules: KernelModules,
}

/// A finished system, taken apart for an immutable /usr.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The whole tree, which the initrd is assembled from.
    pub(crate) full: Tree,
    pub(crate) usr: Tree,
    pub(crate) kernel: Kernel,
    pub(crate) release: OsRelease,
    pub(crate) modules: KernelModules,
}

/// Lays the packages over each other.
pub(crate) fn merge_packages(
    unpacked: Unpacked,
    recipe: &Recipe,
    date: Mtime,
    progress: &dyn Progress,
) -> Result<Tree, BuildError> {
    let globs = |patterns: &[flagstone_recipe::PathPattern]| -> Result<Vec<Glob>, BuildError> {
        patterns.iter().map(|p| p.as_str().parse::<Glob>().map_err(rootfs)).collect()
    };
    let prune = PruneList { drop: globs(&recipe.prune)?, keep: globs(&recipe.keep)? };
    let Unpacked { archives, replaces, .. } = unpacked;
    let merged = merge(&MergeInput { archives, replaces, prune, date }).map_err(rootfs)?;
    say(&merged.notes, progress);
    Ok(merged.tree)
}

/// What the finishers work with besides the tree.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) tools: &'a ToolVersions,
    pub(crate) date: Mtime,
    pub(crate) work: &'a WorkCache,
    pub(crate) progress: &'a dyn Progress,
}

/// Does what maintainer scripts would have done, makes the indices, and has `run` run the recipe's
/// commands in the whole system; what they changed is indexed anew.
pub(crate) fn finish_system(
    mut tree: Tree,
    declarations: Vec<(String, Declaration)>,
    run: impl FnOnce(&mut Tree) -> Result<Vec<CommandRecord>, BuildError>,
    site: &Site<'_>,
) -> Result<(System, Vec<CommandRecord>), BuildError> {
    let Site { recipe, tools, date, work, progress } = *site;
    let base =
        tree.read_text("usr/lib/os-release").or_else(|_| tree.read_text("etc/os-release"))?;
    let release = os_release(&recipe.image, &base)?;
    let input = FinishInput { declarations, ..finish_input(recipe, &release, date) };
    let report = finish(&mut tree, &input).map_err(rootfs)?;
    say(&report.notes, progress);
    let index = |tree: &mut Tree| -> Result<KernelModules, BuildError> {
        let indices = Indices::make(tree, recipe.image.architecture, tools, work)?;
        for note in indices.notes() {
            progress.note(&format!("caches: {note}"));
        }
        indices.write(tree, date)
    };
    let mut modules = index(&mut tree)?;
    let commands = run(&mut tree)?;
    if !commands.is_empty() {
        modules = index(&mut tree)?;
    }
    settings::check_modules(recipe, &modules)?;
    set_owners(&mut tree, &settings::owners(recipe), &report).map_err(rootfs)?;
    Ok((System { tree, release, modules }, commands))
}

impl System {
    pub(crate) fn split(self, date: Mtime, progress: &dyn Progress) -> Result<Parts, BuildError> {
        let full = self.tree.clone();
        let Split { usr, kernel, notes, .. } = split(self.tree, date).map_err(rootfs)?;
        say(&notes, progress);
        let kernel = kernel.ok_or(BuildError::NoKernel)?;
        Ok(Parts {
            full,
            usr: usr.into_tree(),
            kernel,
            release: self.release,
            modules: self.modules,
        })
    }
}

fn finish_input(recipe: &Recipe, release: &OsRelease, date: Mtime) -> FinishInput {
    FinishInput {
        date,
        users: users(recipe),
        files: files(recipe),
        etc: EtcInput { os_release: release.to_string(), ..EtcInput::default() },
        units: units(recipe),
        sysctl: recipe.sysctl.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
        tmpfiles: recipe.tmpfiles.iter().map(ToString::to_string).collect(),
        modules: settings::modules(recipe),
        alternatives: settings::choices(recipe),
        declarations: Vec::new(),
    }
}

fn users(recipe: &Recipe) -> UsersInput {
    let users = recipe.users.iter().map(|(name, user)| UserSpec {
        name: name.to_string(),
        uid: Some(user.uid),
        group: user.group.as_ref().map(ToString::to_string),
        groups: user.groups.iter().map(ToString::to_string).collect(),
        gecos: user.description.as_ref().map(ToString::to_string).unwrap_or_default(),
        home: Some(user.home.to_string()),
        shell: Some(user.shell.to_string()),
        password_hash: None,
        system: false,
    });
    let groups = recipe.groups.iter().map(|(name, group)| GroupSpec {
        name: name.to_string(),
        gid: Some(group.gid),
        members: Vec::new(),
    });
    UsersInput {
        users: users.collect(),
        groups: groups.collect(),
        ids: std::collections::BTreeMap::new(),
    }
}

fn files(recipe: &Recipe) -> Vec<OwnFile> {
    let mut all = Vec::new();
    for (path, directory) in &recipe.directories {
        all.push(OwnFile {
            path: path.to_string(),
            owner: directory.owner.to_string(),
            group: directory.group.to_string(),
            mode: Some(directory.mode.bits()),
            kind: OwnKind::Directory,
        });
    }
    for (path, file) in &recipe.files {
        all.push(OwnFile {
            path: path.to_string(),
            owner: file.owner.to_string(),
            group: file.group.to_string(),
            mode: Some(file.mode.bits()),
            kind: OwnKind::File(file.content.clone().into()),
        });
    }
    for (path, link) in &recipe.links {
        all.push(OwnFile {
            path: path.to_string(),
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: None,
            kind: OwnKind::Symlink(link.target.to_string()),
        });
    }
    all
}

fn units(recipe: &Recipe) -> UnitsInput {
    let mut input = UnitsInput::default();
    for (name, unit) in &recipe.units {
        match unit.enable {
            Some(true) => input.enable.push(name.to_string()),
            Some(false) => input.disable.push(name.to_string()),
            None => {}
        }
        if unit.mask {
            input.mask.push(name.to_string());
        }
        if let Some(content) = &unit.content {
            input.contents.insert(name.to_string(), content.clone());
        }
    }
    input
}

fn say(notes: &[Note], progress: &dyn Progress) {
    for note in notes {
        progress.note(&format!("{}: {}", note.step, note.text));
    }
}

fn rootfs(source: RootfsError) -> BuildError {
    BuildError::Rootfs(Box::new(source))
}
