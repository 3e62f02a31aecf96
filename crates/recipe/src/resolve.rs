//! From the merged layer to the recipe: what is required, what is assumed, what contradicts.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use flagstone_artifact::{Architecture, ImageName};

use crate::decode::Word;
use crate::keyed::Keyed;
use crate::layer::{
    AccountNumber, DirectoryLayer, DiskLayer, FileLayer, GroupLayer, ImageLayer, KernelLayer,
    LinkLayer, RecipeLayer, RelativePath, ScriptsLayer, SourceLayer, SysctlLayer, UnitLayer,
    UserLayer,
};
use crate::list::List;
use crate::load::{Reader, unreadable};
use crate::recipe::{
    AcceptedScript, Directory, DiskSizes, Distribution, File, Group, Kernel, Link, Recipe, Source,
    Suite, Unit, User,
};
use crate::report::Report;
use crate::source::{At, Located};
use crate::update::{TrustedKey, Update};
use crate::usr::UsrFormat;
use crate::{
    AccountName, Archive, ByteSize, CmdlineArg, Component, Diagnostic, Diagnostics, ImagePath,
    Mode, PackageName, ScriptName, Selection, SuiteName,
};

/// The longest file that a recipe can bring, in bytes.
const FILE_MAX: u64 = 64 << 20;

/// The longest key file, in bytes.
const KEY_MAX: u64 = 64 << 10;

/// Arguments that the build writes by itself, since they say which /usr is trusted.
const OWN_ARGS: [&str; 5] =
    ["usrhash", "roothash", "mount.usr", "mount.usrfstype", "mount.usrflags"];

/// The largest partition, in bytes: far beyond any real one, far below where sums overflow.
const PARTITION_MAX: u64 = 1 << 44;

/// Turns a merged layer into a recipe; `shown` names the recipe that was loaded.
///
/// `retarget` is an architecture to take in place of the recipe's own.
pub(crate) fn resolve(
    mut layer: RecipeLayer,
    retarget: Option<Architecture>,
    shown: &str,
    reader: &dyn Reader,
) -> Result<Recipe, Diagnostics> {
    let mut resolver = Resolver { reader, report: Report::default(), missing: Vec::new() };
    let own = section(layer.image.take());
    let image = resolver.image(own, retarget);
    let recipe = resolver.recipe(layer, image, retarget);
    resolver.report_missing(shown);
    resolver.report.finish()?;
    recipe.ok_or_else(|| Diagnostic::new(shown, "the recipe is not complete").into())
}

pub(crate) struct Resolver<'r> {
    reader: &'r dyn Reader,
    pub(crate) report: Report,
    /// Keys that nobody gave.
    missing: Vec<String>,
}

