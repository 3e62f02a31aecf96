use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use flagstone_artifact::Architecture;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::decode::{Decode, Node};
use crate::layer::RecipeLayer;
use crate::origin::Origin;
use crate::report::Report;
use crate::resolve::resolve;
use crate::source::{At, Source};
use crate::table::Onto;
use crate::{Diagnostic, Diagnostics, Recipe};

/// The longest recipe file, in bytes.
const RECIPE_MAX: u64 = 1 << 20;

/// The longest chain of recipes that extend each other.
const CHAIN_MAX: usize = 16;

/// Where a recipe's files come from.
pub trait Reader {
    /// Returns the bytes of a file, of which there must be at most `limit`.
    ///
    /// # Errors
    /// Whatever keeps the file from being read; [`io::ErrorKind::FileTooLarge`] past the limit.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
}

/// Reads files from the disk; relative paths start at the working directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskReader;

impl Reader for DiskReader {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }
}

impl Recipe {
    /// Loads a recipe, by path or by the name of a shipped one, with all that it extends.
    ///
    /// A reference with a slash, or one that ends in `.toml`, is a path.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as one pass could tell.
    pub fn load(name_or_path: &str, reader: &dyn Reader) -> Result<Self, Diagnostics> {
        Self::load_for(name_or_path, None, reader)
    }

    /// Loads a recipe as [`Self::load`] does, for another architecture than its own.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_for(
        name_or_path: &str,
        architecture: Option<Architecture>,
        reader: &dyn Reader,
    ) -> Result<Self, Diagnostics> {
        Self::load_over(name_or_path, None, architecture, reader)
    }

    /// Loads a recipe as [`Self::load_for`] does, but over another one than it extends.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_over(
        name_or_path: &str,
        base: Option<&str>,
        architecture: Option<Architecture>,
        reader: &dyn Reader,
    ) -> Result<Self, Diagnostics> {
        let origin = find(name_or_path)?;
        let base = base.map(find).transpose()?;
        let (shown, layers) = load_chain(&origin, base, reader)?;
        let own = layers.iter().find_map(own_architecture);
        let target = architecture.or(own);
        let mut report = Report::default();
        let mut merged: Option<RecipeLayer> = None;
        for mut layer in layers.into_iter().rev() {
            let on = layer.on.take().zip(target).and_then(|(on, target)| on.value.take(target));
            for layer in [Some(layer), on].into_iter().flatten() {
                merged = Some(layer.onto(merged, &mut report));
            }
        }
        report.finish()?;
        let retarget = architecture.filter(|architecture| Some(*architecture) != own);
        resolve(merged.unwrap_or_default(), retarget, &shown, reader)
    }
}

/// Returns the recipe that another one extends, as [`Recipe::load`] takes it; `None` if it extends none.
///
/// # Errors
/// As [`Recipe::load`].
pub fn base_of(name_or_path: &str, reader: &dyn Reader) -> Result<Option<String>, Diagnostics> {
    let origin = find(name_or_path)?;
    let mut report = Report::default();
    let source = Source::new(origin.clone(), read_recipe(&origin, None, reader)?)?;
    let layer = read_layer(&source, &mut report)?;
    report.finish()?;
    let Some(extends) = layer.extends else { return Ok(None) };
    let origin = find_next(&extends.value, &extends.at, &[origin])?;
    Ok(Some(match origin {
        Origin::Shipped { name, .. } => name.to_owned(),
        Origin::File(path) => path.display().to_string(),
    }))
}

/// Finds the recipe that a user names.
fn find(name_or_path: &str) -> Result<Origin, Diagnostics> {
    Origin::find(name_or_path, None)
        .map_err(|(what, hint)| Diagnostic::new(name_or_path, what).hint(hint).into())
}

fn own_architecture(layer: &RecipeLayer) -> Option<Architecture> {
    layer.image.as_ref()?.value.architecture.as_ref().map(|architecture| architecture.value)
}

