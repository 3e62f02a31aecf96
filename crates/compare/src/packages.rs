use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use flagstone_artifact::{Manifest, Sha256Digest};
use flagstone_debian::{DebVersion, Stanzas};
use flagstone_recipe::Lock;
use serde::Serialize;
use serde_json::Value;

use crate::CompareError;
use crate::usr::Usr;

/// Where an image has the list of its packages with digests, and where without.
const BILL: &str = "share/flagstone/sbom/image.cdx.json";
const STATUS: &str = "lib/dpkg/status";

/// The longest list of packages.
const LIST_MAX: u64 = 64 << 20;

/// What differs between the packages of two releases; each list is sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackagesDiff {
    /// What only the new release has.
    pub added: Vec<NamedPackage>,
    /// What only the old release has.
    pub removed: Vec<NamedPackage>,
    /// Packages of a newer version, in Debian's order of versions.
    pub upgraded: Vec<PackageChange>,
    /// Packages of an older version.
    pub downgraded: Vec<PackageChange>,
    /// Packages of the same version, but of other content or for another architecture.
    pub rebuilt: Vec<PackageChange>,
    /// How many are the same.
    pub same: u64,
}

/// One package of one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The digest of its archive, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
}

/// A package with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedPackage {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub package: Package,
}

/// A package in both releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// In the old release.
    pub old: Package,
    /// In the new release.
    pub new: Package,
}

pub(crate) type Packages = BTreeMap<String, Package>;

impl PackagesDiff {
    /// Compares two sets of packages.
    pub(crate) fn between(old: &Packages, new: &Packages) -> Self {
        let mut diff = Self::default();
        let named = |name: &str, package: &Package| NamedPackage {
            name: name.to_owned(),
            package: package.clone(),
        };
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            match (old.get(name), new.get(name)) {
                (None, Some(new)) => diff.added.push(named(name, new)),
                (Some(old), None) => diff.removed.push(named(name, old)),
                (Some(old), Some(new)) => {
                    let list = match order(&old.version, &new.version) {
                        Ordering::Less => &mut diff.upgraded,
                        Ordering::Greater => &mut diff.downgraded,
                        Ordering::Equal if same(old, new) => {
                            diff.same += 1;
                            continue;
                        }
                        Ordering::Equal => &mut diff.rebuilt,
                    };
                    let (name, old, new) = (name.clone(), old.clone(), new.clone());
                    list.push(PackageChange { name, old, new });
                }
                (None, None) => {}
            }
        }
        diff
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, upgraded, downgraded, rebuilt, same: _ } = self;
        added.is_empty()
            && removed.is_empty()
            && upgraded.is_empty()
            && downgraded.is_empty()
            && rebuilt.is_empty()
    }
}

/// Compares versions as Debian does; texts that are none, by their bytes.
fn order(old: &str, new: &str) -> Ordering {
    match (old.parse::<DebVersion>(), new.parse::<DebVersion>()) {
        (Ok(old), Ok(new)) => old.cmp(&new),
        _ => old.cmp(new),
    }
}

/// A digest that is not known differs from none.
fn same(old: &Package, new: &Package) -> bool {
    let digests = old.sha256.zip(new.sha256);
    old.version == new.version
        && old.architecture == new.architecture
        && digests.is_none_or(|(old, new)| old == new)
}

pub(crate) fn of_manifest(manifest: &Manifest) -> Packages {
    let package = |record: &flagstone_artifact::PackageRecord| Package {
        version: record.version.clone(),
        architecture: record.architecture.clone(),
        sha256: Some(record.sha256),
    };
    manifest.packages.iter().map(|(name, record)| (name.clone(), package(record))).collect()
}

pub(crate) fn of_lock(lock: &Lock) -> Packages {
    let package = |locked: &flagstone_recipe::LockedPackage| Package {
        version: locked.version.to_string(),
        architecture: locked.architecture.to_string(),
        sha256: Some(locked.sha256),
    };
    lock.packages.iter().map(|(name, locked)| (name.to_string(), package(locked))).collect()
}

