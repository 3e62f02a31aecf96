use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;

use flagstone_artifact::Sha256Digest;
use flagstone_debian::{Control, MaintainerScript};
use flagstone_fetch::Cache;
use flagstone_recipe::{Diagnostic, Lock, PackageName, Recipe, ScriptName};
use flagstone_rootfs::script_knowledge;
use flagstone_scripts::{
    Declaration, Findings, Knowledge, PathKind, Paths, Report, ScriptKind, Survey,
};
use flagstone_tree::{Kind, Mtime, Tree};

use crate::{BuildError, Progress, Stage, WorkCache, packages, system};

/// What the maintainer scripts of an image's packages would do, and what becomes of it.
#[derive(Clone, Debug, Default)]
pub struct ScriptsReport {
    /// Every `preinst`, `postinst` and `triggers`, by package and name.
    pub scripts: BTreeMap<(PackageName, ScriptName), ScriptEntry>,
    /// What the recipe accepts and no package has.
    pub missing: Vec<Diagnostic>,
    /// What the scripts declare, by package.
    pub(crate) declarations: Vec<(String, Declaration)>,
}

/// One script.
#[derive(Clone, Debug)]
pub struct ScriptEntry {
    /// The digest of its text.
    pub sha256: Sha256Digest,
    /// Its commands.
    pub findings: Findings,
    /// What the recipe says about it.
    pub acceptance: Acceptance,
}

/// Whether a person looked at a script and accepts it unrun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Nobody did.
    None,
    /// This very text was accepted.
    Accepted,
    /// Another text was accepted, as the diagnostic says.
    Changed(Box<Diagnostic>),
}

impl ScriptEntry {
    /// Tells whether people should look at the script.
    pub fn is_open(&self) -> bool {
        !self.findings.is_classified() && self.acceptance != Acceptance::Accepted
    }

    /// Returns what is unknown: commands, or that the script cannot be followed.
    fn unknown(&self) -> Vec<String> {
        let error = self.findings.error.iter().map(|error| format!("(all of it: {error})"));
        error.chain(self.findings.unknown().map(|finding| finding.command.clone())).collect()
    }
}

impl ScriptsReport {
    /// Returns the digests of the scripts that the recipe accepts as they are.
    pub fn accepted(&self) -> BTreeMap<(PackageName, ScriptName), Sha256Digest> {
        let accepted = self.scripts.iter().filter(|(_, s)| s.acceptance == Acceptance::Accepted);
        accepted.map(|(key, script)| (key.clone(), script.sha256)).collect()
    }

    /// Returns what people should know: a line for each unknown command of scripts that are not
    /// accepted, what changed since it was accepted, and how to accept it.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.missing.iter().map(|d| format!("scripts: {d}")).collect();
        for ((package, name), script) in &self.scripts {
            if let Acceptance::Changed(diagnostic) = &script.acceptance {
                notes.push(format!("scripts: {diagnostic}"));
            }
            if script.is_open() {
                let mut unknown = script.unknown();
                unknown.dedup();
                let lines = unknown.into_iter();
                notes.extend(lines.map(|command| {
                    format!("scripts: {package} {name}, not known to be covered: {command}")
                }));
            }
        }
        let lines = self.lines_to_accept();
        if !lines.is_empty() {
            notes.push(format!(
                "scripts: to accept these scripts unrun, add to the recipe:\n{lines}"
            ));
        }
        notes
    }

    /// Returns the lines of a recipe that accept every script that is open.
    pub fn lines_to_accept(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for ((package, name), script) in self.scripts.iter().filter(|(_, s)| s.is_open()) {
            if last != Some(package) {
                let _ = writeln!(text, "[scripts.{}]", key(package));
                last = Some(package);
            }
            let _ = writeln!(text, "{name} = \"{}\"", script.sha256);
        }
        text.trim_end().to_owned()
    }
}

/// Writes a package's name as a key of TOML.
fn key(package: &PackageName) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let name = package.as_str();
    if name.bytes().all(bare) { name.to_owned() } else { format!("\"{name}\"") }
}

/// Looks through the scripts of a lock's packages, which must be in the cache.
///
/// What packages bring decides which branches of a script are taken, so the packages are unpacked, but
/// nothing is built.
///
/// # Errors
/// [`BuildError`] if a package is missing or damaged, or packages do not fit together.
pub fn survey_scripts(
    cache: &Cache,
    work: &WorkCache,
    recipe: &Recipe,
    lock: &Lock,
    jobs: NonZeroUsize,
    progress: &dyn Progress,
) -> Result<ScriptsReport, BuildError> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs.get()).build();
    let threads = threads.map_err(|source| BuildError::Threads(Box::new(source)))?;
    progress.stage(Stage::Scripts);
    threads.install(|| {
        let date = Mtime::from_seconds(lock.date.unix_seconds());
        let mut unpacked = packages::unpack(cache, work, lock)?;
        let controls = std::mem::take(&mut unpacked.controls);
        // Notes about the merge are the build's to give.
        let tree = system::merge_packages(unpacked, recipe, date, &())?;
        survey(&tree, recipe, &controls)
    })
}

