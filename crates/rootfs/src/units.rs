//! Which units start: the recipe's choice as a preset, and the links that follow from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flagstone_tree::{Kind, Mtime, Tree, TreePath};

use crate::edit::{Edit, config_files, merged, names, names_ending, text};
use crate::error::InStep;
use crate::preset::{Presets, Verdict};
use crate::unit_file::{Install, UnitName};
use crate::{Note, RootfsError};

const STEP: &str = "units";

/// Where the machine's configuration enables units.
const CONFIG: &str = "etc/systemd/system";

/// Where unit files are; earlier places hide later ones.
const PLACES: [&str; 2] = [CONFIG, "usr/lib/systemd/system"];

/// Where preset files are.
const PRESET_PLACES: [&str; 2] = ["etc/systemd/system-preset", "usr/lib/systemd/system-preset"];

/// The recipe's preset. It ends in `disable *`, so it must sort before distributions' 90-*.preset,
/// and after 20-ignition.preset, by which Ignition enables units on the machine at first boot.
const PRESET: &str = "usr/lib/systemd/system-preset/50-flagstone.preset";

/// Units that targets want by links in packages, and that do nothing good here: they ask a person at
/// first boot, or make at boot what the image holds already or does not use.
const POINTLESS: [&str; 4] = [
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "ldconfig.service",
];

/// What the recipe says about units.
#[derive(Clone, Debug, Default)]
pub struct UnitsInput {
    /// Units to enable; an instance (`serial-getty@ttyS0.service`) by its full name.
    pub enable: Vec<String>,
    /// Units to disable, though a preset of lower name enables them.
    pub disable: Vec<String>,
    /// Units that must not start at all.
    pub mask: Vec<String>,
    /// The recipe's own unit files and drop-ins: name (`x.service`, `x.service.d/10-y.conf`) and text.
    pub contents: BTreeMap<String, String>,
}

/// Writes the recipe's units and preset, and the links that `systemctl preset-all` would make.
///
/// Packages' scripts enable what they bring; here the recipe's list is all there is, and what it
/// does not name stays off. Links go to `/etc/systemd/system`, which becomes part of the defaults.
/// systemd applies presets again at first boot, with the same outcome. Presets of user units are
/// left to that.
///
/// Returns the links, as `target.wants/unit`.
pub(crate) fn enable(
    tree: &mut Tree,
    input: &UnitsInput,
    date: Mtime,
    notes: &mut Vec<Note>,
) -> Result<BTreeSet<String>, RootfsError> {
    let mut edit = Edit::new(tree, date, STEP);
    for (name, content) in &input.contents {
        let unit = name.split_once(".d/").map_or(name.as_str(), |(unit, _)| unit);
        unit.parse::<UnitName>()?;
        edit.file(&format!("{}/{name}", PLACES[1]), 0o644, content.clone())?;
    }
    drop_pointless(edit.tree)?;
    edit.file(PRESET, 0o644, preset_text(edit.tree, input, notes)?)?;
    let mut presets = Presets::default();
    for path in config_files(edit.tree, &PRESET_PLACES, ".preset") {
        presets.add(&path, &text(edit.tree, &path, STEP)?.unwrap_or_default())?;
    }
    let plan = Plan::of(edit.tree, &presets);
    remove_links(edit.tree, &plan.disabled)?;
    for (link, target) in &plan.links {
        edit.symlink(&format!("{CONFIG}/{link}"), target)?;
    }
    for name in &input.mask {
        let unit: UnitName = name.parse()?;
        edit.symlink(&format!("{CONFIG}/{unit}"), "/dev/null")?;
    }
    Ok(plan.links.into_keys().collect())
}

fn drop_pointless(tree: &mut Tree) -> Result<(), RootfsError> {
    for dir in names_ending(tree, PLACES[1], ".wants") {
        for unit in POINTLESS {
            tree.remove(format!("{}/{dir}/{unit}", PLACES[1])).in_step(STEP)?;
        }
    }
    Ok(())
}

/// Renders the recipe's choice; every unit to be enabled must exist.
fn preset_text(
    tree: &Tree,
    input: &UnitsInput,
    notes: &mut Vec<Note>,
) -> Result<String, RootfsError> {
    let mut rules: BTreeMap<UnitName, BTreeSet<String>> = BTreeMap::new();
    for name in &input.enable {
        let unit: UnitName = name.parse()?;
        let found = find(tree, &unit).ok_or_else(|| RootfsError::UnknownUnit(name.clone()))?;
        let rule = rules.entry(found.name.template()).or_default();
        rule.extend(unit.instance().map(str::to_owned));
    }
    let mut text = "# Made by Flagstone from the recipe.\n".to_owned();
    for name in &input.disable {
        let unit: UnitName = name.parse()?;
        if find(tree, &unit).is_none() {
            notes.push(Note::new(STEP, format!("{unit} is to be disabled, but does not exist")));
        }
        text.extend(["disable ", unit.as_str(), "\n"]);
    }
    for (unit, instances) in rules {
        text.extend(["enable ", unit.as_str()]);
        text.extend(instances.iter().flat_map(|instance| [" ", instance.as_str()]));
        text.push('\n');
    }
    Ok(text + "disable *\n")
}

/// A unit's file.
struct Found {
    /// The name of the file that describes it: the unit's, or the one that it is an alias of.
    name: UnitName,
    /// Where it is.
    path: String,
}

