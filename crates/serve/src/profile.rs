use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::address::BaseUrl;
use crate::config::ProfileSpec;
use crate::diagnostic::{Located, Mistake, Place};
use crate::folder::Folders;
use crate::group::Group;
use crate::ignition::Ignition;
use crate::label::Labels;
use crate::script::{BootScript, MachineScript};
use crate::served_path::ServedPath;
use crate::template::{Context, FillError, Template, Values};

/// Longer scripts and documents are not read.
pub(crate) const MAX_TEXT_BYTES: u64 = 8 << 20;

/// What a group of machines boots; every file was there when the server started.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) kernel: Option<ServedPath>,
    pub(crate) initrd: Vec<ServedPath>,
    pub(crate) uki: Option<ServedPath>,
    pub(crate) ignition: Option<Ignition>,
    cmdline: Vec<Template>,
    /// Arguments of a build's own script, which are no templates.
    base_cmdline: Vec<String>,
}

/// One machine, for what is written for it alone.
pub(crate) struct Machine<'m> {
    pub(crate) base: &'m BaseUrl,
    pub(crate) group: &'m Group,
    pub(crate) labels: &'m Labels,
}

impl Profile {
    /// Looks for everything that the configuration says about a profile.
    pub(crate) fn resolve(
        spec: &ProfileSpec,
        folders: &Folders,
        declared: &BTreeSet<&str>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut resolver = Resolver { folders, declared, mistakes };
        let script = spec.script.as_ref().and_then(|script| resolver.script(script));
        let kernel = spec.kernel.as_ref().and_then(|path| resolver.file(path));
        let mut initrd: Vec<ServedPath> =
            spec.initrd.iter().filter_map(|path| resolver.file(path)).collect();
        let mut profile = Self {
            kernel,
            uki: spec.uki.as_ref().and_then(|path| resolver.file(path)),
            ignition: spec.ignition.as_ref().and_then(|path| resolver.ignition(path)),
            cmdline: spec.cmdline.iter().filter_map(|arg| resolver.argument(arg)).collect(),
            base_cmdline: Vec::new(),
            initrd: Vec::new(),
        };
        if let (Some(script), Some(at)) = (script, &spec.script) {
            let named = |name: &str, resolver: &mut Resolver<'_, '_>| {
                let path = at
                    .value
                    .rsplit_once('/')
                    .map_or_else(String::new, |(dir, _)| format!("{dir}/"));
                resolver.file(&Located { value: path + name, place: at.place.clone() })
            };
            if spec.kernel.is_none() {
                profile.kernel = named(&script.kernel, &mut resolver);
            }
            if spec.initrd.is_empty() {
                initrd =
                    script.initrd.iter().filter_map(|name| named(name, &mut resolver)).collect();
            }
            profile.base_cmdline = script.cmdline;
        }
        let names: BTreeSet<&str> = initrd.iter().map(ServedPath::name).collect();
        if names.len() < initrd.len() {
            let place = spec.initrd.first().map_or(&spec.name.place, |first| &first.place);
            let hint = Some("iPXE tells them apart by their names; rename one".to_owned());
            resolver.mistakes.push(place.mistake("two initrds have the same name", hint));
        }
        profile.initrd = initrd;
        profile
    }

    /// Returns the files that the profile boots.
    pub(crate) fn files(&self) -> impl Iterator<Item = &ServedPath> {
        self.kernel.iter().chain(&self.initrd).chain(&self.uki)
    }

    /// Writes the boot script of a machine; `None` if the profile has nothing but a document.
    pub(crate) fn script(&self, machine: &Machine<'_>) -> Result<Option<String>, FillError> {
        if self.kernel.is_none() && self.uki.is_none() {
            return Ok(None);
        }
        let mut cmdline = self.base_cmdline.clone();
        machine.values(|values| {
            for argument in &self.cmdline {
                cmdline.push(argument.fill(values, Context::ScriptWord)?);
            }
            Ok(())
        })?;
        let script = MachineScript {
            base: machine.base,
            kernel: self.kernel.as_ref(),
            initrd: &self.initrd,
            uki: self.uki.as_ref(),
            cmdline: &cmdline,
        };
        Ok(Some(script.write()))
    }
}

