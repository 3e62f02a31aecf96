use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use flagstone_debian::{Control, Copyright, Dependency, Relation};
use flagstone_recipe::{Lock, LockedPackage, PackageName, Recipe};
use flagstone_sbom::{Bill, Licences, Package};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::BuildError;

/// Where an image keeps its own lists of software.
const BILLS: &str = "usr/share/flagstone/sbom";

/// Where an image keeps the package database. State on ROOT outlives an update; this does not.
const STATUS: &str = "usr/lib/dpkg/status";

/// Puts the package database where scanners look, anew at every boot, so that it speaks of the /usr
/// that runs. A link would do, but scanners that walk a file system do not follow links.
const STATUS_SNIPPET: (&str, &str) = (
    "usr/lib/tmpfiles.d/flagstone-dpkg.conf",
    "r! /var/lib/dpkg/status\nC! /var/lib/dpkg/status - - - - /usr/lib/dpkg/status\n",
);

/// What software an image holds, in the forms that others read.
#[derive(Debug)]
pub(crate) struct Software {
    pub(crate) spdx: String,
    pub(crate) cyclonedx: String,
    /// The database of dpkg: one stanza a package.
    status: String,
}

impl Software {
    /// Lists the packages of a lock; licences are read from the copyright files in the tree.
    pub(crate) fn new(
        tree: &Tree,
        recipe: &Recipe,
        lock: &Lock,
        controls: &BTreeMap<String, Control>,
    ) -> Self {
        let providers = providers(controls);
        let mut packages = Vec::with_capacity(lock.packages.len());
        let mut status = String::new();
        for (name, locked) in &lock.packages {
            let Some(control) = controls.get(name.as_str()) else { continue };
            packages.push(package(tree, name, locked, control, &providers));
            status.push_str(&status_stanza(control));
        }
        let release = recipe.source.suites.first();
        let bill = Bill {
            image: recipe.image.clone(),
            date: lock.date.to_string(),
            tool: format!("flagstone-{}", env!("CARGO_PKG_VERSION")),
            distribution: recipe.source.distribution.name().to_owned(),
            release: release.map(|suite| suite.name.to_string()).unwrap_or_default(),
            packages,
        };
        Self { spdx: bill.to_spdx(), cyclonedx: bill.to_cyclonedx(), status }
    }

    /// Puts the lists into the image.
    pub(crate) fn install(&self, tree: &mut Tree, date: Mtime) -> Result<(), BuildError> {
        for (path, text) in [
            (format!("{BILLS}/image.spdx.json").as_str(), self.spdx.as_str()),
            (&format!("{BILLS}/image.cdx.json"), &self.cyclonedx),
            (STATUS, &self.status),
            (STATUS_SNIPPET.0, STATUS_SNIPPET.1),
        ] {
            let file = Inode::file(Metadata::root(0o644, date), text.to_owned());
            tree.put(path, Metadata::root(0o755, date), file)?;
        }
        Ok(())
    }
}

/// Returns which packages stand for each name: the package itself, and those that provide it.
fn providers(controls: &BTreeMap<String, Control>) -> BTreeMap<String, BTreeSet<String>> {
    let mut providers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, control) in controls {
        let provided = control.stanza().get("Provides").map(Relation::parse_list);
        let provided = provided.and_then(Result::ok).unwrap_or_default();
        let names = provided.iter().map(|relation| relation.name.to_string());
        for provided in names.chain([name.clone()]) {
            providers.entry(provided).or_default().insert(name.clone());
        }
    }
    providers
}

fn package(
    tree: &Tree,
    name: &PackageName,
    locked: &LockedPackage,
    control: &Control,
    providers: &BTreeMap<String, BTreeSet<String>>,
) -> Package {
    let stanza = control.stanza();
    let version = locked.version.to_string();
    // "Source: name" or "Source: name (version)" (Policy 5.6.1); the same as the package's if absent.
    let source = stanza.get("Source").unwrap_or(name.as_str());
    let (source, source_version) = match source.split_once('(') {
        Some((source, version)) => (source.trim(), version.trim_end_matches(')').trim()),
        None => (source.trim(), version.as_str()),
    };
    let copyright = tree.read_text(format!("usr/share/doc/{name}/copyright"));
    let copyright = copyright.ok().and_then(|text| Copyright::parse(&text));
    let licences =
        copyright.map(|Copyright { licences, texts }| Licences { stated: licences, texts });
    let owned = |field: &str| stanza.get(field).map(str::to_owned);
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(|field| stanza.get(field));
    let depends = depends.filter_map(|text| Dependency::parse_list(text).ok()).flatten();
    let depends = depends.filter_map(|dependency| {
        let names = dependency.alternatives.iter().map(|relation| relation.name.as_str());
        names.into_iter().find_map(|name| providers.get(name))
    });
    let mut depends: BTreeSet<String> = depends.flatten().cloned().collect();
    depends.remove(name.as_str());
    Package {
        name: name.to_string(),
        architecture: locked.architecture.to_string(),
        sha256: locked.sha256,
        source: source.to_owned(),
        source_version: source_version.to_owned(),
        version,
        maintainer: owned("Maintainer"),
        homepage: owned("Homepage"),
        summary: stanza.get("Description").and_then(|d| d.lines().next()).map(str::to_owned),
        licences,
        depends,
    }
}

/// Returns a package's stanza of the database: its control fields and that it is installed
/// (deb822(5), dpkg-query(1)).
fn status_stanza(control: &Control) -> String {
    let mut stanza = String::new();
    for field in control.stanza().fields() {
        // A value that starts on its second line has a line feed first.
        let blank = if field.value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(stanza, "{}:{blank}{}", field.name, field.value);
        if field.name.eq_ignore_ascii_case("Package") {
            stanza.push_str("Status: install ok installed\n");
        }
    }
    stanza.push('\n');
    stanza
}