impl Resolver<'_> {
    /// Every part is resolved before any is missed, so that each can report.
    fn recipe(
        &mut self,
        layer: RecipeLayer,
        image: Option<ImageName>,
        retarget: Option<Architecture>,
    ) -> Option<Recipe> {
        self.paths(&layer);
        self.account_numbers(&layer);
        let architecture = image.as_ref().map(|image| image.architecture);
        let source = section(layer.source);
        let recommends = source.recommends.as_ref().is_some_and(|word| word.value);
        let source = self.source(source);
        let repositories = self.entries(layer.repositories, |it, _, at, r| it.repository(at, r));
        let suites = source.as_ref().map_or(&[][..], |source| &source.suites);
        let pins = self.entries(layer.pin, |it, _, at, pin| it.pin(at, pin, suites, &repositories));
        let debs = self.debs(items(layer.debs));
        let selection = Selection { recommends, pins, repositories, debs };
        let exclude = items(layer.exclude);
        let packages = self.packages(items(layer.packages), &exclude);
        let kernel = self.kernel(section(layer.kernel), architecture, &exclude);
        let usr = UsrFormat::resolve(section(layer.usr), &mut self.report);
        let disk = section(layer.disk);
        let root_encryption = disk.root_encryption.as_ref().map(|it| it.value).unwrap_or_default();
        let disk = self.disk(&disk);
        let update = Update::resolve(section(layer.update), self);
        let mut extension_certificates = Vec::new();
        for certificate in items(section(layer.extensions).certificates) {
            extension_certificates.extend(self.key(&certificate));
        }

        let files = self.entries(layer.files, |it, _, at, file| it.file(at, file));
        let directories = self.entries(layer.directories, |_, _, _, dir| Some(directory(dir)));
        let links = self.entries(layer.links, |it, _, at, link| it.link(at, link));
        let modules = self.modules(section(layer.modules));
        let alternatives = self.entries(layer.alternatives, Self::alternative);
        let owners = self.entries(layer.owners, |it, _, at, owner| it.owner(at, owner));
        let groups = self.entries(layer.groups, |it, _, at, group| it.group(at, group));
        let users = self.entries(layer.users, Self::user);
        let units = self.entries(layer.units, |it, _, _, unit| Some(it.unit(unit)));
        let run = self.entries(layer.run, |it, _, at, run| it.run(at, run));
        let sysctl = self.entries(layer.sysctl, |_, _, _, value| match value {
            SysctlLayer::Value(value) => Some(value),
            SysctlLayer::Remove(_) => None,
        });

        let scripts = scripts(layer.scripts);
        Some(Recipe {
            image: image?,
            retarget,
            source: source?,
            selection,
            packages,
            exclude: values(exclude),
            prune: values(items(layer.prune)),
            keep: values(items(layer.keep)),
            kernel: kernel?,
            initrd_modules: values(items(section(layer.initrd).modules)),
            sysctl,
            modules,
            tmpfiles: values(items(layer.tmpfiles)),
            usr,
            disk: disk?,
            root_encryption,
            update,
            extension_certificates,
            files,
            directories,
            links,
            alternatives,
            owners,
            groups,
            users,
            units,
            scripts,
            run,
        })
    }

    /// Unwraps a value that has no default.
    fn require<T>(&mut self, value: Option<Located<T>>, key: &str) -> Option<Located<T>> {
        if value.is_none() {
            self.missing.push(format!("`{key}`"));
        }
        value
    }

    fn report_missing(&mut self, shown: &str) {
        if !self.missing.is_empty() {
            let keys = self.missing.join(", ");
            self.report.push(Diagnostic::new(shown, format!("the recipe lacks {keys}")).hint(
                "add them, or start from a shipped recipe: extends = \"base\" as the first line",
            ));
        }
    }

    fn entries<K: Ord, V, T>(
        &mut self,
        entries: Option<Located<Keyed<K, V>>>,
        mut resolve: impl FnMut(&mut Self, &K, &At, V) -> Option<T>,
    ) -> BTreeMap<K, T> {
        let entries = entries.map(|entries| entries.value.0).unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|(key, entry)| {
                let value = resolve(self, &key, &entry.at, entry.value)?;
                Some((key, value))
            })
            .collect()
    }

    fn image(&mut self, layer: ImageLayer, retarget: Option<Architecture>) -> Option<ImageName> {
        let id = self.require(layer.id, "image.id");
        let version = self.require(layer.version, "image.version");
        let own = layer.architecture.map(|architecture| architecture.value);
        let architecture = retarget.or(own);
        if architecture.is_none() {
            self.missing.push("`image.architecture`".to_owned());
        }
        Some(ImageName { id: id?.value, version: version?.value, architecture: architecture? })
    }

    fn source(&mut self, layer: SourceLayer) -> Option<Source> {
        let suite = self.require(layer.suite, "source.suite")?;
        let wanted = |word: Option<Located<bool>>| word.is_none_or(|word| word.value);
        let mut suites = vec![Suite { name: suite.value.clone(), archive: Archive::Main }];
        for (wanted, suffix, archive) in [
            (wanted(layer.updates), "updates", Archive::Main),
            (wanted(layer.security), "security", Archive::Security),
        ] {
            let name = format!("{}-{suffix}", suite.value);
            match name.parse::<SuiteName>() {
                Ok(name) if wanted => suites.push(Suite { name, archive }),
                Err(error) if wanted => self.report.push(suite.at.error(error.to_string())),
                _ => {}
            }
        }
        for extra in items(layer.extra) {
            if suites.iter().any(|suite| suite.name == extra.value) {
                self.report.push(extra.at.error(format!("`{}` is read anyway", extra.value)));
            } else {
                suites.push(Suite { name: extra.value, archive: Archive::Main });
            }
        }
        let components = components(layer.components);
        let distribution = layer.distribution.map_or(Distribution::Debian, |d| d.value);
        Some(Source { distribution, suites, components })
    }

    fn packages(
        &mut self,
        packages: Vec<Located<PackageName>>,
        exclude: &[Located<PackageName>],
    ) -> BTreeSet<PackageName> {
        for package in &packages {
            self.refuse_excluded(package, exclude);
        }
        values(packages)
    }

    fn refuse_excluded(
        &mut self,
        package: &Located<PackageName>,
        exclude: &[Located<PackageName>],
    ) {
        if let Some(excluded) = exclude.iter().find(|other| other.value == package.value) {
            let place = excluded.at.line();
            self.report.push(
                package
                    .at
                    .error(format!("`{}` is requested and excluded", package.value))
                    .hint(format!("it is excluded at {place}; exclude.remove takes that back")),
            );
        }
    }

    fn kernel(
        &mut self,
        layer: KernelLayer,
        architecture: Option<Architecture>,
        exclude: &[Located<PackageName>],
    ) -> Option<Kernel> {
        let cmdline = items(layer.cmdline);
        for arg in &cmdline {
            self.refuse_own_arg(arg);
        }
        let package = self.require(layer.package, "kernel.package")?;
        self.refuse_excluded(&package, exclude);
        let other = Architecture::ALL.into_iter().find(|other| {
            architecture.is_some_and(|own| own != *other)
                && package.value.as_str().ends_with(&format!("-{}", other.debian()))
        });
        if let (Some(other), Some(own)) = (other, architecture) {
            let stem = package.value.as_str().trim_end_matches(other.debian());
            self.report.push(
                package
                    .at
                    .error(format!("this kernel is for {other}, the image is for {own}"))
                    .hint(format!("did you mean `{stem}{}`?", own.debian())),
            );
        }
        Some(Kernel { package: package.value, cmdline: values(cmdline) })
    }

    fn refuse_own_arg(&mut self, arg: &Located<CmdlineArg>) {
        let key = arg.value.as_str().split('=').next().unwrap_or_default();
        if OWN_ARGS.contains(&key) {
            self.report.push(
                arg.at
                    .error(format!("the build sets `{key}=` by itself"))
                    .hint("take the argument out"),
            );
        }
    }

    fn disk(&mut self, layer: &DiskLayer) -> Option<DiskSizes> {
        let mut size = |value: &Option<Located<ByteSize>>, key: &str| {
            let size = self.require(value.clone(), &format!("disk.{key}"))?;
            let bytes = size.value.bytes();
            if bytes % ByteSize::MIB.bytes() != 0 || bytes > PARTITION_MAX {
                self.report.push(
                    size.at
                        .error(format!("`disk.{key}` is not a size for a partition"))
                        .expected("a multiple of 1M, up to 16T")
                        .found(size.value.to_string()),
                );
            }
            Some(size.value)
        };
        let esp = size(&layer.esp, "esp");
        let usr = size(&layer.usr, "usr");
        let usr_verity = size(&layer.usr_verity, "usr-verity");
        let oem = size(&layer.oem, "oem");
        let root = size(&layer.root, "root");
        Some(DiskSizes { esp: esp?, usr: usr?, usr_verity: usr_verity?, oem: oem?, root: root? })
    }

    /// Reads a file with keys.
    pub(crate) fn key(&mut self, path: &Located<RelativePath>) -> Option<TrustedKey> {
        self.read_beside(path, KEY_MAX).map(|(path, content)| TrustedKey { path, content })
    }

    /// Reads a file relative to the recipe that names it.
    pub(crate) fn read_beside(
        &mut self,
        path: &Located<RelativePath>,
        limit: u64,
    ) -> Option<(std::path::PathBuf, Vec<u8>)> {
        let Some(found) = path.at.source.origin.beside(&path.value.0) else {
            self.report.push(path.at.error("a shipped recipe cannot name files"));
            return None;
        };
        match self.reader.read(&found, limit) {
            Ok(content) => Some((found, content)),
            Err(error) => {
                self.report.push(path.at.error(unreadable(&found, &error)));
                None
            }
        }
    }

    /// Refuses paths that are given twice or lie below something that is no directory.
    fn paths(&mut self, layer: &RecipeLayer) {
        let leaves =
            || located_keys(layer.files.as_ref()).chain(located_keys(layer.links.as_ref()));
        let mut all: BTreeMap<&ImagePath, &At> = BTreeMap::new();
        for (path, at) in leaves().chain(located_keys(layer.directories.as_ref())) {
            if let Some(first) = all.insert(path, at) {
                let place = first.line();
                self.report.push(
                    at.error(format!("{path} is given twice")).hint(format!("see {place}, too")),
                );
            }
        }
        let leaves: BTreeMap<&ImagePath, &At> = leaves().collect();
        for (path, at) in all {
            let text = path.as_str();
            let above = text.match_indices('/').filter_map(|(end, _)| text[..end].parse().ok());
            for leaf in above.filter_map(|above: ImagePath| leaves.get_key_value(&above)) {
                self.report.push(
                    at.error(format!("{path} lies below {}, which is no directory", leaf.0))
                        .hint(format!("see {}, too", leaf.1.line())),
                );
            }
        }
    }

    fn file(&mut self, at: &At, layer: FileLayer) -> Option<File> {
        let content = match (layer.content, layer.source) {
            (Some(content), None) => content.value.into_bytes(),
            (None, Some(source)) => self.read_beside(&source, FILE_MAX)?.1,
            (Some(_), Some(source)) => {
                self.report.push(source.at.error("a file has `content` or `source`, not both"));
                return None;
            }
            (None, None) => {
                self.report.push(
                    at.error("the file has no content")
                        .hint("give `content`, or `source` to name a file beside the recipe"),
                );
                return None;
            }
        };
        let mode = layer.mode.map_or(Mode::FILE, |mode| mode.value);
        Some(File { content, mode, owner: owner(layer.owner), group: owner(layer.group) })
    }

    fn link(&mut self, at: &At, layer: LinkLayer) -> Option<Link> {
        self.demand(layer.target, "target", at).map(|target| Link { target })
    }

    fn group(&mut self, at: &At, layer: GroupLayer) -> Option<Group> {
        self.demand(layer.gid, "gid", at).map(|gid| Group { gid: gid.0 })
    }

    /// Unwraps a value that the entry at `at` cannot be without.
    pub(crate) fn demand<T>(&mut self, value: Option<Located<T>>, key: &str, at: &At) -> Option<T> {
        self.demand_located(value, key, at).map(|value| value.value)
    }

    /// The same, with the value's place.
    pub(crate) fn demand_located<T>(
        &mut self,
        value: Option<Located<T>>,
        key: &str,
        at: &At,
    ) -> Option<Located<T>> {
        if value.is_none() {
            self.report.push(at.error(format!("the key `{key}` is missing here")));
        }
        value
    }

    fn user(&mut self, name: &AccountName, at: &At, layer: UserLayer) -> Option<User> {
        let uid = self.demand(layer.uid, "uid", at)?;
        let home = match layer.home {
            Some(home) => home.value,
            None => format!("/home/{name}").parse().ok()?,
        };
        if name.as_str() == "root" {
            self.report.push(at.error("every image has the user `root` already"));
        }
        Some(User {
            uid: uid.0,
            group: layer.group.map(|group| group.value),
            groups: values(items(layer.groups)),
            home,
            shell: layer.shell.map_or_else(|| default("/usr/sbin/nologin"), |shell| shell.value),
            description: layer.description.map(|description| description.value),
        })
    }

    /// Refuses numbers that two users or two groups share; a user without `group` brings a group of
    /// its own number.
    fn account_numbers(&mut self, layer: &RecipeLayer) {
        let users = entries_of(layer.users.as_ref());
        let groups = entries_of(layer.groups.as_ref());
        let own_groups = users.clone().filter(|(name, user)| {
            user.group.is_none() && groups.clone().all(|(group, _)| group != *name)
        });
        let uids = users.clone().filter_map(|(name, user)| Some((name, user.uid.as_ref()?)));
        let gids = groups.clone().filter_map(|(name, group)| Some((name, group.gid.as_ref()?)));
        let own_gids = own_groups.filter_map(|(name, user)| Some((name, user.uid.as_ref()?)));
        self.refuse_shared("user", uids);
        self.refuse_shared("group", gids.chain(own_gids));
    }

    fn refuse_shared<'n>(
        &mut self,
        what: &str,
        numbers: impl Iterator<Item = (&'n AccountName, &'n Located<AccountNumber>)>,
    ) {
        let mut first = BTreeMap::new();
        for (name, number) in numbers {
            if let Some((other, place)) = first.insert(number.value.0, (name, number.at.line())) {
                self.report.push(
                    number
                        .at
                        .error(format!("{what} `{name}` has the number of {what} `{other}`"))
                        .hint(format!("see {place}, too")),
                );
            }
        }
    }

    fn unit(&mut self, layer: UnitLayer) -> Unit {
        let masked = layer.mask.filter(|mask| mask.value);
        let enabled = layer.enable.as_ref().is_some_and(|enable| enable.value);
        if let Some(mask) = masked.as_ref().filter(|_| enabled || layer.content.is_some()) {
            self.report.push(
                mask.at
                    .error("a masked unit cannot be enabled or have content")
                    .hint("take `mask` out, or the others"),
            );
        }
        Unit {
            enable: layer.enable.map(|enable| enable.value),
            mask: masked.is_some(),
            content: layer.content.map(|content| content.value),
        }
    }
}