impl Machine<'_> {
    /// Lends what templates are filled in with.
    pub(crate) fn values<T>(&self, with: impl FnOnce(&Values<'_>) -> T) -> T {
        let query = self.labels.to_query();
        let own = [("base", self.base.as_str()), ("query", query.as_str())];
        with(&Values { own, metadata: &self.group.metadata, labels: self.labels })
    }
}

/// Looks up what a profile names.
struct Resolver<'r, 'm> {
    folders: &'r Folders,
    declared: &'r BTreeSet<&'r str>,
    mistakes: &'m mut Vec<Mistake>,
}

impl Resolver<'_, '_> {
    fn file(&mut self, path: &Located<String>) -> Option<ServedPath> {
        let shown = &path.value;
        let Ok(served) = path.value.parse::<ServedPath>() else {
            let message = format!("`{shown}` is not the path of a served file");
            let hint =
                "it is relative to a served folder, without `..` and hidden files".to_owned();
            self.mistakes.push(path.place.mistake(message, Some(hint)));
            return None;
        };
        if let Err(error) = self.folders.open(&served) {
            let folders: Vec<String> =
                self.folders.paths().iter().map(|path| path.display().to_string()).collect();
            let message = format!("the file `{shown}` cannot be served: {error}");
            let hint = format!("the served folders are {}", folders.join(", "));
            self.mistakes.push(path.place.mistake(message, Some(hint)));
            return None;
        }
        Some(served)
    }

    fn script(&mut self, path: &Located<String>) -> Option<BootScript> {
        let served = self.file(path)?;
        let text = self.folders.open(&served).ok().and_then(|opened| opened.text(MAX_TEXT_BYTES));
        let read = text.ok_or("it is not text").and_then(|text| BootScript::parse(&text));
        read.map_err(|why| {
            let message = format!("`{}` is not a boot script: {why}", path.value);
            let hint = "a build writes it beside the kernel, as <id>_<version>_<arch>.pxe.ipxe";
            self.mistakes.push(path.place.mistake(message, Some(hint.to_owned())));
        })
        .ok()
    }

    fn argument(&mut self, argument: &Located<String>) -> Option<Template> {
        let text = &argument.value;
        if text.is_empty()
            || text.replace("{{ ", "{{").replace(" }}", "}}").contains(' ')
            || text.chars().any(char::is_control)
        {
            let message = format!("{text:?} is not one argument");
            let hint = "write one string for each argument; iPXE knows no quotes".to_owned();
            self.mistakes.push(argument.place.mistake(message, Some(hint)));
            return None;
        }
        self.template(text, |_| argument.place.clone())
    }

    fn ignition(&mut self, path: &Located<std::path::PathBuf>) -> Option<Ignition> {
        let shown = path.value.display();
        let content = match std::fs::read_to_string(&path.value) {
            Ok(content) => content,
            Err(error) => {
                let message = format!("the Ignition file {shown} cannot be read: {error}");
                let hint = "it is relative to the folder of the configuration".to_owned();
                self.mistakes.push(path.place.mistake(message, Some(hint)));
                return None;
            }
        };
        let text = Arc::new(crate::diagnostic::Text { path: path.value.clone(), content });
        let template = self.template(&text.content, |at| Place::at(&text, &(at..at)))?;
        Ignition::new(template, &path.value).map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// Reads a template whose variables are all declared.
    fn template(&mut self, text: &str, place: impl Fn(usize) -> Place) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                let hint = "two braces that are meant as such are written {{\"{{\"}}".to_owned();
                self.mistakes.push(place(error.offset).mistake(error.message, Some(hint)));
                return None;
            }
        };
        let mut sound = true;
        for (name, offset) in template.variables() {
            if !self.declared.contains(name) {
                let known: Vec<&str> = self.declared.iter().copied().collect();
                let hint = crate::suggest::nearest(name, &known).map_or_else(
                    || {
                        "declare it in `metadata` of every group with this profile, or in `labels`"
                            .to_owned()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("the variable `{name}` is not declared");
                self.mistakes.push(place(offset).mistake(message, Some(hint)));
                sound = false;
            }
        }
        sound.then_some(template)
    }
}

/// Returns the metadata that every group with a profile has.
pub(crate) fn common_metadata<'g>(groups: &'g [Group], profile: &str) -> BTreeSet<&'g str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let using = groups.iter().filter(|group| group.profile == profile);
    let mut all = 0;
    for group in using {
        all += 1;
        for name in group.metadata.keys() {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count == all).map(|(name, _)| name).collect()
}
