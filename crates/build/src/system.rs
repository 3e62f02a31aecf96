use flagstone_artifact::Architecture;
use flagstone_boot::OsRelease;
use flagstone_index::{ElfMachine, Hwdb, KernelModules, LdSoCache, LibraryDirs};
use flagstone_recipe::Recipe;
use flagstone_rootfs::{
    EtcInput, FinishInput, Glob, GroupSpec, Kernel, MergeInput, Note, OwnFile, OwnKind, PruneList,
    RootfsError, Split, UnitsInput, UserSpec, UsersInput, finish, merge, split,
};
use flagstone_scripts::Declaration;
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::packages::Unpacked;
use crate::release::os_release;
use crate::{BuildError, Progress};

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

/// Versions of the packages whose tools write their own version into what they make.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolVersions {
    /// Of `libc-bin`, for the generator's name in `ld.so.cache`.
    pub(crate) libc_bin: String,
    /// Of `udev`, for the tool's version in `hwdb.bin`.
    pub(crate) udev: String,
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

/// Does what maintainer scripts would have done, and makes the indices.
pub(crate) fn finish_system(
    mut tree: Tree,
    recipe: &Recipe,
    declarations: Vec<(String, Declaration)>,
    tools: &ToolVersions,
    date: Mtime,
    progress: &dyn Progress,
) -> Result<System, BuildError> {
    let base =
        tree.read_text("usr/lib/os-release").or_else(|_| tree.read_text("etc/os-release"))?;
    let release = os_release(&recipe.image, &base)?;
    let input = FinishInput { declarations, ..finish_input(recipe, &release, date) };
    let report = finish(&mut tree, &input).map_err(rootfs)?;
    say(&report.notes, progress);
    let modules = write_indices(&mut tree, recipe.image.architecture, tools, date)?;
    Ok(System { tree, release, modules })
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

fn write_indices(
    tree: &mut Tree,
    architecture: Architecture,
    tools: &ToolVersions,
    date: Mtime,
) -> Result<KernelModules, BuildError> {
    let version = kernel_version(tree).ok_or(BuildError::NoKernel)?;
    let modules = KernelModules::read(tree, &version).map_err(BuildError::Index)?;
    modules.write_indices(tree, date).map_err(BuildError::Index)?;
    if let Some(hwdb) = Hwdb::read(tree).map_err(BuildError::Index)? {
        let tool = Hwdb::tool_version(&tools.udev).unwrap_or_default();
        hwdb.write(tree, tool, date).map_err(BuildError::Index)?;
    }
    let configured = LibraryDirs::read(tree, "etc/ld.so.conf")?;
    let cache =
        LdSoCache::read(tree, &configured, machine(architecture)).map_err(BuildError::Index)?;
    cache.update_links(tree, date).map_err(BuildError::Index)?;
    let generator = LdSoCache::debian_generator(&tools.libc_bin);
    let bytes = cache.to_bytes(&generator).map_err(BuildError::Index)?;
    let file = Inode::file(Metadata::root(0o644, date), bytes);
    tree.put("etc/ld.so.cache", Metadata::root(0o755, date), file)?;
    Ok(modules)
}

fn machine(architecture: Architecture) -> ElfMachine {
    match architecture {
        Architecture::X86_64 => ElfMachine::X86_64,
        Architecture::Arm64 => ElfMachine::AARCH64,
    }
}

/// Returns the version of the kernel whose image the tree holds.
fn kernel_version(tree: &Tree) -> Option<String> {
    let (_, boot) = tree.resolve("boot").ok()?;
    let mut names = tree.inode(boot).children()?.keys().map(ToString::to_string);
    names.find_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
}

fn finish_input(recipe: &Recipe, release: &OsRelease, date: Mtime) -> FinishInput {
    FinishInput {
        date,
        users: users(recipe),
        files: files(recipe),
        etc: EtcInput { os_release: release.to_string(), ..EtcInput::default() },
        units: units(recipe),
        sysctl: recipe.sysctl.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
        tmpfiles: Vec::new(),
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
