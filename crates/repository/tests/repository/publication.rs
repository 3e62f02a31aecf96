use std::fs;
use std::time::Duration;

use flagstone_repository::{NewRoot, PublishError, Publisher, Role, WaveAfter};

use crate::support::{
    ARCHITECTURE, ROLES, Yard, begin, days, files, key, keys, payload_keys, publication, terms,
};

#[test]
fn a_machine_is_offered_what_was_published() {
    let yard = Yard::new();
    yard.release("1");
    let [full, delta] = [yard.release("2"), yard.delta("1", "2")];
    assert!(yard.open(begin()).unwrap().offer("stable", "a", ARCHITECTURE).unwrap().is_none());
    yard.publish(&[yard.path("2")], begin()).unwrap();
    let repository = yard.open(begin()).unwrap();
    let offer = repository.offer("stable", "a", ARCHITECTURE).unwrap().unwrap();
    assert_eq!(offer.version.as_str(), "2");
    assert_eq!(offer.payload.as_str(), "a_2_arm64.payload");
    assert_eq!(offer.published.to_string(), "2027-01-15T08:00:00Z");
    assert!(offer.is_due("machine", begin()));
    for (name, path) in [(&offer.payload, full), (&offer.deltas[0].payload, delta)] {
        let target = repository.target(name.as_str()).unwrap();
        let published = fs::read(target.url.to_path().unwrap()).unwrap();
        assert!(published == fs::read(path).unwrap());
        assert_eq!(target.size_bytes, published.len() as u64);
    }
    assert_eq!(offer.deltas.len(), 1);
    assert!(offer.delta_from(offer.root_hash).is_none());
    assert!(offer.delta_from(offer.deltas[0].from_root_hash).is_some());
    assert!(repository.offer("beta", "a", ARCHITECTURE).unwrap().is_none());
    assert!(repository.offer("stable", "b", ARCHITECTURE).unwrap().is_none());
    assert!(repository.offer("Stable", "a", ARCHITECTURE).is_err());
    assert_eq!(repository.expires().to_string(), "2027-01-29T08:00:00Z");
}

#[test]
fn channels_are_apart_and_never_go_back_unasked() {
    let yard = Yard::new();
    let (one, two) = (yard.release("1.9"), yard.release("1.10"));
    yard.publish(std::slice::from_ref(&two), begin()).unwrap();
    let error = yard.publish(std::slice::from_ref(&one), begin()).unwrap_err();
    assert!(matches!(error, PublishError::Older { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--older"));
    let lts = publication(std::slice::from_ref(&one));
    let lts = flagstone_repository::Publication { channel: "lts".parse().unwrap(), ..lts };
    let publish = |publication| {
        yard.publisher().publish(publication, &payload_keys(), &keys(&ROLES), terms(begin()))
    };
    publish(&lts).unwrap();
    let offered = |channel: &str| {
        let repository = yard.open(begin()).unwrap();
        repository.offer(channel, "a", ARCHITECTURE).unwrap().unwrap().version.to_string()
    };
    assert_eq!((offered("stable"), offered("lts")), ("1.10".to_owned(), "1.9".to_owned()));
    let mut older = publication(&[one]);
    older.older = true;
    publish(&older).unwrap();
    assert_eq!(offered("stable"), "1.9");
}

#[test]
fn waves_begin_with_the_publication_and_outlive_a_later_delta() {
    let yard = Yard::new();
    yard.release("1");
    let full = yard.release("2");
    let mut first = publication(&[full]);
    first.waves = [(10, 0), (50, 24), (100, 72)]
        .map(|(percent, hours)| WaveAfter { percent, after: Duration::from_hours(hours) })
        .into();
    let publish = |publication, now| {
        yard.publisher().publish(publication, &payload_keys(), &keys(&ROLES), terms(now)).unwrap()
    };
    let before = publish(&first, begin()).offers.remove(0);
    let count = |now| (0..1000).filter(|n| before.is_due(&n.to_string(), now)).count();
    assert!((60..140).contains(&count(begin())));
    assert!((430..570).contains(&count(begin() + days(2))));
    assert_eq!((count(begin() - days(1)), count(begin() + days(3))), (0, 1000));
    let after = publish(&publication(&[yard.delta("1", "2")]), begin() + days(1)).offers.remove(0);
    assert_eq!((after.published, &after.waves), (before.published, &before.waves));
    assert_eq!(after.deltas.len(), 1);
}

#[test]
fn what_is_not_a_signed_release_is_not_published() {
    let yard = Yard::new();
    yard.release("1");
    let full = yard.release("2");
    let before = files(&yard.repository());
    let refused = |path: &std::path::Path| yard.publish(&[path.to_owned()], begin()).unwrap_err();

    let bytes = fs::read(&full).unwrap();
    let changed = yard.path("a_2_arm64.payload");
    for at in [30, bytes.len() / 2, bytes.len() - 20] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        fs::write(&changed, bytes).unwrap();
        assert!(matches!(refused(&changed), PublishError::Payload { .. }), "{at}");
    }
    fs::write(&changed, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(refused(&changed), PublishError::Payload { .. }));
    fs::write(&changed, [&bytes[..], b"x"].concat()).unwrap();
    assert!(matches!(refused(&changed), PublishError::Payload { .. }));
    for name in ["b_2_arm64.payload", "a_2_x86-64.payload", "a_3_arm64.payload", "a.payload"] {
        let path = yard.path(name);
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(refused(&path), PublishError::WrongName { .. }), "{name}");
    }
    let delta = yard.delta("1", "2");
    assert!(matches!(refused(&delta), PublishError::NoFullPayload { .. }));
    fs::create_dir(yard.path("empty")).unwrap();
    assert!(matches!(refused(&yard.path("empty")), PublishError::NoPayload { .. }));
    let both = [yard.path("1"), yard.path("2")];
    let error = yard.publish(&both, begin()).unwrap_err();
    assert!(matches!(error, PublishError::TwoReleases { .. }), "{error}");
    let mut high = publication(&[full]);
    high.floor = Some("3".parse().unwrap());
    let result = yard.publisher().publish(&high, &payload_keys(), &keys(&ROLES), terms(begin()));
    assert!(matches!(result, Err(PublishError::Offer { .. })));
    assert_eq!(files(&yard.repository()), before, "nothing was written");
}

#[test]
fn a_release_that_was_published_never_changes() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    let other = Yard::new();
    let path = other.release("1");
    // The same release, signed by another key as well: other bytes.
    let mut bytes = fs::read(&path).unwrap();
    yard.publish(std::slice::from_ref(&path), begin()).unwrap();
    let folder = other.path("1");
    fs::remove_file(&path).unwrap();
    crate::support::write_payload_with(&folder, &path, 2);
    assert_ne!(bytes, fs::read(&path).unwrap());
    bytes.clear();
    let error = yard.publish(&[path], begin()).unwrap_err();
    assert!(matches!(error, PublishError::TargetDiffers { .. }), "{error}");
}

