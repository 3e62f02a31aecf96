//! Kernel modules: reading them, their dependencies, their indices.

mod builtin;
mod cache;
mod closure;
mod compression;
mod graph;
mod hash;
mod indices;
mod listing;
mod module;
mod name;
mod trie;

pub use closure::{ModuleClosure, module_closure};
pub use compression::decompress_modules;
pub use module::{Declared, Module};
pub use name::ModuleName;

use std::collections::BTreeMap;

use flagstone_tree::{Tree, TreePath};

use crate::{IndexCache, IndexError};
use builtin::Builtin;
use graph::Graph;

/// The modules of one kernel, read from a tree.
///
/// They are in depmod's order: as `modules.order` lists them, then the others by path.
#[derive(Debug)]
pub struct KernelModules {
    version: String,
    directory: TreePath,
    modules: Vec<Module>,
    by_name: BTreeMap<ModuleName, usize>,
    builtin: Builtin,
    graph: Graph,
}

impl KernelModules {
    /// Reads every module in `usr/lib/modules/<version>`, in parallel.
    ///
    /// `updates/` wins over the rest where both hold a module. Configuration of depmod (`depmod.d`)
    /// is not read.
    ///
    /// # Errors
    /// [`IndexError`] for a kernel that is not there and for modules that cannot be read, are
    /// there twice, or depend on each other in a circle.
    pub fn read(tree: &Tree, version: &str) -> Result<Self, IndexError> {
        Self::read_cached(tree, version, None)
    }

    /// Reads the same, but what modules say from a store if that has it; if not, it is put there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_cached(
        tree: &Tree,
        version: &str,
        cache: Option<&dyn IndexCache>,
    ) -> Result<Self, IndexError> {
        let directory = listing::directory(tree, version)?;
        let files = listing::module_files(tree, &directory)?;
        let order = listing::order(tree, &directory)?;
        let modules = listing::sorted(module::read_all(files, cache)?, order.as_deref());
        let by_name =
            modules.iter().enumerate().map(|(i, module)| (module.name.clone(), i)).collect();
        let builtin = Builtin::read(tree, &directory)?;
        let graph = Graph::new(&modules)?;
        Ok(Self { version: version.to_owned(), directory, modules, by_name, builtin, graph })
    }

    /// Returns the kernel's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the directory that holds the modules and their indices.
    pub fn directory(&self) -> &TreePath {
        &self.directory
    }

    /// Returns the modules.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Returns the module of a name, with dashes or underscores.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.by_name.get(&ModuleName::new(name)).map(|&i| &self.modules[i])
    }
}

/// Removes a file's module extension, if it has one.
fn without_extension(name: &[u8]) -> Option<&[u8]> {
    [&b".ko"[..], b".ko.xz", b".ko.zst", b".ko.gz"]
        .iter()
        .find_map(|extension| name.strip_suffix(*extension))
        .filter(|stem| !stem.is_empty())
}
