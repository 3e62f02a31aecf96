use std::collections::BTreeSet;

use serde::Serialize;

use crate::files::{FileState, FilesDiff};

/// Where units lie, in paths of an image, with what they are for.
const FOLDERS: [(&str, Scope); 4] = [
    ("/usr/lib/systemd/system/", Scope::System),
    ("/usr/share/flagstone/etc/systemd/system/", Scope::System),
    ("/usr/lib/systemd/user/", Scope::User),
    ("/usr/share/flagstone/etc/systemd/user/", Scope::User),
];

/// The endings of unit files (systemd.unit(5)).
const TYPES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// Folders of links that start a unit with another.
const PULLS: [&str; 3] = [".wants", ".requires", ".upholds"];

/// What differs between the systemd units of two releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitsDiff {
    /// Units that only the new release has.
    pub added: Vec<Unit>,
    /// Units that only the old release has.
    pub removed: Vec<Unit>,
    /// Units whose file, drop-in or alias is otherwise.
    pub changed: Vec<Unit>,
    /// Units that another unit starts only in the new release.
    pub enabled: Vec<Unit>,
    /// Units that another unit starts only in the old release.
    pub disabled: Vec<Unit>,
    /// Units that only the new release masks.
    pub masked: Vec<Unit>,
    /// Units that only the old release masks.
    pub unmasked: Vec<Unit>,
}

/// What a unit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The system.
    System,
    /// The sessions of users.
    User,
}

/// A unit, and the path that tells what became of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// The unit file, drop-in or link.
    pub path: String,
}

/// What a path is for systemd.
enum Meaning {
    /// The unit's own file, or a link in its place.
    File(Unit),
    /// A snippet that changes it.
    DropIn(Unit),
    /// A link that has another unit start it.
    Pull(Unit),
}

impl UnitsDiff {
    /// Finds units among files that differ; `had` tells whether a side (0 old, 1 new) has a path.
    pub(crate) fn of(files: &FilesDiff, had: &dyn Fn(usize, &str) -> bool) -> Self {
        let mut diff = Self::default();
        for entry in &files.added {
            diff.appeared(&entry.path, &entry.state, |unit| elsewhere(unit, 0, had));
        }
        for entry in &files.removed {
            diff.vanished(&entry.path, &entry.state, |unit| elsewhere(unit, 1, had));
        }
        for change in &files.changed {
            let (was, is) = (is_mask(&change.old), is_mask(&change.new));
            match meaning(&change.path) {
                Some(Meaning::File(unit)) if !was && is => diff.masked.push(unit),
                Some(Meaning::File(unit)) if was && !is => diff.unmasked.push(unit),
                Some(Meaning::File(unit) | Meaning::DropIn(unit)) => diff.changed.push(unit),
                // Where the link points to does not matter to systemd, its name does.
                Some(Meaning::Pull(_)) | None => {}
            }
        }
        diff.tidy();
        diff
    }

    fn appeared(&mut self, path: &str, state: &FileState, elsewhere: impl Fn(&Unit) -> bool) {
        match meaning(path) {
            Some(Meaning::File(unit)) if is_mask(state) => self.masked.push(unit),
            Some(Meaning::File(unit)) if is_unit(state) => {
                let list = if elsewhere(&unit) { &mut self.changed } else { &mut self.added };
                list.push(unit);
            }
            Some(Meaning::DropIn(unit)) if is_unit(state) => self.changed.push(unit),
            Some(Meaning::Pull(unit)) if is_unit(state) => self.enabled.push(unit),
            _ => {}
        }
    }

    fn vanished(&mut self, path: &str, state: &FileState, elsewhere: impl Fn(&Unit) -> bool) {
        match meaning(path) {
            Some(Meaning::File(unit)) if is_mask(state) => self.unmasked.push(unit),
            Some(Meaning::File(unit)) if is_unit(state) => {
                let list = if elsewhere(&unit) { &mut self.changed } else { &mut self.removed };
                list.push(unit);
            }
            Some(Meaning::DropIn(unit)) if is_unit(state) => self.changed.push(unit),
            Some(Meaning::Pull(unit)) if is_unit(state) => self.disabled.push(unit),
            _ => {}
        }
    }

    /// Sorts the lists. Who goes with a unit that is new or gone need not be called changed, and a
    /// link that only moved between folders is no difference.
    fn tidy(&mut self) {
        let names = |list: &[Unit]| -> BTreeSet<(String, Scope)> {
            list.iter().map(|unit| (unit.name.clone(), unit.scope)).collect()
        };
        let mut known = names(&self.added);
        known.extend(names(&self.removed));
        self.changed.retain(|unit| !known.contains(&(unit.name.clone(), unit.scope)));
        let pulls = |list: &[Unit]| -> BTreeSet<(String, Scope)> {
            list.iter().map(|unit| (pull(unit), unit.scope)).collect()
        };
        let (enabled, disabled) = (pulls(&self.enabled), pulls(&self.disabled));
        self.enabled.retain(|unit| !disabled.contains(&(pull(unit), unit.scope)));
        self.disabled.retain(|unit| !enabled.contains(&(pull(unit), unit.scope)));
        for list in self.lists_mut() {
            list.sort();
        }
    }

    fn lists_mut(&mut self) -> [&mut Vec<Unit>; 7] {
        let Self { added, removed, changed, enabled, disabled, masked, unmasked } = self;
        [added, removed, changed, enabled, disabled, masked, unmasked]
    }

