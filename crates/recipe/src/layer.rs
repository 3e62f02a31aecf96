//! The keys of a recipe file. What a file says is a *layer*; layers are laid over each other before
//! anything is required or defaulted.

use std::fmt;

use flagstone_artifact::{Architecture, ImageId, ImageVersion, Sha256Digest};
use toml::de::DeValue;

use crate::decode::{Decode, Node, decode_integer, decode_signed, quotes};
use crate::keyed::Keyed;
use crate::list::List;
use crate::or_remove::OrRemove;
use crate::recipe::{Compression, Distribution, RootEncryption};
use crate::report::Report;
use crate::run::{RunLayer, RunName};
use crate::source::{At, Located};
use crate::table::{Entry, Onto, Supersede, Table, table};
use crate::update::Threshold;
use crate::usr::CompressionLevel;
use crate::{
    AbsolutePath, AccountName, ByteSize, Channel, CmdlineArg, Component, FileCapabilities, Gecos,
    ImagePath, LinkTarget, Mode, ModuleName, ModuleOptions, PackageName, PathPattern,
    RepositoryName, SuiteName, SysctlKey, TmpfilesLine, UnitName, UpdateUrl, VersionPattern,
};

table! {
    layer
    /// A Flagstone recipe: what an image shall be.
    struct RecipeLayer {
        /// The recipe to lay this one over: a path relative to this file, or the name of a shipped
        /// recipe.
        extends: String,
        /// What the image is called.
        image: ImageLayer,
        /// Where packages come from.
        source: SourceLayer,
        /// Debian packages to install, with what they depend on.
        packages: List<PackageName>,
        /// Packages that are never installed; what depends on them is accepted without.
        exclude: List<PackageName>,
        /// Which versions of some packages may be chosen, and from where, by package.
        pin: Keyed<PackageName, PinLayer>,
        /// Repositories of others, by a name of your choice.
        repositories: Keyed<RepositoryName, RepositoryLayer>,
        /// Packages in files, relative to the recipe: each is installed, and stands in for all others
        /// of its name.
        debs: List<RelativePath>,
        /// Paths to leave out of the image, with everything below; `*` and `?` match within a name.
        prune: List<PathPattern>,
        /// Paths to keep in spite of `prune`.
        keep: List<PathPattern>,
        /// The kernel and its command line.
        kernel: KernelLayer,
        /// The initial RAM disk.
        initrd: InitrdLayer,
        /// Kernel parameters to set at boot, by key.
        sysctl: Keyed<SysctlKey, SysctlLayer>,
        /// Kernel modules to load at boot, their options, and those that nothing loads by itself.
        modules: ModulesLayer,
        /// Lines of tmpfiles.d(5): what the machine makes at boot outside /usr and /etc.
        tmpfiles: List<TmpfilesLine>,
        /// The file system of /usr.
        usr: UsrLayer,
        /// Sizes of the partitions.
        disk: DiskLayer,
        /// Where updates come from and who may sign them.
        update: UpdateLayer,
        /// System extensions that machines merge into /usr.
        extensions: ExtensionsLayer,
        /// Files to add or replace, by path.
        files: Keyed<ImagePath, FileLayer>,
        /// Directories to add or change, by path.
        directories: Keyed<ImagePath, DirectoryLayer>,
        /// Symbolic links to add or replace, by path.
        links: Keyed<ImagePath, LinkLayer>,
        /// Which program a command is where several packages bring one, by the command's path.
        alternatives: Keyed<ImagePath, OrRemove<ImagePath>>,
        /// Owners, permissions and capabilities of what is there already, by path.
        owners: Keyed<ImagePath, OwnerLayer>,
        /// Groups to add, by name.
        groups: Keyed<AccountName, GroupLayer>,
        /// Users to add, by name.
        users: Keyed<AccountName, UserLayer>,
        /// systemd units to enable, disable, mask or add, by name.
        units: Keyed<UnitName, UnitLayer>,
        /// Maintainer scripts that a person looked at and accepts unrun, by package.
        scripts: Keyed<PackageName, ScriptsLayer>,
        /// Commands to run inside the tree, in the order of their names; `build` needs --allow-run.
        run: Keyed<RunName, RunLayer>,
        /// What to lay over this file for one architecture, by the architecture's name.
        on: OnLayers,
    }
}