/// Reads a recipe and all it extends: the name of the first, and the layers from it down. With a `base`, the
/// first extends that, whatever it says.
fn load_chain(
    origin: &Origin,
    mut base: Option<Origin>,
    reader: &dyn Reader,
) -> Result<(String, Vec<RecipeLayer>), Diagnostics> {
    let mut report = Report::default();
    let shown = origin.to_string();
    let mut chain = vec![origin.clone()];
    let mut layers = Vec::new();
    let mut source = Source::new(origin.clone(), read_recipe(origin, None, reader)?)?;
    loop {
        let layer = read_layer(&source, &mut report)?;
        let next =
            layer.extends.as_ref().map(|extends| (extends.value.clone(), extends.at.clone()));
        layers.push(layer);
        if let Some(base) = base.take() {
            source = Source::new(base.clone(), read_recipe(&base, None, reader)?)?;
            chain.push(base);
            continue;
        }
        let Some((reference, at)) = next else { break };
        let origin = find_next(&reference, &at, &chain)?;
        source = Source::new(origin.clone(), read_recipe(&origin, Some(&at), reader)?)?;
        chain.push(origin);
    }
    report.finish()?;
    Ok((shown, layers))
}

/// Parses one file; syntax errors end the reading, wrong keys and values go to the report.
fn read_layer(source: &Arc<Source>, report: &mut Report) -> Result<RecipeLayer, Diagnostics> {
    let mut syntax = Report::default();
    let table = source.parse(&mut syntax);
    syntax.finish()?;
    let value = root(table);
    let node = Node { source, value: &value, key_span: 0..0, key: String::new() };
    Ok(RecipeLayer::decode(&node, report).unwrap_or_default())
}

