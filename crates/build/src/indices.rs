use bytes::Bytes;
use flagstone_artifact::Architecture;
use flagstone_caches::Caches;
use flagstone_index::{ElfMachine, Hwdb, KernelModules, LdSoCache, LibraryDirs};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::{BuildError, WorkCache};

/// Versions of the packages whose tools write their own version into what they make.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolVersions {
    /// Of `libc-bin`, for the generator's name in `ld.so.cache`.
    pub(crate) libc_bin: String,
    /// Of `udev`, for the tool's version in `hwdb.bin`.
    pub(crate) udev: String,
    pub(crate) caches: flagstone_caches::ToolVersions,
}

/// All indices and caches over a finished tree.
#[derive(Debug)]
pub(crate) struct Indices {
    modules: KernelModules,
    hwdb: Option<Bytes>,
    libraries: LdSoCache,
    libraries_file: Vec<u8>,
    caches: Caches,
}

impl Indices {
    /// Makes all of them side by side: unpacking the kernel's modules takes longest. Does not change
    /// the tree.
    pub(crate) fn make(
        tree: &Tree,
        architecture: Architecture,
        tools: &ToolVersions,
        work: &WorkCache,
    ) -> Result<Self, BuildError> {
        let version = kernel_version(tree).ok_or(BuildError::NoKernel)?;
        let (others, modules) = rayon::join(
            || {
                rayon::join(
                    || hwdb(tree, &tools.udev, work),
                    || {
                        rayon::join(
                            || libraries(tree, architecture, &tools.libc_bin),
                            || Caches::make(tree, &tools.caches).map_err(BuildError::Cache),
                        )
                    },
                )
            },
            || KernelModules::read_cached(tree, &version, Some(work)).map_err(BuildError::Index),
        );
        let (hwdb, (libraries, caches)) = others;
        let (libraries, libraries_file) = libraries?;
        Ok(Self { modules: modules?, hwdb: hwdb?, libraries, libraries_file, caches: caches? })
    }

    /// Returns what a person may want to know.
    pub(crate) fn notes(&self) -> &[String] {
        self.caches.notes()
    }

    /// Puts them into the tree they were made from.
    pub(crate) fn write(self, tree: &mut Tree, date: Mtime) -> Result<KernelModules, BuildError> {
        self.modules.write_indices(tree, date).map_err(BuildError::Index)?;
        let directory = Metadata::root(0o755, date);
        if let Some(bytes) = self.hwdb {
            tree.put(Hwdb::PATH, directory, Inode::file(Metadata::root(0o444, date), bytes))?;
        }
        self.libraries.update_links(tree, date).map_err(BuildError::Index)?;
        let file = Inode::file(Metadata::root(0o644, date), self.libraries_file);
        tree.put("etc/ld.so.cache", directory, file)?;
        self.caches.write(tree, date).map_err(BuildError::Cache)?;
        Ok(self.modules)
    }
}

fn hwdb(tree: &Tree, udev: &str, work: &WorkCache) -> Result<Option<Bytes>, BuildError> {
    let tool = Hwdb::tool_version(udev).unwrap_or_default();
    Hwdb::file(tree, tool, work).map_err(BuildError::Index)
}

fn libraries(
    tree: &Tree,
    architecture: Architecture,
    libc_bin: &str,
) -> Result<(LdSoCache, Vec<u8>), BuildError> {
    let configured = LibraryDirs::read(tree, "etc/ld.so.conf")?;
    let cache =
        LdSoCache::read(tree, &configured, machine(architecture)).map_err(BuildError::Index)?;
    let generator = LdSoCache::debian_generator(libc_bin);
    let bytes = cache.to_bytes(&generator).map_err(BuildError::Index)?;
    Ok((cache, bytes))
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
