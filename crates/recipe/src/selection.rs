//! Which packages may be chosen, beyond those of the distribution's usual suites.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::layer::{PinLayer, RelativePath, RepositoryLayer};
use crate::resolve::{Resolver, components};
use crate::source::{At, Located};
use crate::{Component, PackageName, RepositoryName, Suite, SuiteName, TrustedKey, VersionPattern};
use flagstone_artifact::did_you_mean;

/// The longest package that a recipe can bring, in bytes.
const DEB_MAX: u64 = 1 << 30;

/// Which packages may be chosen, beyond those of the distribution's usual suites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Whether recommended packages are installed, too.
    pub recommends: bool,
    /// Which candidates of some packages may be chosen.
    pub pins: BTreeMap<PackageName, Pin>,
    /// Repositories of others.
    pub repositories: BTreeMap<RepositoryName, Repository>,
    /// Packages in files beside the recipe; each is installed.
    pub debs: Vec<LocalDeb>,
}

/// Which candidates of one package may be chosen; it says at least one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The version.
    pub version: Option<VersionPattern>,
    /// The suite.
    pub suite: Option<SuiteName>,
    /// The repository.
    pub repository: Option<RepositoryName>,
}

/// A repository of somebody else's; where it is served is not a recipe's concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The suite to read.
    pub suite: SuiteName,
    /// Its components, in the recipe's order; at least one.
    pub components: Vec<Component>,
    /// The public keys that it is trusted by, as they lie in their file.
    pub key: TrustedKey,
}

/// A package in a file beside the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDeb {
    /// The file it was read from.
    pub path: PathBuf,
    /// The file's bytes, not looked into.
    pub content: Vec<u8>,
}

impl Selection {
    /// Writes what a lock depends on, a line each; nothing where a recipe says nothing.
    pub(crate) fn inputs(&self, mut line: impl FnMut(&str, &str)) {
        use flagstone_artifact::Sha256Digest;

        if self.recommends {
            line("recommends", "true");
        }
        for (name, pin) in &self.pins {
            let words = [
                pin.version.as_ref().map(|version| format!("version {version}")),
                pin.suite.as_ref().map(|suite| format!("suite {suite}")),
                pin.repository.as_ref().map(|repository| format!("repository {repository}")),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            line("pin", &format!("{name} {}", words.join(" ")));
        }
        for (name, repository) in &self.repositories {
            let Repository { suite, components, key } = repository;
            let components: Vec<&str> = components.iter().map(Component::as_str).collect();
            let key = Sha256Digest::of(&key.content);
            line("repository", &format!("{name} {suite} {} {key}", components.join(",")));
        }
        for deb in &self.debs {
            line("deb", &Sha256Digest::of(&deb.content).to_string());
        }
    }
}

impl Resolver<'_> {
    /// Checks a pin against the places that the recipe names.
    pub(crate) fn pin(
        &mut self,
        at: &At,
        layer: PinLayer,
        suites: &[Suite],
        repositories: &BTreeMap<RepositoryName, Repository>,
    ) -> Option<Pin> {
        if layer.version.is_none() && layer.suite.is_none() && layer.repository.is_none() {
            let error = at.error("the pin says nothing");
            self.report.push(error.expected("`version`, `suite` or `repository`"));
            return None;
        }
        if let Some(name) = &layer.repository
            && !repositories.contains_key(&name.value)
        {
            let known = repositories.keys().map(RepositoryName::as_str);
            let hint = did_you_mean(name.value.as_str(), known)
                .unwrap_or_else(|| format!("add [repositories.{}]", name.value));
            let error = name.at.error(format!("there is no repository `{}`", name.value));
            self.report.push(error.hint(hint));
        }
        if let Some(suite) = &layer.suite {
            let own = suites.iter().map(|suite| &suite.name);
            let known: Vec<&str> = own
                .chain(repositories.values().map(|repository| &repository.suite))
                .map(SuiteName::as_str)
                .collect();
            if !known.contains(&suite.value.as_str()) {
                let hint = did_you_mean(suite.value.as_str(), known.iter().copied())
                    .unwrap_or_else(|| format!("add it: source.extra = [\"{}\"]", suite.value));
                let error = suite.at.error(format!("the suite `{}` is not read", suite.value));
                self.report.push(error.hint(hint));
            }
        }
        Some(Pin {
            version: layer.version.map(|version| version.value),
            suite: layer.suite.map(|suite| suite.value),
            repository: layer.repository.map(|repository| repository.value),
        })
    }

    pub(crate) fn repository(&mut self, at: &At, layer: RepositoryLayer) -> Option<Repository> {
        let suite = self.demand(layer.suite, "suite", at);
        let key = self.demand_located(layer.key, "key", at);
        let key = key.and_then(|key| self.key(&key));
        let components = components(layer.components);
        Some(Repository { suite: suite?, components, key: key? })
    }

    /// Reads the packages beside a recipe.
    pub(crate) fn debs(&mut self, paths: Vec<Located<RelativePath>>) -> Vec<LocalDeb> {
        let mut debs = Vec::new();
        for path in paths {
            if let Some((path, content)) = self.read_beside(&path, DEB_MAX) {
                debs.push(LocalDeb { path, content });
            }
        }
        debs
    }
}