/// Wraps the top level of a file, so that it is read like any other table.
pub(crate) fn root(table: Spanned<DeTable<'_>>) -> Spanned<DeValue<'_>> {
    let span = table.span();
    Spanned::new(span, DeValue::Table(table.into_inner()))
}

/// Finds the recipe that `extends` names, and refuses cycles and endless chains.
fn find_next(reference: &str, at: &At, chain: &[Origin]) -> Result<Origin, Diagnostics> {
    let origin =
        Origin::find(reference, chain.last()).map_err(|(what, hint)| at.error(what).hint(hint))?;
    if let Some(start) = chain.iter().position(|seen| *seen == origin) {
        let names = chain[start..].iter().chain([&origin]).map(ToString::to_string);
        let cycle = names.collect::<Vec<_>>().join(" → ");
        return Err(at.error(format!("the recipe extends itself: {cycle}")).into());
    }
    if chain.len() >= CHAIN_MAX {
        return Err(at.error(format!("more than {CHAIN_MAX} recipes extend each other")).into());
    }
    Ok(origin)
}

/// Reads the file of a recipe; `at` is the `extends` that names it.
fn read_recipe(
    origin: &Origin,
    at: Option<&At>,
    reader: &dyn Reader,
) -> Result<Vec<u8>, Diagnostics> {
    match origin {
        Origin::Shipped { text, .. } => Ok(text.as_bytes().to_vec()),
        Origin::File(path) => reader.read(path, RECIPE_MAX).map_err(|error| {
            let what = unreadable(path, &error);
            let whole = || Diagnostic::new(origin.to_string(), &what);
            at.map_or_else(whole, |at| at.error(&what)).into()
        }),
    }
}

/// Says that a file could not be read, and why; a [`Diagnostic`] has no further cause.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("failed to read {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshots::{COMPLETE, Files};
    use crate::{CmdlineArg, shipped};

    fn load(files: &[(&str, &str)]) -> Recipe {
        Recipe::load(files[0].0, &Files::new(files.iter().copied()))
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn extended(text: &str) -> Recipe {
        let text = format!("extends = \"root.toml\"\n{text}");
        load(&[
            ("site/edge.toml", &text.replace("root.toml", "../root.toml")),
            ("root.toml", COMPLETE),
            ("site/motd", "from a file\n"),
            ("site/key.pub", "key"),
        ])
    }

    fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
        items.into_iter().map(|item| item.to_string()).collect()
    }

    #[test]
    fn accepted_scripts_are_read_merged_and_no_matter_for_the_lock() {
        let digest = "0123456789abcdef".repeat(4);
        let plain = extended("");
        let recipe = extended(&format!(
            "[scripts.tzdata]\npostinst = \"{digest}\"\n[scripts.\"a+b\"]\ntriggers = \"{digest}\"\n"
        ));
        let names: Vec<String> =
            recipe.scripts.keys().map(|(package, name)| format!("{package} {name}")).collect();
        assert_eq!(names, ["a+b triggers", "tzdata postinst"]);
        assert_eq!(recipe.lock_inputs(), plain.lock_inputs());
        let accepted = recipe.scripts.values().nth(1).unwrap();
        let other = flagstone_artifact::Sha256Digest::from_bytes([7; 32]);
        let text = accepted.changed(&other).to_string();
        insta::assert_snapshot!(text, @r#"
        site/edge.toml:3:12: the postinst of tzdata is not the one that was accepted
          |
        3 | postinst = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = expected 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, found 0707070707070707070707070707070707070707070707070707070707070707
          = hint: look at the script's commands, then accept it anew by its digest
        "#);
        assert!(accepted.missing().to_string().contains("found no such script"));
    }

    #[test]
    fn what_a_recipe_extends_is_told_by_its_path() {
        let files = [
            ("site/a.toml", "extends = \"../b.toml\""),
            ("b.toml", "extends = \"edge\""),
            ("c.toml", ""),
        ];
        let reader = Files::new(files);
        assert_eq!(base_of("site/a.toml", &reader).unwrap().as_deref(), Some("b.toml"));
        assert_eq!(base_of("b.toml", &reader).unwrap().as_deref(), Some("edge"));
        assert_eq!(base_of("c.toml", &reader).unwrap(), None);
        assert_eq!(base_of("base", &reader).unwrap().as_deref(), Some("ci"));
        assert!(base_of("d.toml", &reader).is_err());
    }

    #[test]
    fn a_recipe_goes_over_another_one_than_it_extends() {
        let files = Files::new([
            ("tool.toml", "extends = \"edge\"\nimage.id = \"tool\"\npackages.add = [\"tini\"]"),
            ("site.toml", "extends = \"base\"\nimage = { id = \"site\", version = \"7\" }"),
        ]);
        let load = |base| Recipe::load_over("tool.toml", base, None, &files).unwrap();
        assert_eq!(load(None).image.to_string(), "tool_0.1.0_x86-64");
        let over = load(Some("site.toml"));
        assert_eq!(over.image.to_string(), "tool_7_x86-64");
        let has = |name: &str| over.packages.iter().any(|package| package.as_str() == name);
        assert!(has("tini") && has("openssh-server") && !has("containerd"));
    }

    #[test]
    fn shipped_recipes_load_without_a_disk() {
        for (name, _) in shipped() {
            let recipe = Recipe::load(name, &Files::new([])).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(recipe.image.id.as_str(), *name);
            assert!(recipe.packages.iter().any(|package| package.as_str() == "systemd"));
        }
    }

    #[test]
    fn shipped_recipes_load_for_every_architecture() {
        for ((name, _), architecture) in
            shipped().iter().flat_map(|recipe| Architecture::ALL.map(|a| (recipe, a)))
        {
            let recipe = Recipe::load_for(name, Some(architecture), &Files::new([]))
                .unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(recipe.image.architecture, architecture);
            assert!(recipe.kernel.package.as_str().ends_with(architecture.debian()), "{name}");
            let foreign = architecture != Architecture::X86_64;
            assert_eq!(recipe.retarget, foreign.then_some(architecture), "{name}");
        }
    }

    #[test]
    fn what_is_said_for_one_architecture_lies_over_its_file_and_below_the_next() {
        let base = format!(
            "{COMPLETE}\n[on.x86-64.kernel]\ncmdline.add = [\"one\"]\n\
             [on.arm64.kernel]\npackage = \"linux-image-arm64\"\ncmdline.add = [\"two\"]\n"
        );
        let site = "extends = \"root.toml\"\nkernel.cmdline.add = [\"three\"]";
        let files = Files::new([("root.toml", base.as_str()), ("site.toml", site)]);
        for (architecture, word) in [(None, "one"), (Some(Architecture::Arm64), "two")] {
            let recipe = Recipe::load_for("site.toml", architecture, &files).unwrap();
            let words: Vec<&str> = recipe.kernel.cmdline.iter().map(CmdlineArg::as_str).collect();
            assert_eq!(words[words.len() - 2..], [word, "three"]);
        }
        for (text, expected) in [
            ("on.arm64.image.id = \"x\"", "`image` cannot depend on the architecture"),
            ("on.arm64.on.arm64.sysctl.a = 1", "`on` cannot depend on the architecture"),
            ("on.aarch64.sysctl.a = 1", "did you mean `arm64`?"),
            ("on.arm64.kernal = 1", "did you mean `kernel`?"),
        ] {
            let text = format!("extends = \"root.toml\"\n{text}");
            let files = Files::new([("root.toml", COMPLETE), ("a.toml", text.as_str())]);
            let errors = Recipe::load("a.toml", &files).unwrap_err().to_string();
            assert!(errors.contains(expected), "{errors}");
        }
    }

    #[test]
    fn shipped_recipes_can_be_extended_by_name() {
        let recipe = load(&[("edge.toml", "extends = \"base\"\nimage.id = \"edge\"")]);
        let base = Recipe::load("base", &Files::new([])).unwrap();
        assert_eq!(recipe.image.id.as_str(), "edge");
        assert_eq!(recipe.packages, base.packages);
    }

    #[test]
    fn a_recipe_that_says_nothing_is_what_it_extends() {
        assert_eq!(extended(""), load(&[("root.toml", COMPLETE)]));
    }

    #[test]
    fn lists_change_by_add_and_remove() {
        let recipe = extended(
            "packages.add = [\"vim\", \"bash\"]\npackages.remove = [\"openssh-server\"]\n\
             kernel.cmdline = { remove = [\"quiet\"], add = [\"debug\", \"panic=5\"] }\n\
             prune.remove = [\"/usr/share/man\"]\ninitrd.modules = [\"nvme\"]",
        );
        assert_eq!(texts(&recipe.packages), ["bash", "systemd", "vim"]);
        assert_eq!(texts(&recipe.kernel.cmdline), ["panic=5", "debug"]);
        assert_eq!(texts(&recipe.prune), ["/usr/share/doc"]);
        assert_eq!(texts(&recipe.initrd_modules), ["nvme"]);
        assert_eq!(
            texts(recipe.requested()),
            ["bash", "linux-image-cloud-amd64", "systemd", "vim"]
        );
    }

    #[test]
    fn tables_merge_key_by_key() {
        let recipe = extended(
            "[image]\nid = \"edge\"\n[disk]\nroot = \"2G\"\n\
             [files.\"/etc/motd\"]\nsource = \"motd\"\n\
             [sysctl]\n\"kernel.panic\" = { remove = true }\n\"net.ipv4.ip_forward\" = \"1\"\n\
             [users.core]\nremove = true\n\
             [update]\nkeys = [\"key.pub\"]\nchannel = \"stable\"",
        );
        assert_eq!(recipe.image.to_string(), "edge_1_x86-64");
        assert_eq!(recipe.disk.root.to_string(), "2G");
        assert_eq!(recipe.disk.usr.to_string(), "1G");
        let motd = &recipe.files[&"/etc/motd".parse().unwrap()];
        assert_eq!((motd.content.as_slice(), motd.mode.bits()), (&b"from a file\n"[..], 0o600));
        assert_eq!(motd.owner.as_str(), "root");
        assert_eq!(texts(recipe.sysctl.keys()), ["net.ipv4.ip_forward"]);
        assert!(recipe.users.is_empty());
        assert_eq!(recipe.update.keys[0].content, b"key");
        assert_eq!(recipe.update.keys[0].path, Path::new("site/key.pub"));
    }

    #[test]
    fn what_a_unit_says_last_holds() {
        let unit = |text: &str| {
            let recipe = extended(&format!("[units.\"ssh.service\"]\n{text}"));
            let unit = recipe.units[&"ssh.service".parse().unwrap()].clone();
            (unit.enable, unit.mask, unit.content)
        };
        assert_eq!(unit("mask = true"), (None, true, None));
        assert_eq!(unit("enable = false"), (Some(false), false, None));
        assert_eq!(unit("content = \"x\""), (Some(true), false, Some("x".to_owned())));
    }

    #[test]
    fn modules_alternatives_owners_and_tmpfiles_merge_like_all_else() {
        let base = format!(
            "tmpfiles = [\"d /srv\"]\n{COMPLETE}\n[modules]\nload = [\"loop\"]\n\
             [modules.options]\nloop = \"max_loop=8\"\ndm-mod = \"x=1\"\n\
             [alternatives]\n\"/usr/bin/vi\" = \"/usr/bin/nvi\"\n\
             \"/usr/bin/ex\" = \"/usr/bin/nex\"\n\
             [owners.\"/usr/bin/ping\"]\nmode = \"0750\"\ngroup = \"adm\"\n"
        );
        let site = "extends = \"root.toml\"\ntmpfiles.add = [\"d /opt\"]\n\
             [modules]\nload.add = [\"overlay\"]\nblacklist = [\"nouveau\"]\n\
             [modules.options]\nloop = { remove = true }\n\
             [alternatives]\n\"/usr/bin/vi\" = \"/usr/bin/vim.tiny\"\n\
             \"/usr/bin/ex\" = { remove = true }\n\
             [owners.\"/usr/bin/ping\"]\ncapabilities = \"cap_net_raw=ep\"\n";
        let recipe = load(&[("site.toml", site), ("root.toml", &base)]);
        assert_eq!(texts(&recipe.tmpfiles), ["d /srv", "d /opt"]);
        assert_eq!(texts(&recipe.modules.load), ["loop", "overlay"]);
        assert_eq!(texts(&recipe.modules.blacklist), ["nouveau"]);
        assert_eq!(texts(recipe.modules.options.keys()), ["dm-mod"]);
        let choices = recipe.alternatives.iter();
        let choices: Vec<String> = choices
            .map(|(path, choice)| format!("{path} {} {}", choice.program, choice.place))
            .collect();
        assert_eq!(choices, ["/usr/bin/vi /usr/bin/vim.tiny site.toml:9"]);
        let ping = &recipe.owners[&"/usr/bin/ping".parse().unwrap()];
        assert_eq!(ping.mode.unwrap().to_string(), "0750");
        assert_eq!(ping.capabilities.as_ref().unwrap().to_string(), "cap_net_raw=ep");
        assert_eq!((ping.owner.is_none(), ping.place.as_str()), (true, "site.toml:11"));
    }

    #[test]
    fn a_command_is_replaced_by_a_script_and_the_other_way_round() {
        let base = format!(
            "{COMPLETE}\n[run.a]\ncommand = [\"/usr/bin/fc-cache\", \"-f\"]\n\
             [run.b]\nscript = \"true\"\n[run.c]\nscript = \"true\"\n"
        );
        let site = "extends = \"root.toml\"\n[run.a]\nscript = \"fc-cache\"\n\
             [run.b]\ncommand = [\"/bin/true\"]\n[run.c]\nremove = true\n";
        let recipe = load(&[("site.toml", site), ("root.toml", &base)]);
        let runs: Vec<String> = recipe
            .run
            .iter()
            .map(|(name, run)| format!("{name} {} {}", run.command.join(" "), run.place))
            .collect();
        assert_eq!(runs, ["a /bin/sh -e -c fc-cache site.toml:2", "b /bin/true site.toml:4"]);
    }

    #[test]
    fn unsaid_things_have_their_defaults() {
        let recipe = extended("[directories.\"/etc/x\"]\n[links.\"/etc/y\"]\ntarget = \"x\"");
        assert_eq!(
            texts(recipe.source.suites.iter().map(|suite| &suite.name)),
            ["trixie", "trixie-updates", "trixie-security"]
        );
        assert_eq!(texts(&recipe.source.components), ["main"]);
        assert_eq!(recipe.directories[&"/etc/x".parse().unwrap()].mode.bits(), 0o755);
        let core = &recipe.users[&"core".parse().unwrap()];
        assert_eq!((core.home.as_str(), core.shell.as_str()), ("/home/core", "/usr/sbin/nologin"));
        assert_eq!((core.uid, &core.group), (500, &None));
    }

    #[test]
    fn only_what_a_lock_is_made_from_makes_it_stale() {
        let lock_inputs = |text| extended(text).lock_inputs();
        for same in [
            "image.version = \"2\"",
            "disk.root = \"2G\"",
            "units.\"a.service\".enable = true",
            "modules.load = [\"loop\"]",
            "tmpfiles = [\"d /srv\"]",
            "alternatives.\"/usr/bin/vi\" = \"/usr/bin/nvi\"",
            "owners.\"/usr/bin/ping\".mode = \"0755\"",
            "run.fonts.script = \"fc-cache\"",
            "source.components = [\"main\"]",
        ] {
            assert_eq!(lock_inputs(""), lock_inputs(same), "{same}");
        }
        for other in [
            "packages.add = [\"vim\"]",
            "exclude.add = [\"vim\"]",
            "source.suite = \"forky\"",
            "source.security = false",
            "source.components = [\"contrib\"]",
            "kernel.package = \"linux-image-amd64\"",
        ] {
            assert_ne!(lock_inputs(""), lock_inputs(other), "{other}");
        }
        let mut lock = crate::lock_file::tests::sample();
        let recipe = extended("");
        let stale = lock.check(&recipe).unwrap_err();
        assert_eq!(
            stale.to_string(),
            "the lock lacks packages that the recipe asks for: linux-image-cloud-amd64, \
             openssh-server, systemd"
        );
        assert!(stale.hint().unwrap().contains("flagstone lock"));
        lock.inputs = recipe.lock_inputs();
        assert!(lock.check(&recipe).is_err());
        let any = lock.packages[&"bash".parse().unwrap()].clone();
        lock.packages = recipe.requested().into_iter().map(|p| (p.clone(), any.clone())).collect();
        assert_eq!(lock.check(&recipe), Ok(()));
    }

    #[test]
    fn long_files_and_long_chains_are_refused() {
        let long = format!("{COMPLETE}#{}", "x".repeat(1 << 20));
        assert!(Recipe::load("a.toml", &Files::new([("a.toml", long.as_str())])).is_err());
        let links: Vec<(String, String)> = (0..20)
            .map(|n| (format!("{n}.toml"), format!("extends = \"{}.toml\"", n + 1)))
            .collect();
        let chain = Files::new(links.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let errors = Recipe::load("0.toml", &chain).unwrap_err();
        assert!(errors.to_string().contains("more than 16 recipes"), "{errors}");
    }

    #[test]
    fn many_mistakes_are_counted_and_not_all_shown() {
        let text = (0..1000).map(|n| format!("key{n} = 1")).collect::<Vec<_>>().join("\n");
        let files = Files::new([("a.toml", text.as_str())]);
        let errors = Recipe::load("a.toml", &files).unwrap_err();
        assert_eq!(errors.as_slice().len(), 20);
        assert!(errors.to_string().ends_with("… and 980 more"));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for text in
            ["[".repeat(100_000), format!("a = {}", "[".repeat(100_000)), "a.".repeat(100_000)]
        {
            assert!(Recipe::load("a.toml", &Files::new([("a.toml", text.as_str())])).is_err());
        }
    }

    #[test]
    fn the_disk_reader_keeps_its_limit() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(DiskReader.read(&own, 1 << 20).is_ok());
        let error = DiskReader.read(&own, 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            let reader = Bytes(bytes);
            let _ = Recipe::load("a.toml", &reader).map_err(|errors| errors.to_string());
        }

        #[test]
        fn any_damaged_recipe_is_read_without_a_panic(
            at in any::<usize>(),
            text in "[\\PC\"\\[\\]{}=.\n]{0,8}",
        ) {
            let (mut damaged, at) = (COMPLETE.to_owned(), at % COMPLETE.len());
            damaged.insert_str(damaged.floor_char_boundary(at), &text);
            let reader = Bytes(damaged.into_bytes());
            let _ = Recipe::load("a.toml", &reader).map_err(|errors| errors.to_string());
        }
    }

    /// The same file under every name.
    struct Bytes(Vec<u8>);

    impl Reader for Bytes {
        fn read(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
            Ok(self.0.clone())
        }
    }
}
