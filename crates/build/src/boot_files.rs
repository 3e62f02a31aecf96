use bytes::Bytes;
use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_boot::{
    ContentList, EFI_DIR, INITRD_ALIGNMENT, InitrdRequest, KernelArgument, KernelCommandLine,
    OsRelease, RootDevice, UkiParts, build_initrd, build_uki, cpio_parts, release_part, write_cpio,
};
use flagstone_index::KernelModules;
use flagstone_recipe::{Recipe, RootEncryption};
use flagstone_rootfs::Kernel;
use flagstone_tree::{Mtime, Tree};
use rayon::prelude::*;

use crate::work_cache::key;
use crate::{BuildError, Sort, WorkCache};

/// How hard the initrd is compressed: above this level it shrinks little, and all of it is read on
/// every boot, which favours a fast build over the last percent.
const INITRD_ZSTD_LEVEL: i32 = 6;

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
const INITRD: &str = "initrd 3";

/// The archives of an initrd, which the kernel unpacks over each other.
#[derive(Debug)]
pub(crate) struct InitrdParts {
    /// What is the same from release to release, compressed.
    common: Bytes,
    /// What names the release.
    release: Bytes,
}

impl InitrdParts {
    /// Returns the archives in order.
    pub(crate) fn archives(&self) -> [&Bytes; 2] {
        [&self.common, &self.release]
    }
}

/// What an initrd needs besides its own to open an encrypted ROOT, and the packages that bring it; the
/// libraries lie where the architecture has its own.
const TPM2_PROGRAMS: [(&str, &str); 2] = [
    ("usr/bin/systemd-cryptenroll", "systemd-cryptsetup"),
    ("usr/sbin/cryptsetup", "cryptsetup-bin"),
];
const TPM2_LIBRARIES: [(&str, &str); 3] = [
    ("libtss2-esys.so.0", "libtss2-esys-3.0.2-0t64"),
    ("libtss2-rc.so.0", "libtss2-rc0t64"),
    ("libtss2-tcti-device.so.0", "libtss2-tcti-device0t64"),
];

/// Checks that a machine can encrypt its ROOT, if it shall.
fn check_encryption(tree: &Tree, recipe: &Recipe) -> Result<(), BuildError> {
    if recipe.root_encryption == RootEncryption::None {
        return Ok(());
    }
    let multiarch = recipe.image.architecture.multiarch();
    let libraries =
        TPM2_LIBRARIES.map(|(name, package)| (format!("usr/lib/{multiarch}/{name}"), package));
    let programs = TPM2_PROGRAMS.map(|(path, package)| (path.to_owned(), package));
    match programs.into_iter().chain(libraries).find(|(path, _)| !tree.exists(path)) {
        Some((path, package)) => Err(BuildError::NoTpm2 { path, package }),
        None => Ok(()),
    }
}

/// Assembles the initrd and compresses it, unless the cache has it.
pub(crate) fn initrd(
    tree: &Tree,
    modules: &KernelModules,
    recipe: &Recipe,
    release: &OsRelease,
    date: Mtime,
    work: &WorkCache,
) -> Result<InitrdParts, BuildError> {
    check_encryption(tree, recipe)?;
    let mut release_archive = Vec::new();
    let part = release_part(&release.to_string(), date).map_err(BuildError::Initrd)?;
    write_cpio(&part, date.seconds, &mut release_archive).map_err(BuildError::Cpio)?;
    let common = common_initrd(tree, modules, recipe, date, work)?;
    Ok(InitrdParts { common, release: release_archive.into() })
}

fn common_initrd(
    tree: &Tree,
    modules: &KernelModules,
    recipe: &Recipe,
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
    let compressed = compress(&initrd.into_archive().map_err(BuildError::Initrd)?, date)?;
    work.keep(Sort::Initrds, &name, &compressed);
    Ok(compressed)
}

/// Compresses an initrd as several archives, each to a zstd frame of its own: an update changes few of
/// them, and a delta can compress one again without holding the others.
fn compress(tree: &Tree, date: Mtime) -> Result<Bytes, BuildError> {
    let parts = cpio_parts(tree, date.seconds).map_err(BuildError::Cpio)?;
    let frame = |part: Vec<u8>| zstd::bulk::compress(&part, INITRD_ZSTD_LEVEL);
    let frames = parts.into_par_iter().with_max_len(1).map(frame).collect::<Result<Vec<_>, _>>();
    let mut compressed = Vec::new();
    for frame in frames.map_err(BuildError::Compress)? {
        // The kernel looks for an archive at such positions only.
        while !(compressed.len() as u64).is_multiple_of(INITRD_ALIGNMENT) {
            compressed.push(0);
        }
        compressed.extend(frame);
    }
    Ok(compressed.into())
}

/// Puts kernel, initrd and command line into one image that names the usr image it belongs to.
pub(crate) fn uki(
    loader: &Loader,
    kernel: &Kernel,
    initrd: &InitrdParts,
    recipe: &Recipe,
    release: &OsRelease,
    root_hash: &Sha256Digest,
) -> Result<Vec<u8>, BuildError> {
    let root = match recipe.root_encryption {
        RootEncryption::None => RootDevice::Partition,
        RootEncryption::Tpm2 => RootDevice::Encrypted,
    };
    let cmdline = cmdline(KernelCommandLine::for_disk(root_hash, root), recipe)?;
    build_uki(&UkiParts {
        stub: &loader.stub,
        linux: &kernel.image,
        initrd: &initrd.archives().map(|archive| archive.clone().into()),
        os_release: release,
        cmdline: &cmdline,
        uname: &kernel.version,
    })
    .map_err(BuildError::Uki)
}

/// Adds the recipe's arguments.
pub(crate) fn cmdline(
    base: KernelCommandLine,
    recipe: &Recipe,
) -> Result<KernelCommandLine, BuildError> {
    let arguments = recipe.kernel.cmdline.iter().map(|argument| argument.as_str().parse());
    let arguments: Vec<KernelArgument> =
        arguments.collect::<Result<_, _>>().map_err(BuildError::Cmdline)?;
    base.with(arguments).map_err(BuildError::Cmdline)
}