/// Looks through the scripts of packages whose files are merged in a tree.
pub(crate) fn survey(
    tree: &Tree,
    recipe: &Recipe,
    controls: &BTreeMap<String, Control>,
) -> Result<ScriptsReport, BuildError> {
    let mut paths = Paths::default();
    for entry in tree.walk() {
        let kind = match &entry.inode.kind {
            Kind::Directory(_) => PathKind::Directory,
            Kind::Symlink(_) => PathKind::Link,
            _ => PathKind::File,
        };
        paths.insert(&entry.path.to_string(), kind);
    }
    let mut survey = Survey::new(&paths);
    let mut digests: BTreeMap<(String, String), Sha256Digest> = BTreeMap::new();
    for (package, control) in controls {
        if let Some(templates) = control.scripts.get(&MaintainerScript::Templates) {
            let config = control.scripts.get(&MaintainerScript::Config);
            survey.questions(package, templates, config.map(|text| &text[..]));
        }
        for (script, text) in &control.scripts {
            match script {
                MaintainerScript::Preinst => survey.script(package, ScriptKind::Preinst, text),
                MaintainerScript::Postinst => survey.script(package, ScriptKind::Postinst, text),
                MaintainerScript::Triggers => survey.triggers(package, text),
                _ => continue,
            }
            let key = (package.clone(), script.name().to_owned());
            digests.insert(key, Sha256Digest::of(text));
        }
    }
    let report = survey.finish(&knowledge(tree, recipe)?);
    Ok(join(report, &digests, recipe))
}

/// Returns what the finishers make, and what the recipe does.
fn knowledge(tree: &Tree, recipe: &Recipe) -> Result<Knowledge, BuildError> {
    let known = script_knowledge(tree);
    let mut known = known.map_err(|source| BuildError::Rootfs(Box::new(source)))?;
    // The caches of desktops are made beside the indices.
    known.desktop_caches = true;
    known.users.extend(recipe.users.keys().map(ToString::to_string));
    known.groups.extend(recipe.users.keys().chain(recipe.groups.keys()).map(ToString::to_string));
    recipe.files.keys().for_each(|path| known.files.insert(path.as_str(), PathKind::File));
    recipe.links.keys().for_each(|path| known.files.insert(path.as_str(), PathKind::Link));
    Ok(known)
}

/// Lays what the recipe accepts beside what was found.
fn join(
    report: Report,
    digests: &BTreeMap<(String, String), Sha256Digest>,
    recipe: &Recipe,
) -> ScriptsReport {
    let mut scripts = BTreeMap::new();
    for (names, findings) in report.scripts {
        let (Some(&sha256), Ok(package), Ok(script)) =
            (digests.get(&names), names.0.parse(), names.1.parse())
        else {
            continue;
        };
        let key: (PackageName, ScriptName) = (package, script);
        let acceptance = match recipe.scripts.get(&key) {
            None => Acceptance::None,
            Some(accepted) if accepted.sha256 == sha256 => Acceptance::Accepted,
            Some(accepted) => Acceptance::Changed(Box::new(accepted.changed(&sha256))),
        };
        scripts.insert(key, ScriptEntry { sha256, findings, acceptance });
    }
    let missing = recipe.scripts.iter().filter(|(key, _)| !scripts.contains_key(*key));
    let missing = missing.map(|(_, accepted)| accepted.missing()).collect();
    ScriptsReport { scripts, missing, declarations: report.declarations }
}

#[cfg(test)]
mod tests {
    use flagstone_recipe::Reader;

    use super::*;

    /// Reads one recipe from memory.
    struct Memory(String);

    impl Reader for Memory {
        fn read(&self, _: &std::path::Path, _: u64) -> std::io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }
    }

    const SCRIPT: &str = "#!/bin/sh\nset -e\nfrobnicate --all\nldconfig\n";

    fn report(recipe: &str) -> ScriptsReport {
        let text = format!("extends = \"ci\"\n{recipe}");
        let recipe = Recipe::load("a.toml", &Memory(text)).unwrap_or_else(|e| panic!("{e}"));
        let paths = Paths::default();
        let mut survey = Survey::new(&paths);
        let mut digests = BTreeMap::new();
        for package in ["aa", "libb++"] {
            survey.script(package, ScriptKind::Postinst, SCRIPT.as_bytes());
            let key = (package.to_owned(), "postinst".to_owned());
            digests.insert(key, Sha256Digest::of(SCRIPT.as_bytes()));
        }
        join(survey.finish(&Knowledge::default()), &digests, &recipe)
    }

    #[test]
    fn unknown_commands_are_named_until_the_printed_lines_are_in_the_recipe() {
        let open = report("");
        let notes = open.notes();
        assert_eq!(notes.len(), 3);
        assert_eq!(notes[0], "scripts: aa postinst, not known to be covered: frobnicate --all");
        let lines = open.lines_to_accept();
        let digest = Sha256Digest::of(SCRIPT.as_bytes());
        let expected = format!(
            "[scripts.aa]\npostinst = \"{digest}\"\n[scripts.\"libb++\"]\npostinst = \"{digest}\""
        );
        assert_eq!(lines, expected);
        assert_eq!(open.accepted().len(), 0);

        let accepted = report(&lines);
        assert_eq!(accepted.notes(), Vec::<String>::new());
        assert_eq!(accepted.accepted().len(), 2);
    }

    #[test]
    fn a_script_that_changed_since_or_is_gone_is_named_with_its_place_in_the_recipe() {
        let other = "0".repeat(64);
        let changed = report(&format!(
            "[scripts.aa]\npostinst = \"{other}\"\n[scripts.gone]\npreinst = \"{other}\"\n"
        ));
        let notes = changed.notes();
        assert!(notes[0].contains("a.toml:5:11: the preinst of gone"), "{}", notes[0]);
        assert!(notes[0].contains("found no such script"), "{}", notes[0]);
        assert!(
            notes[1].contains("a.toml:3:12: the postinst of aa is not the one"),
            "{}",
            notes[1]
        );
        let digest = Sha256Digest::of(SCRIPT.as_bytes());
        assert!(notes[1].contains(&format!("expected {other}, found {digest}")), "{}", notes[1]);
        assert!(notes[2].ends_with("frobnicate --all"), "{}", notes[2]);
        assert_eq!(changed.accepted().len(), 0);
    }
}