/// What a file says for single architectures: layers over its own, of which at most one is used.
#[derive(Debug, Default)]
pub(crate) struct OnLayers(pub(crate) Keyed<Architecture, RecipeLayer>);

impl OnLayers {
    /// Takes the layer of one architecture out.
    pub(crate) fn take(mut self, architecture: Architecture) -> Option<RecipeLayer> {
        self.0.0.remove(&architecture).map(|layer| layer.value)
    }
}

/// They belong to one file, and are laid over it before another file comes over both.
impl Onto for OnLayers {}

impl Decode for OnLayers {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let layers: Keyed<Architecture, RecipeLayer> = Keyed::decode(node, report)?;
        for (architecture, layer) in &layers.0 {
            let layer = &layer.value;
            let places = [
                ("extends", layer.extends.as_ref().map(|value| &value.at)),
                ("image", layer.image.as_ref().map(|value| &value.at)),
                ("on", layer.on.as_ref().map(|value| &value.at)),
            ];
            for (key, at) in places.into_iter().filter_map(|(key, at)| Some((key, at?))) {
                report.push(
                    at.error(format!("`{key}` cannot depend on the architecture"))
                        .hint(format!("take it out of [on.{architecture}]")),
                );
            }
        }
        Some(Self(layers))
    }
}

table! {
    layer
    /// What the image is called.
    struct ImageLayer {
        /// The image's id, `IMAGE_ID=` in os-release.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::ImageIdText>"))]
        id: ImageId,
        /// The image's version, `IMAGE_VERSION=` in os-release.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::ImageVersionText>"))]
        version: ImageVersion,
        /// The processor architecture.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::ArchitectureText>"))]
        architecture: Architecture,
    }
}

table! {
    layer
    /// Where packages come from.
    struct SourceLayer {
        /// The distribution; only "debian" is known.
        distribution: Distribution,
        /// The release's code name.
        suite: SuiteName,
        /// Whether the suite's -updates are used too; true unless said otherwise.
        updates: bool,
        /// Whether the suite's -security updates are used too; true unless said otherwise.
        security: bool,
        /// Components of the suites; "main" unless said otherwise.
        components: List<Component>,
        /// Further suites of the distribution, such as "trixie-backports". What a suite does not
        /// offer by itself (`NotAutomatic`) is taken where a pin asks for it.
        extra: List<SuiteName>,
        /// Whether recommended packages are installed too; false unless said otherwise.
        recommends: bool,
    }
}

table! {
    entry
    /// Which candidates of a package may be chosen: those that all keys allow.
    struct PinLayer {
        /// The version, or how it starts: "1:2.3-4", "6.12.*".
        version: VersionPattern,
        /// The suite that offers it.
        suite: SuiteName,
        /// The repository that offers it.
        repository: RepositoryName,
    }
}

table! {
    entry
    /// A repository of somebody else's. Where it is served is said by `--repository NAME=URL` or the
    /// configuration file. It adds packages; those that Debian has come from it by a pin alone.
    struct RepositoryLayer {
        /// The suite to read.
        suite: SuiteName,
        /// Components of the suite; "main" unless said otherwise.
        components: List<Component>,
        /// The file with the public keys that it is trusted by, relative to the recipe.
        key: RelativePath,
    }
}

table! {
    layer
    /// The kernel and its command line.
    struct KernelLayer {
        /// The package that brings or depends on the kernel.
        package: PackageName,
        /// Arguments for the kernel, after those that the image needs.
        cmdline: List<CmdlineArg>,
    }
}

table! {
    layer
    /// The initial RAM disk.
    struct InitrdLayer {
        /// Kernel modules to carry besides those that every image needs.
        modules: List<ModuleName>,
    }
}

table! {
    layer
    /// Kernel modules of the running system; those of the initrd are under [initrd].
    struct ModulesLayer {
        /// Modules to load at boot, in this order.
        load: List<ModuleName>,
        /// Modules that are never loaded for a device by themselves.
        blacklist: List<ModuleName>,
        /// Parameters of modules, by name.
        options: Keyed<ModuleName, OrRemove<ModuleOptions>>,
    }
}

table! {
    layer
    /// The file system of /usr.
    struct UsrLayer {
        /// How file data is compressed; "none" unless said otherwise.
        compression: Compression,
        /// How hard the compressor tries: 1 to 22 for "zstd", 9 unless said otherwise; 2 to 12 for
        /// "lz4hc", 9 unless said otherwise. Without meaning for the others.
        level: CompressionLevel,
        /// How much of a file is compressed together: a power of two from "8K" to "1M"; "256K"
        /// unless said otherwise.
        cluster: ByteSize,
    }
}