/// Lists accepted scripts by package and name.
fn scripts(
    entries: Option<Located<Keyed<PackageName, ScriptsLayer>>>,
) -> BTreeMap<(PackageName, ScriptName), AcceptedScript> {
    let mut all = BTreeMap::new();
    for (package, Located { value, .. }) in entries.map(|e| e.value.0).unwrap_or_default() {
        let ScriptsLayer { preinst, postinst, triggers, .. } = value;
        for (script, digest) in
            [("preinst", preinst), ("postinst", postinst), ("triggers", triggers)]
        {
            let Some(Located { value, at }) = digest else { continue };
            let accepted = AcceptedScript::new(value, &at, &package, script);
            all.insert((package.clone(), default(script)), accepted);
        }
    }
    all
}

/// Returns the components of a suite, at least one.
pub(crate) fn components(list: Option<Located<List<Component>>>) -> Vec<Component> {
    let mut components: Vec<Component> = values(items(list));
    if components.is_empty() {
        components.push(default("main"));
    }
    components
}

fn directory(layer: DirectoryLayer) -> Directory {
    let mode = layer.mode.map_or(Mode::DIRECTORY, |mode| mode.value);
    Directory { mode, owner: owner(layer.owner), group: owner(layer.group) }
}

fn owner(name: Option<Located<AccountName>>) -> AccountName {
    name.map_or_else(|| default("root"), |name| name.value)
}

