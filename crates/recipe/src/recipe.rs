use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use flagstone_artifact::{Architecture, ImageName, ParseError, Sha256Digest};

use crate::decode::Word;
use crate::source::At;
use crate::usr::UsrFormat;
use crate::{
    AbsolutePath, AccountName, Archive, ByteSize, CmdlineArg, Component, Diagnostic,
    FileCapabilities, Gecos, ImagePath, LinkTarget, Mode, ModuleName, ModuleOptions, PackageName,
    PathPattern, Run, RunName, ScriptName, Selection, SuiteName, SysctlKey, TmpfilesLine,
    TrustedKey, UnitName, Update,
};

/// What an image shall be: a recipe merged with all that it extends, and checked.
///
/// Files that it names have been read; nothing in it depends on a path any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipe {
    /// What the image is called.
    pub image: ImageName,
    /// The image's architecture, if the caller asked for another than the recipe's own.
    pub retarget: Option<Architecture>,
    /// Where packages come from.
    pub source: Source,
    /// Which packages may be chosen besides.
    pub selection: Selection,
    /// Packages to install, the kernel's not among them; see [`Self::requested`].
    pub packages: BTreeSet<PackageName>,
    /// Packages that are never installed, though others depend on them.
    pub exclude: BTreeSet<PackageName>,
    /// What to leave out of the image.
    pub prune: Vec<PathPattern>,
    /// What to keep in spite of `prune`.
    pub keep: Vec<PathPattern>,
    /// The kernel and its command line.
    pub kernel: Kernel,
    /// Kernel modules that the initrd carries besides its own.
    pub initrd_modules: BTreeSet<ModuleName>,
    /// Kernel parameters to set at boot.
    pub sysctl: BTreeMap<SysctlKey, String>,
    /// Kernel modules of the running system.
    pub modules: Modules,
    /// Lines of tmpfiles.d(5), in the recipe's order.
    pub tmpfiles: Vec<TmpfilesLine>,
    /// How /usr is stored.
    pub usr: UsrFormat,
    /// Sizes of the partitions.
    pub disk: DiskSizes,
    /// Whether ROOT is encrypted, and by what.
    pub root_encryption: RootEncryption,
    /// Where updates come from.
    pub update: Update,
    /// The certificates that system extensions must be signed by, in the recipe's order; without any, machines
    /// merge no extensions.
    pub extension_certificates: Vec<TrustedKey>,
    /// Files to add or replace; no path lies below a file or link of this recipe.
    pub files: BTreeMap<ImagePath, File>,
    /// Directories to add or change.
    pub directories: BTreeMap<ImagePath, Directory>,
    /// Symbolic links to add or replace.
    pub links: BTreeMap<ImagePath, Link>,
    /// Which program a command is.
    pub alternatives: BTreeMap<ImagePath, Alternative>,
    /// Owners, permissions and capabilities of what is there already; applied last of all.
    pub owners: BTreeMap<ImagePath, Owner>,
    /// Groups to add; without those that users bring along.
    pub groups: BTreeMap<AccountName, Group>,
    /// Users to add.
    pub users: BTreeMap<AccountName, User>,
    /// Units to configure.
    pub units: BTreeMap<UnitName, Unit>,
    /// Maintainer scripts that a person looked at and accepts unrun.
    pub scripts: BTreeMap<(PackageName, ScriptName), AcceptedScript>,
    /// Commands to run inside the tree, in this order.
    pub run: BTreeMap<RunName, Run>,
}

/// Where packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The distribution.
    pub distribution: Distribution,
    /// The suites to read: the release, then its updates and security updates if wanted.
    pub suites: Vec<Suite>,
    /// Components of each suite, in the recipe's order; at least one.
    pub components: Vec<Component>,
}

/// A suite to read, and the archive that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suite {
    /// Its name, as in the `Suite` or `Codename` of its Release file.
    pub name: SuiteName,
    /// The archive that holds it.
    pub archive: Archive,
}

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian.
    Debian,
}

/// How the file data of /usr is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 at its fastest.
    Lz4,
    /// LZ4 with a thorough search.
    Lz4hc,
    /// Zstandard, which Linux reads in this place since 6.10.
    Zstd,
}

/// The kernel and its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The package that brings the kernel, or depends on the one that does.
    pub package: PackageName,
    /// Arguments to append to those that the image needs.
    pub cmdline: Vec<CmdlineArg>,
}

/// Sizes of the partitions, each a multiple of 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSizes {
    /// The EFI system partition.
    pub esp: ByteSize,
    /// Each slot of /usr.
    pub usr: ByteSize,
    /// Each slot of the hash tree.
    pub usr_verity: ByteSize,
    /// The OEM partition.
    pub oem: ByteSize,
    /// The state partition before it grows.
    pub root: ByteSize,
}

/// Whether machines encrypt ROOT when they make it at their first boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootEncryption {
    /// It is not encrypted.
    #[default]
    None,
    /// LUKS 2, its key sealed by the machine's TPM 2.0, bound to PCR 7 (the state of Secure Boot).
    Tpm2,
}

/// A file to add or replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub content: Vec<u8>,
    /// Its permissions.
    pub mode: Mode,
    /// The owning user.
    pub owner: AccountName,
    /// The owning group.
    pub group: AccountName,
}

/// A directory to add or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its permissions.
    pub mode: Mode,
    /// The owning user.
    pub owner: AccountName,
    /// The owning group.
    pub group: AccountName,
}

