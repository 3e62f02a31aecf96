use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Archive, Lock, PackageName, PackageVersion, SuiteName, Timestamp};

/// What differs between two locks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockDiff {
    /// Packages that only the new lock has.
    pub added: BTreeMap<PackageName, PackageVersion>,
    /// Packages that only the old lock has.
    pub removed: BTreeMap<PackageName, PackageVersion>,
    /// Packages whose archive is another.
    pub changed: BTreeMap<PackageName, VersionChange>,
    /// Suites whose Release file is another, with its dates; `None` where a lock has no such suite.
    pub suites: BTreeMap<(Archive, SuiteName), (Option<Timestamp>, Option<Timestamp>)>,
    /// Whether the locks differ in anything else: what they were made for, reasons, places,
    /// accepted scripts.
    pub other: bool,
}

/// The versions of one package in two locks; equal if only the content differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionChange {
    /// In the old lock.
    pub old: PackageVersion,
    /// In the new lock.
    pub new: PackageVersion,
}

impl LockDiff {
    /// Compares two locks.
    pub fn between(old: &Lock, new: &Lock) -> Self {
        let mut diff = Self::default();
        for (name, package) in &new.packages {
            match old.packages.get(name) {
                None => {
                    diff.added.insert(name.clone(), package.version.clone());
                }
                Some(before) if before.sha256 != package.sha256 => {
                    let (old, new) = (before.version.clone(), package.version.clone());
                    diff.changed.insert(name.clone(), VersionChange { old, new });
                }
                Some(_) => {}
            }
        }
        for (name, package) in &old.packages {
            if !new.packages.contains_key(name) {
                diff.removed.insert(name.clone(), package.version.clone());
            }
        }
        for name in old.suites.keys().chain(new.suites.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.suites.get(name), new.suites.get(name));
            if before.map(|suite| suite.release) != after.map(|suite| suite.release) {
                let date = |suite: Option<&crate::LockedSuite>| suite.map(|suite| suite.date);
                diff.suites.insert(name.clone(), (date(before), date(after)));
            }
        }
        diff.other = old != new && diff.is_empty();
        diff
    }

    /// Tells whether the locks are equal.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether the same packages would be installed.
    pub fn same_packages(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// One line a difference, without a final newline; nothing for equal locks.
impl fmt::Display for LockDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |date: &Option<Timestamp>| date.map_or("none".to_owned(), |d| d.to_string());
        let suites = self.suites.iter().map(|((archive, name), (old, new))| {
            let shown = match archive {
                Archive::Repository(repository) => format!("{repository}/{name}"),
                _ => name.to_string(),
            };
            (name.as_str(), format!("suite {shown} {} → {}", date(old), date(new)))
        });
        let added = self.added.iter().map(|(name, new)| (name.as_str(), format!("+ {name} {new}")));
        let removed =
            self.removed.iter().map(|(name, old)| (name.as_str(), format!("- {name} {old}")));
        let changed = self.changed.iter().map(|(name, VersionChange { old, new })| {
            let text = if old == new {
                format!("{old} (other content)")
            } else {
                format!("{old} → {new}")
            };
            (name.as_str(), format!("~ {name} {text}"))
        });
        let mut packages: Vec<(&str, String)> = added.chain(removed).chain(changed).collect();
        packages.sort();
        let other = self.other.then(|| ("", "other details".to_owned()));
        for (index, (_, line)) in suites.chain(packages).chain(other).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line)?;
        }
        Ok(())
    }
}