/// Parses a default, which keeps its grammar.
fn default<T: Word>(text: &'static str) -> T {
    text.parse().expect("defaults keep their grammar")
}

fn section<T: Default>(layer: Option<Located<T>>) -> T {
    layer.map(|layer| layer.value).unwrap_or_default()
}

pub(crate) fn items<T>(list: Option<Located<List<T>>>) -> Vec<Located<T>> {
    list.map_or(Vec::new(), |list| list.value.into_items())
}

fn values<T, C: FromIterator<T>>(items: Vec<Located<T>>) -> C {
    items.into_iter().map(|item| item.value).collect()
}

fn entries_of<K, V>(
    entries: Option<&Located<Keyed<K, V>>>,
) -> impl Iterator<Item = (&K, &V)> + Clone {
    entries.into_iter().flat_map(|entries| &entries.value.0).map(|(key, entry)| (key, &entry.value))
}

fn located_keys<V>(
    entries: Option<&Located<Keyed<ImagePath, V>>>,
) -> impl Iterator<Item = (&ImagePath, &At)> {
    entries.into_iter().flat_map(|entries| &entries.value.0).map(|(path, entry)| (path, &entry.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AbsolutePath;

    #[test]
    fn defaults_keep_their_grammar() {
        default::<AccountName>("root");
        default::<AbsolutePath>("/usr/sbin/nologin");
        default::<Component>("main");
    }
}
