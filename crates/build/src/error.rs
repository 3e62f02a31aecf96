use std::error::Error;
use std::io;
use std::path::PathBuf;

use flagstone_artifact::Architecture;
use flagstone_boot::{CmdlineError, CpioError, InitrdError, OsReleaseError, UkiError};
use flagstone_caches::CacheError;
use flagstone_certificate::CertificateError;
use flagstone_debian::{
    ArchiveError, ControlError, DebError, GrammarError, ResolveError, SignatureError,
};
use flagstone_disk::{DiskError, FatError};
use flagstone_fetch::FetchError;
use flagstone_image::{ErofsError, VerityError};
use flagstone_index::IndexError;
use flagstone_recipe::StaleLock;
use flagstone_rootfs::RootfsError;
use flagstone_sandbox::SandboxError;
use flagstone_tree::TreeError;

/// Why a lock could not be made, or an image not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The archives cannot be read or trusted.
    #[error("failed to read the package archives")]
    Archive(#[source] Box<ArchiveError>),
    /// No set of packages satisfies the recipe.
    #[error("failed to choose packages")]
    Resolve(#[source] Box<ResolveError>),
    /// The recipe names no suite.
    #[error("the recipe names no suite to take packages from")]
    NoSuites,
    /// A word of the archives cannot stand in a lock.
    #[error("the archives use {0:?}, which cannot stand in a lock")]
    Word(String),
    /// The lock was made for another recipe.
    #[error("the lock does not belong to the recipe")]
    Stale(#[source] StaleLock),
    /// A package cannot be had.
    #[error("failed to fetch the packages")]
    Fetch(#[source] Box<FetchError>),
    /// A package was not fetched before the build.
    #[error("the package {package} is not in the cache any more")]
    NotCached {
        /// Its name.
        package: String,
    },
    /// A package is malformed.
    #[error("failed to unpack the package {package}")]
    Package {
        /// Its name.
        package: String,
        /// What is wrong with it.
        #[source]
        source: Box<DebError>,
    },
    /// The keys of a repository cannot be read.
    #[error("failed to read the keys in {}", path.display())]
    RepositoryKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<SignatureError>,
    },
    /// A package beside the recipe cannot be offered.
    #[error("failed to use the package in {}", path.display())]
    LocalDeb {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ControlError>,
    },
    /// Two files beside the recipe hold the same package.
    #[error("{} holds a package that another file of `debs` holds too", path.display())]
    LocalDebTwice {
        /// The second file.
        path: PathBuf,
    },
    /// A package's relations are malformed.
    #[error("failed to read the field Replaces of the package {package}")]
    Relation {
        /// Its name.
        package: String,
        /// What is wrong with it.
        #[source]
        source: Box<GrammarError>,
    },
    /// An archive holds another package than its place says.
    #[error("expected the package {expected}, found {actual}")]
    OtherPackage {
        /// What the lock says.
        expected: String,
        /// What the package says.
        actual: String,
    },
    /// The tree cannot be made.
    #[error("failed to make the root file system")]
    Rootfs(#[source] Box<RootfsError>),
    /// The tree cannot be edited.
    #[error("failed to edit the root file system")]
    Tree(#[from] TreeError),
    /// An index over the tree cannot be made.
    #[error("failed to index the root file system")]
    Index(#[source] IndexError),
    /// A cache of desktop data cannot be made.
    #[error("failed to make the caches of desktop data")]
    Cache(#[source] CacheError),
    /// No package brings a kernel.
    #[error("the image has no kernel: none of its packages brings boot/vmlinuz-*")]
    NoKernel,
    /// The kernel lacks a module that is to be loaded at boot.
    #[error("the recipe loads a module at boot that cannot be loaded")]
    BootModule(#[source] IndexError),
    /// No package brings the boot loader.
    #[error("the image has no boot loader: no package brings {path}")]
    NoLoader {
        /// Where it should be.
        path: String,
        /// Why it was not found.
        #[source]
        source: TreeError,
    },
    /// ROOT is to be encrypted, and a program or library for that is missing.
    #[error("the recipe encrypts ROOT by a TPM, and the image has no {path}")]
    NoTpm2 {
        /// What is missing.
        path: String,
        /// The package that has it.
        package: &'static str,
    },
    /// The recipe has commands, and nobody allowed them.
    #[error(
        "the recipe runs commands inside the tree, which is not allowed: {command}, at {place}"
    )]
    CommandsRefused {
        /// The first of them.
        command: String,
        /// Where the recipe has it.
        place: String,
    },
    /// The recipe has commands, and the image is for another processor.
    #[error("the command {command} cannot run: the image is for {image}, this machine is {host}")]
    ForeignCommands {
        /// The first of them.
        command: String,
        /// The image's architecture.
        image: Architecture,
        /// This machine's processor.
        host: String,
    },
    /// The program of a command is not in the image.
    #[error("the command {command}, at {place}, is {program}, which is not in the image")]
    NoProgram {
        /// The command's name.
        command: String,
        /// The program.
        program: String,
        /// Where the recipe has it.
        place: String,
    },
    /// A command of the recipe failed.
    #[error("failed to run the recipe's commands")]
    Command(#[source] Box<SandboxError>),
    /// The initrd cannot be assembled.
    #[error("failed to assemble the initrd")]
    Initrd(#[source] InitrdError),
    /// The initrd cannot be packed.
    #[error("failed to pack the initrd")]
    Cpio(#[source] CpioError),
    /// The initrd cannot be compressed.
    #[error("failed to compress the initrd")]
    Compress(#[source] io::Error),
    /// A variable of os-release breaks its rules.
    #[error("failed to write os-release")]
    OsRelease(#[from] OsReleaseError),
    /// The command line breaks its rules.
    #[error("failed to make the kernel command line")]
    Cmdline(#[source] CmdlineError),
    /// The unified kernel image cannot be made.
    #[error("failed to make the kernel image")]
    Uki(#[source] UkiError),
    /// The usr image cannot be written.
    #[error("failed to write the usr image")]
    Erofs(#[source] ErofsError),
    /// The hash tree cannot be written.
    #[error("failed to write the usr image's hash tree")]
    Verity(#[source] VerityError),
    /// The disk cannot be planned or written.
    #[error("failed to write the disk image")]
    Disk(#[source] DiskError),
    /// The EFI system partition cannot be made.
    #[error("failed to make the EFI system partition")]
    Esp(#[source] FatError),
    /// A second kernel image would not fit.
    #[error("the EFI system partition has no room for a second kernel image, which updates need")]
    EspTwice(#[source] FatError),
    /// The manifest cannot be rendered.
    #[error("failed to render the manifest")]
    Manifest(#[source] serde_json::Error),
    /// An artefact is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// Its path.
        path: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The recipe wants flagstone-agent in the image, and there is none.
    #[error(
        "the recipe wants flagstone-agent for {architecture} in the image, and it is not there"
    )]
    NoAgent {
        /// The image's architecture.
        architecture: Architecture,
    },
    /// flagstone-agent cannot go into the image.
    #[error("{} cannot be the image's flagstone-agent: {reason}", path.display())]
    Agent {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys that updates shall be trusted by are none.
    #[error("the recipe's keys for updates are wrong: {}", path.display())]
    TrustedKeys {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: flagstone_signature::SignatureError,
    },
    /// The root that machines shall start from is none.
    #[error("the recipe's root for updates is wrong: {}", path.display())]
    UpdateRoot {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<flagstone_repository::RepositoryError>,
    },
    /// Machines would take updates that other distributions' keys have signed.
    #[error("the recipe names an address for systemd-sysupdate, but no keys")]
    NoKeyring,
    /// The keys for systemd-sysupdate are not in the form that it reads.
    #[error("{} is not a keyring of OpenPGP keys", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
    },
    /// The thread pool cannot be made.
    #[error("failed to start worker threads")]
    Threads(#[source] Box<dyn Error + Send + Sync>),
    /// A file that a recipe names is no certificate.
    #[error("failed to use the certificate {}", path.display())]
    ExtensionCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<CertificateError>,
    },
    /// A root hash cannot be signed.
    #[error("failed to sign the extension")]
    Sign(#[source] Box<CertificateError>),
    /// An extension has the name of its base.
    #[error("the extension and its base are both called {id}")]
    ExtensionName {
        /// The name.
        id: String,
    },
    /// An extension is for other machines than its base.
    #[error("the base is for {base}, the extension for {extension}")]
    OtherArchitecture {
        /// The base's.
        base: Architecture,
        /// The extension's.
        extension: Architecture,
    },
    /// The locks of an extension and its base do not go together.
    #[error("the base has {package} {base}, the extension {extension}")]
    OtherVersion {
        /// The package.
        package: String,
        /// The base's version.
        base: String,
        /// The extension's version.
        extension: String,
    },
}

impl BuildError {
    /// Returns what the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Archive(source) => source.hint(),
            Self::Resolve(source) => source.hint(),
            Self::Fetch(source) => source.hint(),
            Self::Stale(source) => source.hint(),
            Self::Rootfs(source) => source.hint(),
            Self::Initrd(source) => source.hint(),
            Self::Index(source) | Self::BootModule(source) => source.hint(),
            Self::Disk(source) => source.hint(),
            Self::RepositoryKey { source, .. } => source.hint(),
            Self::LocalDebTwice { .. } => Some("take one of them out of `debs`".to_owned()),
            Self::NoKernel => {
                Some("name a kernel's package under [kernel] in the recipe".to_owned())
            }
            Self::CommandsRefused { .. } => Some(
                "`flagstone build --allow-run` runs them; what it builds then depends on more than \
                 recipe and lock"
                    .to_owned(),
            ),
            Self::ForeignCommands { .. } => {
                Some("build on a machine of that kind, or do without commands".to_owned())
            }
            Self::NoProgram { .. } => {
                Some("add the package that ships it, or correct the path".to_owned())
            }
            Self::Command(source) => source.hint(),
            Self::NoLoader { .. } => {
                Some("add systemd-boot-efi to the recipe's packages".to_owned())
            }
            Self::NoTpm2 { package, .. } => {
                Some(format!("add {package} to the recipe's packages"))
            }
            Self::EspTwice(_) => Some("make `esp` larger under [disk] in the recipe".to_owned()),
            Self::NoAgent { .. } | Self::Agent { .. } => Some(
                "build it (`cargo build --release -p flagstone-agent`) so that it lies beside \
                 flagstone, or name it with --agent; `[update] agent = false` does without"
                    .to_owned(),
            ),
            Self::TrustedKeys { source, .. } => source.hint(),
            Self::ExtensionCertificate { source, .. } | Self::Sign(source) => {
                source.hint().map(str::to_owned)
            }
            Self::ExtensionName { .. } => {
                Some("give the extension an id of its own under [image]".to_owned())
            }
            Self::OtherVersion { .. } => Some(
                "remove the extension's lock: the next one is made from the base's versions"
                    .to_owned(),
            ),
            Self::UpdateRoot { .. } => Some(
                "`[update] root` names the newest `metadata/N.root.json` of a repository that \
                 `flagstone publish` made"
                    .to_owned(),
            ),
            Self::NoKeyring => Some(
                "name what `gpg --export KEY` wrote by `[update] sysupdate-keyring`: systemd's own \
                 keyring has keys of other distributions"
                    .to_owned(),
            ),
            Self::Keyring { .. } => Some(
                "`[update] sysupdate-keyring` names what `gpg --export KEY` writes, without --armor"
                    .to_owned(),
            ),
            Self::NotCached { .. } => Some("run the command again".to_owned()),
            Self::Exists { .. } => {
                Some("add --force to replace it, or choose another folder with --out".to_owned())
            }
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("choose a folder that you may write to with --out".to_owned())
                }
                _ => None,
            },
            _ => None,
        }
    }
}