table! {
    layer
    /// The partitions: sizes, multiples of 1 MiB, and whether the machine's own is encrypted.
    struct DiskLayer {
        /// The EFI system partition.
        esp: ByteSize,
        /// Each of the two slots for /usr.
        usr: ByteSize,
        /// Each of the two slots for the hash tree of /usr.
        usr_verity: ByteSize,
        /// The partition for platform and first-boot configuration.
        oem: ByteSize,
        /// The state partition as the image ships it; it grows at first boot.
        root: ByteSize,
        /// What encrypts the state partition at first boot: "none", unless said otherwise, or "tpm2" for
        /// LUKS 2 with a key that the machine's TPM 2.0 gives only to the same firmware and Secure Boot
        /// keys (PCR 7). The image needs libtss2-esys-3.0.2-0t64 and libtss2-rc0t64 for it.
        root_encryption: RootEncryption,
    }
}

table! {
    layer
    /// Where updates come from and who may sign them.
    struct UpdateLayer {
        /// The channel that machines follow.
        channel: Channel,
        /// The address below which channels lie.
        url: UpdateUrl,
        /// Files with the public keys that updates are trusted by, relative to the recipe.
        keys: List<RelativePath>,
        /// How many of the keys must sign; needed where there are several.
        threshold: Threshold,
        /// A file with the ids of keys that are trusted no more, relative to the recipe.
        revoked: RelativePath,
        /// A file with the root metadata (TUF) that machines start from when they look into the update
        /// repository, relative to the recipe.
        root: RelativePath,
        /// The address of a folder that `flagstone publish sysupdate` wrote; the image then has transfer
        /// files for systemd-sysupdate.
        sysupdate: UpdateUrl,
        /// A file with the OpenPGP keys that such a folder's list is signed by, as `gpg --export` writes them,
        /// relative to the recipe. They replace those that systemd brings.
        sysupdate_keyring: RelativePath,
        /// Whether the image carries flagstone-agent, which installs and updates; true where there is
        /// a `url`.
        agent: bool,
    }
}

table! {
    layer
    /// System extensions that machines merge into /usr; without certificates they merge none.
    struct ExtensionsLayer {
        /// Files with the certificates (X.509, PEM) that extensions must be signed by, relative to the recipe.
        certificates: List<RelativePath>,
    }
}

table! {
    entry
    /// A file to add or replace.
    struct FileLayer {
        /// The text of the file.
        content: String,
        /// The file to take the bytes from, relative to the recipe.
        source: RelativePath,
        /// Permissions in octal; "0644" unless said otherwise.
        mode: Mode,
        /// The owning user's name; "root" unless said otherwise.
        owner: AccountName,
        /// The owning group's name; "root" unless said otherwise.
        group: AccountName,
    }
}

table! {
    entry
    /// A directory to add or change.
    struct DirectoryLayer {
        /// Permissions in octal; "0755" unless said otherwise.
        mode: Mode,
        /// The owning user's name; "root" unless said otherwise.
        owner: AccountName,
        /// The owning group's name; "root" unless said otherwise.
        group: AccountName,
    }
}

table! {
    entry
    /// A symbolic link to add or replace.
    struct LinkLayer {
        /// What the link points to.
        target: LinkTarget,
    }
}

table! {
    entry
    /// Owner, permissions and capabilities of what a package ships; what is not said stays.
    struct OwnerLayer {
        /// The owning user's name.
        owner: AccountName,
        /// The owning group's name.
        group: AccountName,
        /// Permissions in octal.
        mode: Mode,
        /// What the program may do though its user may not, as `setcap` takes it.
        capabilities: FileCapabilities,
    }
}

table! {
    entry
    /// A group to add.
    struct GroupLayer {
        /// The group's number, which must never change.
        gid: AccountNumber,
    }
}

table! {
    entry
    /// A user to add, without a password.
    struct UserLayer {
        /// The user's number, which must never change.
        uid: AccountNumber,
        /// The primary group; one of the user's own name and number unless said otherwise.
        group: AccountName,
        /// Further groups.
        groups: List<AccountName>,
        /// The home directory; below /home unless said otherwise.
        home: AbsolutePath,
        /// The login shell; "/usr/sbin/nologin" unless said otherwise.
        shell: AbsolutePath,
        /// The user's full name or purpose.
        description: Gecos,
    }
}

