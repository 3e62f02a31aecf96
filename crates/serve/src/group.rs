use std::collections::BTreeMap;

use crate::diagnostic::{Mistake, Place};
use crate::label::Labels;

/// Machines that boot the same profile.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) profile: String,
    /// The labels that a machine of this group has; none are had by every machine.
    pub(crate) selectors: Labels,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Which group a machine is in.
#[derive(Debug)]
pub(crate) enum Choice<'g> {
    None,
    One(&'g Group),
    /// Two match equally well; which one was meant nobody can tell.
    Several(&'g Group, &'g Group),
}

/// Returns the group with the most selectors among those that match.
pub(crate) fn choose<'g>(groups: &'g [Group], labels: &Labels) -> Choice<'g> {
    let matching = || groups.iter().filter(|group| group.selectors.all_in(labels));
    let Some(most) = matching().map(|group| group.selectors.len()).max() else {
        return Choice::None;
    };
    let mut best = matching().filter(|group| group.selectors.len() == most);
    match (best.next(), best.next()) {
        (Some(first), Some(second)) => Choice::Several(first, second),
        (Some(only), None) => Choice::One(only),
        (None, _) => Choice::None,
    }
}

/// Finds groups that match exactly the same machines. Others may or may not meet in one machine,
/// which shows when it asks.
pub(crate) fn twins(groups: &[Group]) -> Vec<Mistake> {
    let pairs = groups.iter().enumerate().filter_map(|(index, group)| {
        let twin = groups[..index].iter().find(|other| other.selectors == group.selectors)?;
        let message =
            format!("the groups `{}` and `{}` match the same machines", twin.name, group.name);
        let hint = "give one of them a further selector, or remove it".to_owned();
        Some(group.place.mistake(message, Some(hint)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn group(name: &str, selectors: &str) -> Group {
        Group {
            name: name.to_owned(),
            place: Place::whole(Path::new("t")),
            profile: "p".to_owned(),
            selectors: Labels::from_query(selectors).unwrap(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn the_most_specific_group_wins() {
        let groups = [
            group("all", ""),
            group("rack", "rack=a"),
            group("arm", "arch=arm64"),
            group("one", "rack=a&mac=52:54:00:00:00:01"),
        ];
        for (labels, expected) in [
            ("", "all"),
            ("rack=b", "all"),
            ("rack=a&serial=1", "rack"),
            ("rack=a&mac=52:54:00:00:00:01&arch=arm64", "one"),
            ("rack=a&arch=arm64", "rack and arm"),
        ] {
            let chosen = match choose(&groups, &Labels::from_query(labels).unwrap()) {
                Choice::None => "none".to_owned(),
                Choice::One(group) => group.name.clone(),
                Choice::Several(a, b) => format!("{} and {}", a.name, b.name),
            };
            assert_eq!(chosen, expected, "{labels}");
        }
        assert!(matches!(choose(&groups[1..], &Labels::default()), Choice::None));
    }

    #[test]
    fn groups_that_match_the_same_machines_are_found() {
        let groups = [group("a", "rack=a"), group("b", "rack=b"), group("c", "rack=a")];
        let mistakes = twins(&groups);
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].message, "the groups `a` and `c` match the same machines");
    }
}