#[test]
fn keys_that_are_not_the_roles_sign_nothing() {
    let yard = Yard::new();
    let path = yard.release("1");
    let before = files(&yard.repository());
    let mut publisher = yard.publisher();
    for (given, missing) in [
        (&["root", "targets", "snapshot"], Role::Timestamp),
        (&["root", "targets", "timestamp"], Role::Snapshot),
        (&["root", "other", "snapshot"], Role::Targets),
    ] {
        let publication = publication(std::slice::from_ref(&path));
        let result = publisher.publish(&publication, &payload_keys(), &keys(given), terms(begin()));
        let Err(PublishError::MissingKeys { role, needed: 1, given: 0 }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(role, missing);
    }
    assert_eq!(files(&yard.repository()), before);
    // The root key is not needed to publish, nor the targets' to refresh.
    let publication = publication(&[path]);
    let enough = keys(&["targets", "snapshot", "timestamp"]);
    publisher.publish(&publication, &payload_keys(), &enough, terms(begin())).unwrap();
    publisher.refresh(&keys(&["snapshot", "timestamp"]), terms(begin() + days(20))).unwrap();
}

#[test]
fn a_second_repository_and_a_second_publisher_are_refused() {
    let yard = Yard::new();
    let new = NewRoot::by_name(ROLES.map(|name| key(name).public()), [].into());
    let publisher = yard.publisher();
    let create = || Publisher::create(&yard.repository(), &new, &keys(&ROLES), terms(begin()));
    assert!(matches!(create().unwrap_err(), PublishError::Busy { .. }));
    assert!(matches!(Publisher::open(&yard.repository()), Err(PublishError::Busy { .. })));
    drop(publisher);
    assert!(matches!(create().unwrap_err(), PublishError::Exists { .. }));
    assert!(Publisher::open(&yard.path("none")).unwrap().is_none());
    assert!(!yard.path("none").exists());
    let few = NewRoot::by_name([key("root").public()], [].into());
    let error =
        Publisher::create(&yard.path("none"), &few, &keys(&ROLES), terms(begin())).unwrap_err();
    assert!(matches!(error, PublishError::NoRoleKeys { role: Role::Targets }), "{error}");
    let new = NewRoot::by_name(ROLES.map(|name| key(name).public()), [(Role::Root, 2)].into());
    let error =
        Publisher::create(&yard.path("none"), &new, &keys(&ROLES), terms(begin())).unwrap_err();
    assert!(matches!(error, PublishError::Threshold { threshold: 2, keys: 1, .. }), "{error}");
    assert!(!yard.path("none").exists());
}