/// A symbolic link to add or replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it points to.
    pub target: LinkTarget,
}

/// Kernel modules of the running system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// Those to load at boot, in the recipe's order.
    pub load: Vec<ModuleName>,
    /// Those that are not loaded for a device by themselves; none that is loaded at boot.
    pub blacklist: BTreeSet<ModuleName>,
    /// Their parameters.
    pub options: BTreeMap<ModuleName, ModuleOptions>,
}

/// The program that a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The program; never the command itself.
    pub program: ImagePath,
    /// Where the recipe says so, as `file:line`, for messages.
    pub place: String,
}

/// What changes of a file or directory that is there already; something does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owning user.
    pub owner: Option<AccountName>,
    /// The owning group.
    pub group: Option<AccountName>,
    /// The permissions.
    pub mode: Option<Mode>,
    /// What the program may do though its user may not.
    pub capabilities: Option<FileCapabilities>,
    /// Where the recipe says so, as `file:line`, for messages.
    pub place: String,
}

/// A group to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub gid: u32,
}

/// A user to add, without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The primary group; `None` for one of the user's own name and number.
    pub group: Option<AccountName>,
    /// Further groups.
    pub groups: BTreeSet<AccountName>,
    /// The home directory.
    pub home: AbsolutePath,
    /// The login shell.
    pub shell: AbsolutePath,
    /// The full name or purpose.
    pub description: Option<Gecos>,
}

/// What a recipe says about a systemd unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Enabled or disabled; `None` leaves it to the preset. Never `Some(true)` with `mask`.
    pub enable: Option<bool>,
    /// Masked; never with `content`.
    pub mask: bool,
    /// The unit file's text, if the recipe brings the unit.
    pub content: Option<String>,
}

/// A maintainer script that a person looked at and accepts unrun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedScript {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// What to say if the package's script is another one: where the recipe accepts which.
    changed: Diagnostic,
}

impl AcceptedScript {
    pub(crate) fn new(sha256: Sha256Digest, at: &At, package: &PackageName, script: &str) -> Self {
        let what = format!("the {script} of {package} is not the one that was accepted");
        Self { sha256, changed: at.error(what).expected(sha256.to_string()) }
    }

    /// Returns what to say of a package whose script has another digest.
    pub fn changed(&self, found: &Sha256Digest) -> Diagnostic {
        let hint = "look at the script's commands, then accept it anew by its digest";
        self.changed.clone().found(found.to_string()).hint(hint)
    }

    /// Returns what to say of a package that does not have the script.
    pub fn missing(&self) -> Diagnostic {
        self.changed.clone().found("no such script").hint("take the line out")
    }
}

impl Recipe {
    /// Returns every package that was asked for by name: the listed ones and the kernel's.
    pub fn requested(&self) -> BTreeSet<&PackageName> {
        self.packages.iter().chain([&self.kernel.package]).collect()
    }

    /// Returns the digest of what a lock is resolved from: architecture, suites, components,
    /// requested and excluded packages.
    ///
    /// A lock that records another digest does not belong to this recipe. Everything else in a
    /// recipe can change without a new lock.
    pub fn lock_inputs(&self) -> Sha256Digest {
        let mut text =
            format!("flagstone lock inputs 1\narchitecture {}\n", self.image.architecture);
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push(' ');
            text.push_str(value);
            text.push('\n');
        };
        line("distribution", self.source.distribution.name());
        for suite in &self.source.suites {
            line("suite", suite.name.as_str());
        }
        for component in self.source.components.iter().collect::<BTreeSet<_>>() {
            line("component", component.as_str());
        }
        for package in self.requested() {
            line("package", package.as_str());
        }
        for package in &self.exclude {
            line("exclude", package.as_str());
        }
        self.selection.inputs(line);
        Sha256Digest::of(text.as_bytes())
    }
}

impl Distribution {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^debian$";

    /// Returns the name in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Distribution {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        (text == "debian").then_some(Self::Debian).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "a distribution",
            rule: "it is \"debian\"",
        })
    }
}

impl Word for Distribution {}

impl Compression {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^(none|lz4|lz4hc|zstd)$";

    const ALL: [Self; 4] = [Self::None, Self::Lz4, Self::Lz4hc, Self::Zstd];

    /// Returns the name in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Lz4hc => "lz4hc",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|compression| compression.name() == text).ok_or_else(|| {
            ParseError {
                text: text.to_owned(),
                what: "a compression",
                rule: "it is \"none\", \"lz4\", \"lz4hc\" or \"zstd\"",
            }
        })
    }
}

impl Word for Compression {}

impl RootEncryption {
    #[cfg(test)]
    pub(crate) const PATTERN: &str = "^(none|tpm2)$";

    /// Returns the name in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpm2 => "tpm2",
        }
    }
}

impl fmt::Display for RootEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RootEncryption {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::None, Self::Tpm2].into_iter().find(|it| it.name() == text).ok_or_else(|| {
            ParseError {
                text: text.to_owned(),
                what: "an encryption of ROOT",
                rule: "it is \"none\" or \"tpm2\"",
            }
        })
    }
}

impl Word for RootEncryption {}

#[cfg(test)]
crate::schema::text_schema!(Distribution, "a distribution", Distribution::PATTERN);

#[cfg(test)]
crate::schema::text_schema!(Compression, "a compression", Compression::PATTERN);

#[cfg(test)]
crate::schema::text_schema!(RootEncryption, "an encryption of ROOT", RootEncryption::PATTERN);
