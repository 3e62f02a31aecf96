//! Which files are modules, and in which order depmod meets them.

use std::collections::BTreeMap;

use flagstone_tree::{Content, FileName, Inode, Kind, Tree, TreeError, TreePath};

use super::{Module, ModuleName, hash, without_extension};
use crate::IndexError;
use crate::trail::follow;

/// The directory whose modules win over others of the same name (depmod's default `search`).
const UPDATES: &[u8] = b"updates";

/// Links to the kernel's sources, which hold no installed module.
const NOT_MODULES: [&[u8]; 2] = [b"build", b"source"];

/// The buckets of depmod's table of names, which order modules if `modules.order` is missing.
const NAME_BUCKETS: u32 = 512;

/// A file that holds a module.
#[derive(Clone, Debug)]
pub(super) struct ModuleFile {
    /// Its path in the tree.
    pub(super) path: TreePath,
    /// Its path below the kernel's directory.
    pub(super) relative: Vec<u8>,
    pub(super) name: ModuleName,
    pub(super) content: Content,
}

/// Finds the directory of a kernel's modules.
pub(super) fn directory(tree: &Tree, version: &str) -> Result<TreePath, IndexError> {
    let no_kernel = || IndexError::NoKernel(version.to_owned());
    FileName::new(version.as_bytes()).map_err(|_| no_kernel())?;
    let (path, id) = tree.resolve(format!("usr/lib/modules/{version}")).map_err(|_| no_kernel())?;
    tree.inode(id).children().ok_or_else(no_kernel)?;
    Ok(path)
}

/// Lists every file of a kernel that holds a module.
pub(super) fn all_files(tree: &Tree, directory: &TreePath) -> Result<Vec<ModuleFile>, IndexError> {
    let mut files = Vec::new();
    collect(tree, directory, &[], &mut files)?;
    Ok(files)
}

/// Lists the modules of a kernel, sorted by path, one of each name.
pub(super) fn module_files(
    tree: &Tree,
    directory: &TreePath,
) -> Result<Vec<ModuleFile>, IndexError> {
    let files = all_files(tree, directory)?;
    let mut chosen: BTreeMap<ModuleName, ModuleFile> = BTreeMap::new();
    for file in files {
        let Some(other) = chosen.get(&file.name) else {
            chosen.insert(file.name.clone(), file);
            continue;
        };
        match (is_update(&other.relative), is_update(&file.relative)) {
            (true, false) => {}
            (false, true) => {
                chosen.insert(file.name.clone(), file);
            }
            _ => {
                return Err(IndexError::DuplicateModule {
                    first: other.path.clone(),
                    second: file.path,
                });
            }
        }
    }
    let mut files: Vec<ModuleFile> = chosen.into_values().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_update(relative: &[u8]) -> bool {
    relative.strip_prefix(UPDATES).is_some_and(|rest| rest.starts_with(b"/"))
}

fn collect(
    tree: &Tree,
    directory: &TreePath,
    relative: &[u8],
    files: &mut Vec<ModuleFile>,
) -> Result<(), IndexError> {
    let inode = tree.lookup(directory).map(|id| tree.inode(id));
    let Some(children) = inode.and_then(Inode::children) else { return Ok(()) };
    for (name, &id) in children {
        let bytes = name.as_bytes();
        if NOT_MODULES.contains(&bytes) {
            continue;
        }
        let path = directory.join(name);
        let relative = [relative, bytes].concat();
        let inode = match &tree.inode(id).kind {
            Kind::Directory(_) => {
                collect(tree, &path, &[&relative, &b"/"[..]].concat(), files)?;
                continue;
            }
            Kind::Symlink(_) => follow(tree, path.as_bytes()).map(|trail| trail.inode),
            _ => Some(tree.inode(id)),
        };
        let content = inode.and_then(Inode::content);
        let (Some(_), Some(content)) = (without_extension(bytes), content) else { continue };
        let name = std::str::from_utf8(bytes)
            .map_err(|_| IndexError::Tree(TreeError::NotText(path.clone())))?;
        let name = ModuleName::new(name);
        files.push(ModuleFile { path, relative, name, content: content.clone() });
    }
    Ok(())
}

/// Reads `modules.order`: paths below the kernel's directory, ending in `.ko`.
pub(super) fn order(tree: &Tree, directory: &TreePath) -> Result<Option<Vec<Vec<u8>>>, IndexError> {
    let text = read_beside(tree, directory, "modules.order")?;
    Ok(text.map(|text| text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect()))
}

/// Reads a file of the kernel's directory; `None` if there is none.
pub(super) fn read_beside(
    tree: &Tree,
    directory: &TreePath,
    name: &str,
) -> Result<Option<bytes::Bytes>, IndexError> {
    match tree.read(directory.join(&FileName::new(name.as_bytes())?)) {
        Ok(text) => Ok(Some(text)),
        Err(TreeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sorts modules, which come by path, as depmod does.
pub(super) fn sorted(mut modules: Vec<Module>, order: Option<&[Vec<u8>]>) -> Vec<Module> {
    let Some(order) = order else {
        modules.sort_by_cached_key(|module| {
            (hash::bucket(module.name.as_str(), NAME_BUCKETS), module.name.clone())
        });
        return modules;
    };
    let mut place: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (i, line) in order.iter().enumerate() {
        place.entry(line).or_insert(i);
    }
    modules.sort_by_cached_key(|module| {
        let stem = without_extension(&module.relative).unwrap_or_default();
        place.get([stem, b".ko"].concat().as_slice()).copied().unwrap_or(order.len())
    });
    modules
}
