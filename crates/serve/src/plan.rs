use std::collections::BTreeMap;

use crate::boot_set::{BootSet, sets_in};
use crate::config::{Config, ProfileSpec};
use crate::diagnostic::{Located, Mistakes, Place};
use crate::folder::Folders;
use crate::group::{Choice, Group, choose};
use crate::label::{LabelName, Labels, STANDARD};
use crate::profile::{Profile, common_metadata};
use crate::template::declared;

/// What machines boot: all that was said about it, checked against the folders.
#[derive(Debug)]
pub(crate) struct Plan {
    profiles: BTreeMap<String, Profile>,
    groups: Vec<Group>,
}

/// Why a machine gets no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoProfile {
    #[error("no group matches this machine")]
    NoGroup,
    #[error(
        "the groups `{0}` and `{1}` match this machine equally well; give one a further selector"
    )]
    Several(String, String),
}

impl Plan {
    /// Looks for all files of all profiles. Without a group or profile in the configuration, the
    /// folders say what to boot. Returns the plan, and what a person may want to know.
    pub(crate) fn new(config: &Config, folders: &Folders) -> Result<(Self, Vec<String>), Mistakes> {
        let mut notes = Vec::new();
        let (specs, groups) = if config.profiles.is_empty() && config.groups.is_empty() {
            found(config, &mut notes)
        } else {
            (config.profiles.clone(), config.groups.clone())
        };
        let mut mistakes = Vec::new();
        let mut profiles = BTreeMap::new();
        for spec in &specs {
            let name = spec.name.value.as_str();
            let labels = STANDARD.into_iter().chain(config.labels.iter().map(LabelName::as_str));
            let declared = declared(labels, common_metadata(&groups, name));
            let profile = Profile::resolve(spec, folders, &declared, &mut mistakes);
            profiles.insert(name.to_owned(), profile);
        }
        if mistakes.is_empty() {
            Ok((Self { profiles, groups }, notes))
        } else {
            Err(Mistakes(mistakes))
        }
    }

    /// Returns the group and profile of a machine.
    pub(crate) fn find(&self, labels: &Labels) -> Result<(&Group, &Profile), NoProfile> {
        match choose(&self.groups, labels) {
            Choice::None => Err(NoProfile::NoGroup),
            Choice::Several(a, b) => Err(NoProfile::Several(a.name.clone(), b.name.clone())),
            Choice::One(group) => {
                let profile = self.profiles.get(&group.profile).ok_or(NoProfile::NoGroup)?;
                Ok((group, profile))
            }
        }
    }

    /// Returns all profiles.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }
}

/// Makes profiles of the boot sets in the folders: one for every machine, or one for each
/// architecture.
fn found(config: &Config, notes: &mut Vec<String>) -> (Vec<ProfileSpec>, Vec<Group>) {
    let sets: Vec<(Place, BootSet)> = config
        .folders
        .iter()
        .flat_map(|folder| sets_in(folder).into_iter().map(|set| (Place::whole(folder), set)))
        .collect();
    let arm = |set: &BootSet| set.architecture() == Some("arm64");
    let of_arm = sets.iter().filter(|(_, set)| arm(set)).count();
    if of_arm > 1 || sets.len() - of_arm > 1 {
        let names: Vec<&str> = sets.iter().map(|(_, set)| set.stem.as_str()).collect();
        notes.push(format!(
            "no default profile, since the folders hold several: {}; a configuration says which",
            names.join(", ")
        ));
        return (Vec::new(), Vec::new());
    }
    let mut profiles = Vec::new();
    let mut groups = Vec::new();
    for (place, set) in &sets {
        notes.push(format!("machines boot {}", set.stem));
        profiles.push(profile_of(place, set));
        let mut selectors = Labels::default();
        // Firmware of the other kind has several names for itself, so it is the one left over.
        if let (Ok(name), true) = ("arch".parse(), arm(set)) {
            let _ = selectors.insert(name, "arm64");
        }
        groups.push(Group {
            name: set.stem.clone(),
            place: place.clone(),
            profile: set.stem.clone(),
            selectors,
            metadata: BTreeMap::new(),
        });
    }
    (profiles, groups)
}

fn profile_of(place: &Place, set: &BootSet) -> ProfileSpec {
    let located = |value: &String| Located { value: value.clone(), place: place.clone() };
    ProfileSpec {
        name: located(&set.stem),
        kernel: set.kernel.as_ref().map(located),
        initrd: set.initrd.iter().map(located).collect(),
        uki: set.uki.as_ref().map(located),
        script: set.script.as_ref().map(located),
        cmdline: Vec::new(),
        ignition: None,
    }
}