/// Finds the file of a unit: its own, that of its template, or, over links, that of the unit that
/// it is an alias of. `None` if there is none or if it is masked.
fn find(tree: &Tree, unit: &UnitName) -> Option<Found> {
    let mut unit = unit.clone();
    // An alias of an alias is as deep as real systems go.
    for _ in 0..8 {
        let path = [unit.clone(), unit.template()].into_iter().find_map(|name| {
            let paths = PLACES.map(|place| format!("{place}/{name}"));
            paths.into_iter().find(|path| tree.exists(path)).map(|path| (name, path))
        });
        let (name, path) = path?;
        let id = tree.lookup(&TreePath::new(&path).ok()?)?;
        match &tree.inode(id).kind {
            Kind::File(content) if content.is_empty() => return None,
            Kind::File(_) => return Some(Found { name, path }),
            Kind::Symlink(target) => {
                let target = std::str::from_utf8(target).ok()?;
                let base = target.rsplit('/').next()?;
                let next: UnitName = base.parse().ok()?;
                if next == name {
                    // A link to a file of its own name, somewhere else.
                    let (path, id) = tree.resolve(&path).ok()?;
                    tree.inode(id).content()?;
                    return Some(Found { name, path: path.to_string() });
                }
                unit = match (unit.instance(), next.is_template()) {
                    (Some(instance), true) => next.with_instance(instance).ok()?,
                    _ => next,
                };
            }
            _ => return None,
        }
    }
    None
}

/// What presets lead to.
#[derive(Default)]
struct Plan {
    /// Links below [`CONFIG`] and their targets.
    links: BTreeMap<String, String>,
    disabled: BTreeSet<UnitName>,
}

impl Plan {
    fn of(tree: &Tree, presets: &Presets) -> Self {
        let mut plan = Self::default();
        let mut todo = VecDeque::new();
        for unit in all_units(tree) {
            match presets.query(&unit) {
                Verdict::Enable(instances) if instances.is_empty() => todo.push_back(unit),
                Verdict::Enable(instances) => {
                    todo.extend(instances.iter().filter_map(|i| unit.with_instance(i).ok()));
                }
                Verdict::Disable => {
                    plan.disabled.insert(unit);
                }
                Verdict::Ignore => {}
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(unit) = todo.pop_front() {
            if seen.insert(unit.clone())
                && let Some(found) = find(tree, &unit)
            {
                let install = read_install(tree, &found);
                todo.extend(Install::expand(&install.also, &unit));
                plan.add(&unit, &found, &install);
            }
        }
        plan
    }

    /// Adds the links of one enabled unit.
    fn add(&mut self, unit: &UnitName, found: &Found, install: &Install) {
        let target = format!("/{}", found.path);
        // An alias is enabled as what it stands for.
        let unit = if unit.template() == found.name { unit.clone() } else { found.name.clone() };
        let default = install.default_instance.as_deref().filter(|_| unit.is_template());
        let unit = default.and_then(|instance| unit.with_instance(instance).ok()).unwrap_or(unit);
        for alias in Install::expand(&install.alias, &unit) {
            let same_kind = alias.suffix() == unit.suffix()
                && alias.template().is_template() == unit.template().is_template();
            if same_kind && alias != found.name {
                self.links.insert(alias.to_string(), target.clone());
            }
        }
        let lists = [
            (&install.wanted_by, "wants"),
            (&install.required_by, "requires"),
            (&install.upheld_by, "upholds"),
        ];
        for (list, kind) in lists {
            for wanting in Install::expand(list, &unit) {
                // A template without an instance can only be wanted by templates.
                if !unit.is_template() || wanting.is_template() {
                    self.links.insert(format!("{wanting}.{kind}/{unit}"), target.clone());
                }
            }
        }
    }
}

/// Returns all units that have a file of their own: no aliases, nothing masked.
fn all_units(tree: &Tree) -> BTreeSet<UnitName> {
    let names = PLACES.iter().flat_map(|place| names(tree, place));
    names
        .filter_map(|name| name.parse::<UnitName>().ok())
        .filter(|unit| find(tree, unit).is_some_and(|found| found.name == *unit))
        .collect()
}

/// Reads the `[Install]` section of a unit and its drop-ins.
fn read_install(tree: &Tree, found: &Found) -> Install {
    let mut install = Install::default();
    let dirs = PLACES.map(|place| format!("{place}/{}.d", found.name));
    let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
    let drop_ins = config_files(tree, &dirs, ".conf");
    for path in [found.path.clone()].into_iter().chain(drop_ins) {
        // A unit that is not text is systemd's to complain about.
        if let Ok(text) = tree.read_text(merged(&path)) {
            install.add(&text);
        }
    }
    install
}

/// Removes what packages shipped as links for units that are to be off.
fn remove_links(tree: &mut Tree, disabled: &BTreeSet<UnitName>) -> Result<(), RootfsError> {
    let dirs: Vec<String> = [".wants", ".requires", ".upholds"]
        .iter()
        .flat_map(|suffix| names_ending(tree, CONFIG, suffix))
        .collect();
    let dirs = dirs.into_iter().map(|dir| format!("{CONFIG}/{dir}")).chain([CONFIG.to_owned()]);
    let mut doomed = Vec::new();
    for dir in dirs {
        for name in names(tree, &dir) {
            let path = format!("{dir}/{name}");
            let id = TreePath::new(&path).ok().and_then(|path| tree.lookup(&path));
            let Some(Kind::Symlink(target)) = id.map(|id| &tree.inode(id).kind) else { continue };
            let target = String::from_utf8_lossy(target);
            let base = target.rsplit('/').next().and_then(|base| base.parse::<UnitName>().ok());
            let named = name.parse::<UnitName>().ok();
            if base.is_some_and(|unit| disabled.contains(&unit))
                || named.is_some_and(|unit| disabled.contains(&unit) && target != "/dev/null")
            {
                doomed.push(path);
            }
        }
    }
    for path in doomed {
        tree.remove(path).in_step(STEP)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
