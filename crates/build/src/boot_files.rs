use std::io::Write;

use bytes::Bytes;
use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_boot::{
    ContentList, InitrdRequest, KernelArgument, KernelCommandLine, OsRelease, UkiParts,
    build_initrd, build_uki, write_cpio,
};
use flagstone_index::KernelModules;
use flagstone_recipe::Recipe;
use flagstone_tree::{Mtime, Tree};

use crate::work_cache::key;
use crate::{BuildError, Sort, WorkCache};

/// How hard the initrd is compressed: above this level it shrinks little, and all of it is read on
/// every boot, which favours a fast build over the last percent.
const INITRD_ZSTD_LEVEL: i32 = 6;

/// How many threads compress the initrd. The output depends on whether there are any, but not on
/// their number, which is fixed all the same.
const INITRD_ZSTD_THREADS: u32 = 2;

/// Where systemd's loader and stub lie in the tree.
const EFI_DIR: &str = "usr/lib/systemd/boot/efi";

/// What the firmware and the loader start, taken from the finished tree.
#[derive(Debug)]
pub(crate) struct Loader {
    /// systemd-boot.
    pub(crate) boot: Bytes,
    /// systemd-stub, which a unified kernel image begins with.
    pub(crate) stub: Bytes,
}

/// Takes loader and stub out of the image's own packages.
pub(crate) fn loader(tree: &Tree, architecture: Architecture) -> Result<Loader, BuildError> {
    let read = |name: String| {
        let path = format!("{EFI_DIR}/{name}");
        tree.read(&path).map_err(|source| BuildError::NoLoader { path, source })
    };
    Ok(Loader {
        boot: read(format!("systemd-boot{}.efi", architecture.efi()))?,
        stub: read(format!("linux{}.efi.stub", architecture.efi()))?,
    })
}

/// The version of how an initrd becomes an archive; whoever changes that changes the number.
const INITRD: &str = "initrd 1";

/// Assembles the initrd and compresses it, unless the cache has it.
pub(crate) fn initrd(
    tree: &Tree,
    modules: &KernelModules,
    recipe: &Recipe,
    release: &OsRelease,
    date: Mtime,
    work: &WorkCache,
) -> Result<Bytes, BuildError> {
    let mut content = ContentList::shipped().map_err(BuildError::Initrd)?;
    for module in &recipe.initrd_modules {
        content.require_module(module.as_str());
    }
    let initrd = build_initrd(&InitrdRequest {
        tree,
        modules,
        content: &content,
        architecture: recipe.image.architecture,
        release: &release.to_string(),
        mtime: date,
    })
    .map_err(BuildError::Initrd)?;
    let what = format!(
        "{INITRD}, date {}, libzstd {}, level {INITRD_ZSTD_LEVEL}",
        date.seconds,
        zstd::zstd_safe::version_number()
    );
    let name = key(&what, &initrd.tree.digest()?);
    if let Some(compressed) = work.get(Sort::Initrds, &name) {
        return Ok(compressed);
    }
    let compressed = compress(&initrd.tree, date)?;
    work.keep(Sort::Initrds, &name, &compressed);
    Ok(compressed)
}

fn compress(tree: &Tree, date: Mtime) -> Result<Bytes, BuildError> {
    let mut encoder =
        zstd::Encoder::new(Vec::new(), INITRD_ZSTD_LEVEL).map_err(BuildError::Compress)?;
    encoder.multithread(INITRD_ZSTD_THREADS).map_err(BuildError::Compress)?;
    write_cpio(tree, date.seconds, &mut encoder).map_err(BuildError::Cpio)?;
    encoder.flush().map_err(BuildError::Compress)?;
    Ok(encoder.finish().map_err(BuildError::Compress)?.into())
}

/// Puts kernel, initrd and command line into one image that names the usr image it belongs to.
pub(crate) fn uki(
    loader: &Loader,
    linux: &[u8],
    kernel_version: &str,
    initrd: &[u8],
    recipe: &Recipe,
    release: &OsRelease,
    root_hash: &Sha256Digest,
) -> Result<Vec<u8>, BuildError> {
    let mut arguments = Vec::new();
    for argument in &recipe.kernel.cmdline {
        let argument: KernelArgument = argument.as_str().parse().map_err(BuildError::Cmdline)?;
        arguments.push(argument);
    }
    let cmdline =
        KernelCommandLine::for_disk(root_hash).with(arguments).map_err(BuildError::Cmdline)?;
    build_uki(&UkiParts {
        stub: &loader.stub,
        linux,
        initrd: &[initrd],
        os_release: release,
        cmdline: &cmdline,
        uname: kernel_version,
    })
    .map_err(BuildError::Uki)
}