    /// Returns every list with what it is called.
    pub fn lists(&self) -> [(&'static str, &[Unit]); 7] {
        let Self { added, removed, changed, enabled, disabled, masked, unmasked } = self;
        [
            ("added", added),
            ("removed", removed),
            ("changed", changed),
            ("enabled", enabled),
            ("disabled", disabled),
            ("masked", masked),
            ("unmasked", unmasked),
        ]
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }
}

/// Returns the folder and name of a link: `multi-user.target.wants/ssh.service`.
fn pull(unit: &Unit) -> String {
    let mut parts = unit.path.rsplitn(3, '/');
    let (name, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{folder}/{name}")
}

/// Tells whether another folder of a side has the unit.
fn elsewhere(unit: &Unit, side: usize, had: &dyn Fn(usize, &str) -> bool) -> bool {
    let folders = FOLDERS.iter().filter(|(_, scope)| *scope == unit.scope);
    folders.map(|(folder, _)| format!("{folder}{}", unit.name)).any(|path| had(side, &path))
}

fn is_unit(state: &FileState) -> bool {
    matches!(state.kind, "file" | "link")
}

fn is_mask(state: &FileState) -> bool {
    state.target.as_deref() == Some("/dev/null") || (state.kind == "file" && state.size == 0)
}

fn meaning(path: &str) -> Option<Meaning> {
    let (rest, scope) =
        FOLDERS.iter().find_map(|(folder, scope)| Some((path.strip_prefix(folder)?, *scope)))?;
    let unit = |name: &str| Unit { name: name.to_owned(), scope, path: path.to_owned() };
    let Some((folder, name)) = rest.split_once('/') else {
        return is_unit_name(rest).then(|| Meaning::File(unit(rest)));
    };
    if name.contains('/') {
        return None;
    }
    if PULLS.iter().any(|pull| folder.strip_suffix(pull).is_some_and(is_unit_name)) {
        return is_unit_name(name).then(|| Meaning::Pull(unit(name)));
    }
    let changed = folder
        .strip_suffix(".d")
        .filter(|_| name.rsplit_once('.').is_some_and(|(_, end)| end == "conf"))?;
    // A drop-in may be for all units of a type, or for all that begin alike.
    Some(Meaning::DropIn(unit(changed)))
}

fn is_unit_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, kind)| !stem.is_empty() && TYPES.contains(&kind))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::files::{Aspect, FileChange, FileEntry};

    fn state(target: Option<&str>) -> FileState {
        FileState {
            kind: if target.is_some() { "link" } else { "file" },
            mode: "0644".to_owned(),
            uid: 0,
            gid: 0,
            size: 10,
            sha256: None,
            target: target.map(str::to_owned),
            xattrs: BTreeMap::new(),
            mtime: 0,
            damage: None,
        }
    }

    fn entry(path: &str, target: Option<&str>) -> FileEntry {
        FileEntry { path: path.to_owned(), state: state(target) }
    }

    fn names(list: &[Unit]) -> Vec<&str> {
        list.iter().map(|unit| unit.name.as_str()).collect()
    }

    #[test]
    fn files_of_units_tell_what_became_of_the_units() {
        let system = "/usr/lib/systemd/system";
        let etc = "/usr/share/flagstone/etc/systemd/system";
        let change = |path: String, old: FileState, new: FileState| FileChange {
            path,
            differs: vec![Aspect::Content],
            old,
            new,
        };
        let files = FilesDiff {
            added: vec![
                entry(&format!("{system}/new.service"), None),
                entry(&format!("{system}/new.service.d/10.conf"), None),
                entry(
                    &format!("{system}/multi-user.target.wants/new.service"),
                    Some("../new.service"),
                ),
                entry(&format!("{etc}/over.service"), None),
                entry(&format!("{etc}/sshd.service.d/50.conf"), None),
                entry(&format!("{etc}/off.timer"), Some("/dev/null")),
                entry(&format!("{etc}/sockets.target.wants/moved.socket"), Some("x")),
                entry("/usr/lib/systemd/user/session.service", None),
                entry(&format!("{system}/README"), None),
                entry("/usr/lib/elsewhere/a.service", None),
            ],
            removed: vec![
                entry(&format!("{system}/old.socket"), None),
                entry(&format!("{system}/sockets.target.wants/moved.socket"), Some("x")),
                entry(
                    &format!("{system}/timers.target.wants/fstrim.timer"),
                    Some("../fstrim.timer"),
                ),
            ],
            changed: vec![
                change(format!("{system}/cron.service"), state(None), state(None)),
                change(format!("{system}/nap.service"), state(Some("/dev/null")), state(None)),
            ],
            times: 0,
        };
        let had = |side: usize, path: &str| side == 0 && path == format!("{system}/over.service");
        let diff = UnitsDiff::of(&files, &had);
        assert_eq!(names(&diff.added), ["new.service", "session.service"]);
        assert_eq!(diff.added[1].scope, Scope::User);
        assert_eq!(names(&diff.removed), ["old.socket"]);
        assert_eq!(names(&diff.changed), ["cron.service", "over.service", "sshd.service"]);
        assert_eq!(names(&diff.enabled), ["new.service"]);
        assert_eq!(names(&diff.disabled), ["fstrim.timer"]);
        assert_eq!(names(&diff.masked), ["off.timer"]);
        assert_eq!(names(&diff.unmasked), ["nap.service"]);
        assert!(UnitsDiff::of(&FilesDiff::default(), &had).is_empty());
    }
}
