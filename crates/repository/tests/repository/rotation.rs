use std::fs;

use flagstone_repository::{KeyChange, PublishError, RepositoryError, Role};

use crate::support::{ROLES, Yard, begin, days, key, keys, payload_keys, publication, terms};

fn add(role: Role, name: &str) -> KeyChange {
    KeyChange::Add { role, key: key(name).public().into() }
}

fn remove(role: Role, name: &str) -> KeyChange {
    KeyChange::Remove { role, key: key(name).public().id() }
}

const NEXT: [&str; 4] = ["root-2", "targets-2", "snapshot-2", "timestamp-2"];

/// Exchanges the keys of all roles.
fn exchange(yard: &Yard) {
    let changes: Vec<_> = Role::ALL
        .into_iter()
        .zip(NEXT)
        .flat_map(|(role, name)| [add(role, name), remove(role, role.name())])
        .collect();
    let all = keys(&[&ROLES[..], &NEXT].concat());
    yard.publisher().rotate(&changes, &all, terms(begin())).unwrap();
}

#[test]
fn old_machines_follow_a_rotation() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    exchange(&yard);
    let path = yard.release("2");
    let mut publisher = yard.publisher();
    let publication = publication(&[path]);
    let refused = publisher.publish(&publication, &payload_keys(), &keys(&ROLES), terms(begin()));
    assert!(matches!(refused, Err(PublishError::MissingKeys { .. })));
    publisher.publish(&publication, &payload_keys(), &keys(&NEXT), terms(begin())).unwrap();
    drop(publisher);
    // One that has seen the old state, and one that has seen nothing; both have the first root.
    assert_eq!(yard.offered(begin()).unwrap(), "2");
    yard.forget();
    assert_eq!(yard.offered(begin()).unwrap(), "2");
    assert_eq!(yard.open(begin()).unwrap().root_version(), 2);
}

#[test]
fn keys_that_were_rotated_out_are_worth_nothing_to_who_has_seen_it() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.save("old");
    exchange(&yard);
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    // A thief has all old keys, and a server that hides the rotation.
    yard.restore("old");
    yard.publish_new("2", begin());
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::BadSignature { .. }), "{error}");
}

#[test]
fn a_root_needs_the_old_keys_and_the_new_ones() {
    let yard = Yard::new();
    let both = [add(Role::Root, "root-2"), remove(Role::Root, "root")];
    for (given, missing) in [(["root"], "new"), (["root-2"], "old")] {
        let result = yard.publisher().rotate(&both, &keys(&given), terms(begin()));
        assert!(
            matches!(result, Err(PublishError::MissingKeys { role: Role::Root, .. })),
            "{missing}"
        );
    }
    assert!(!yard.metadata("2.root.json").exists());
    yard.publisher().rotate(&both, &keys(&["root", "root-2"]), terms(begin())).unwrap();
    assert_eq!(yard.open(begin()).unwrap().root_version(), 2);

    // The same by hand: a root that only its own keys have signed.
    let other = Yard::with(&["root-2", "targets", "snapshot", "timestamp"], [].into());
    let text = fs::read_to_string(other.metadata("1.root.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut signed = value["signed"].clone();
    signed["version"] = 2.into();
    let yard = Yard::new();
    yard.resign("2.root.json", &signed, "root-2");
    let error = yard.open(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::BadSignature { .. }), "{error}");
    // And one that only the old ones have signed.
    yard.resign("2.root.json", &signed, "root");
    let error = yard.open(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::BadSignature { .. }), "{error}");
    // Of the version after the next.
    signed = value["signed"].clone();
    signed["version"] = 3.into();
    signed["keys"] =
        serde_json::from_slice::<serde_json::Value>(&yard.first_root()).unwrap()["signed"]["keys"]
            .clone();
    signed["roles"] =
        serde_json::from_slice::<serde_json::Value>(&yard.first_root()).unwrap()["signed"]["roles"]
            .clone();
    yard.resign("2.root.json", &signed, "root");
    let error = yard.open(begin()).unwrap_err();
    assert!(error.to_string().contains("version is that of its name"), "{error}");
}

#[test]
fn thresholds_are_kept() {
    let names = ["root-a", "root-b", "targets-a", "targets-b", "snapshot", "timestamp"];
    let yard = Yard::with(&names, [(Role::Root, 2), (Role::Targets, 2)].into());
    let path = yard.release("1");
    let publication = publication(&[path]);
    let publish = |names: &[&str]| {
        yard.publisher().publish(&publication, &payload_keys(), &keys(names), terms(begin()))
    };
    let result = publish(&["targets-a", "snapshot", "timestamp"]);
    assert!(matches!(result, Err(PublishError::MissingKeys { needed: 2, given: 1, .. })));
    publish(&names).unwrap();
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    let more = [KeyChange::Threshold { role: Role::Root, threshold: 3 }];
    let error = yard.publisher().rotate(&more, &keys(&names), terms(begin())).unwrap_err();
    assert!(matches!(error, PublishError::Threshold { threshold: 3, keys: 2, .. }), "{error}");
    let gone = [remove(Role::Snapshot, "root-a")];
    let error = yard.publisher().rotate(&gone, &keys(&names), terms(begin())).unwrap_err();
    assert!(matches!(error, PublishError::NoSuchKey { .. }), "{error}");

    // One of two signatures is too few, and the same one twice is still one.
    let text = fs::read_to_string(yard.metadata("2.targets.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    yard.forget();
    yard.resign("2.targets.json", &value["signed"], "targets-a");
    let text = fs::read_to_string(yard.metadata("2.targets.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let twice = value["signatures"][0].clone();
    value["signatures"] = vec![twice.clone(), twice].into();
    yard.replace("2.targets.json", value.to_string().as_bytes());
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::BadSignature { valid: 1, needed: 2, .. }), "{error}");
}

#[test]
fn a_rotation_without_changes_gives_the_root_more_time() {
    let yard = Yard::new();
    let later = begin() + days(3 * 365 - 1);
    yard.publisher().rotate(&[], &keys(&ROLES), terms(later)).unwrap();
    yard.publisher().refresh(&keys(&ROLES), terms(later)).unwrap();
    assert_eq!(yard.open(later + days(13)).unwrap().root_version(), 2);
}