table! {
    entry
    /// A systemd unit to enable, disable, mask or add.
    struct UnitLayer {
        /// Whether the unit is enabled; the unit's preset decides if nothing is said.
        enable: bool,
        /// Whether the unit is masked.
        mask: bool,
        /// The text of the unit file.
        content: String,
    }
}

table! {
    entry
    /// Maintainer scripts of one package that are accepted unrun: digests, as `flagstone scripts`
    /// prints them.
    struct ScriptsLayer {
        /// The digest of the preinst.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        preinst: Sha256Digest,
        /// The digest of the postinst.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        postinst: Sha256Digest,
        /// The digest of the triggers.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        triggers: Sha256Digest,
    }
}

/// The number of a user or group.
///
/// 0 is root; from 60000 up are the ranges of Debian (Policy 9.2.2), of systemd's dynamic users and
/// of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountNumber(pub(crate) u32);

impl AccountNumber {
    pub(crate) const MIN: u64 = 1;
    pub(crate) const MAX: u64 = 59_999;
}

impl Onto for AccountNumber {}

impl Decode for AccountNumber {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        decode_integer(node, &(Self::MIN..=Self::MAX), report).map(Self)
    }
}

/// The path of a file beside the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transparent))]
pub(crate) struct RelativePath(pub(crate) String);

impl Onto for RelativePath {}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for RelativePath {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let text = node.text(|written| Some(quotes(written)), report)?;
        if text.is_empty() || text.starts_with('/') || text.chars().any(char::is_control) {
            let error = node.at().error(format!("`{}` is not a relative path", node.key));
            report.push(error.hint("name a file relative to the recipe's folder"));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// The value of a kernel parameter.
#[derive(Debug)]
pub(crate) enum SysctlLayer {
    /// The value as text.
    Value(String),
    /// The inherited parameter is taken out; the place of the `true`.
    Remove(At),
}

impl Decode for SysctlLayer {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.value.get_ref() {
            DeValue::Integer(_) => {
                decode_signed(node, report).map(|value| Self::Value(value.to_string()))
            }
            DeValue::String(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
                Some(Self::Value(text.to_string()))
            }
            DeValue::String(_) => {
                report.push(
                    node.at()
                        .error(format!("`{}` is empty or has control characters", node.key))
                        .expected("one line of text"),
                );
                None
            }
            DeValue::Table(_) => {
                let mut table = Table::open(node, report)?;
                let remove: Option<Located<bool>> = table.take("remove", report);
                table.finish(report);
                let remove = remove.filter(|remove| remove.value);
                if remove.is_none() {
                    report.push(
                        node.at()
                            .error(format!("`{}` has no value", node.key))
                            .expected("an integer, a string or { remove = true }"),
                    );
                }
                Some(Self::Remove(remove?.at))
            }
            _ => {
                node.wrong_type("an integer or a string", report);
                None
            }
        }
    }
}

impl Onto for SysctlLayer {}

impl Supersede for DirectoryLayer {}
impl Supersede for GroupLayer {}
impl Supersede for LinkLayer {}
impl Supersede for ScriptsLayer {}
impl Supersede for OwnerLayer {}
impl Supersede for PinLayer {}
impl Supersede for RepositoryLayer {}
impl Supersede for SysctlLayer {}
impl Supersede for UserLayer {}

impl Supersede for FileLayer {
    /// A new content takes the place of the old one, however either is given.
    fn supersede(&self, base: &mut Self) {
        if self.content.is_some() || self.source.is_some() {
            (base.content, base.source) = (None, None);
        }
    }
}

impl Supersede for UnitLayer {
    /// A mask takes the place of whatever would start the unit, and the other way round.
    fn supersede(&self, base: &mut Self) {
        let says = |word: &Option<Located<bool>>| word.as_ref().is_some_and(|word| word.value);
        if says(&self.mask) {
            (base.enable, base.content) = (None, None);
        }
        if says(&self.enable) || self.content.is_some() {
            base.mask = None;
        }
    }
}

impl Entry for SysctlLayer {
    fn removal(&self) -> Option<&At> {
        match self {
            Self::Value(_) => None,
            Self::Remove(at) => Some(at),
        }
    }

    fn says_more(&self) -> bool {
        false
    }
}