/// Returns the packages that an image says it is made of.
pub(crate) fn of_usr(usr: &Usr) -> Result<Option<Packages>, CompareError> {
    let Some(status) = usr.text(STATUS, LIST_MAX)? else { return Ok(None) };
    let mut packages = of_status(&status);
    if let Some(bill) = usr.text(BILL, LIST_MAX)? {
        for (name, sha256) in digests(&bill) {
            if let Some(package) = packages.get_mut(&name) {
                package.sha256 = Some(sha256);
            }
        }
    }
    Ok(Some(packages))
}

/// Reads dpkg's database (Debian Policy 5.3), as far as it can be read.
fn of_status(text: &str) -> Packages {
    let mut packages = Packages::new();
    for stanza in Stanzas::new(text).filter_map(Result::ok) {
        let field = |name| stanza.get(name).map(|value| value.trim().to_owned());
        if let (Some(name), Some(version)) = (field("Package"), field("Version")) {
            let architecture = field("Architecture").unwrap_or_default();
            packages.insert(name, Package { version, architecture, sha256: None });
        }
    }
    packages
}

/// Returns the digests in a `CycloneDX` list, by package.
fn digests(bill: &str) -> Vec<(String, Sha256Digest)> {
    let bill: Value = serde_json::from_str(bill).unwrap_or_default();
    let components = bill["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let digest = |component: &Value| {
        let hashes = component["hashes"].as_array()?;
        let sha256 = hashes.iter().find(|hash| hash["alg"] == "SHA-256")?;
        let digest = sha256["content"].as_str()?.parse().ok()?;
        Some((component["name"].as_str()?.to_owned(), digest))
    };
    components.iter().filter_map(digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str, content: Option<&str>) -> Package {
        Package {
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: content.map(|content| Sha256Digest::of(content.as_bytes())),
        }
    }

    fn set(packages: &[(&str, &str, Option<&str>)]) -> Packages {
        let each = packages.iter();
        each.map(|(name, version, content)| ((*name).to_owned(), package(version, *content)))
            .collect()
    }

    #[test]
    fn packages_are_sorted_into_what_became_of_them() {
        let old = set(&[
            ("bash", "5.2-1", Some("a")),
            ("dash", "1.0~rc1-1", Some("b")),
            ("gone", "1", Some("c")),
            ("linux", "6.12.9-1", Some("d")),
            ("same", "1", Some("e")),
            ("rebuilt", "1", Some("f")),
            ("unknown", "1", None),
        ]);
        let new = set(&[
            ("bash", "5.2-1+deb13u1", Some("a2")),
            ("dash", "1.0-1", Some("b2")),
            ("linux", "6.12.10-1", Some("d2")),
            ("new", "2", Some("g")),
            ("same", "1", Some("e")),
            ("rebuilt", "1", Some("f2")),
            ("unknown", "1", Some("h")),
        ]);
        let diff = PackagesDiff::between(&old, &new);
        let names = |list: &[PackageChange]| -> Vec<String> {
            list.iter().map(|change| change.name.clone()).collect()
        };
        assert_eq!(names(&diff.upgraded), ["bash", "dash", "linux"]);
        assert_eq!(names(&diff.rebuilt), ["rebuilt"]);
        assert_eq!((diff.added[0].name.as_str(), diff.removed[0].name.as_str()), ("new", "gone"));
        assert_eq!(diff.same, 2);
        let back = PackagesDiff::between(&new, &old);
        assert_eq!(names(&back.downgraded), ["bash", "dash", "linux"]);
        assert!(PackagesDiff::between(&old, &old).is_empty());
    }

    #[test]
    fn the_lists_in_an_image_are_read_as_far_as_they_are_sound() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nArchitecture: all\n\nPackage: broken\n";
        let packages = of_status(status);
        assert_eq!(packages.len(), 1);
        assert_eq!(packages["a"].version, "1:2-3");
        let digest = Sha256Digest::of(b"x");
        let bill = format!(
            r#"{{"components":[{{"name":"a","hashes":[{{"alg":"SHA-256","content":"{digest}"}}]}},{{"name":7}}]}}"#
        );
        assert_eq!(digests(&bill), [("a".to_owned(), digest)]);
        assert_eq!(digests("nothing"), []);
    }
}
