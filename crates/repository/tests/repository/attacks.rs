use std::fs;

use flagstone_fetch::FileTransport;
use flagstone_repository::{Repository, RepositoryError, check_root};

use crate::support::{ARCHITECTURE, Yard, begin, days, files, keys, terms};

#[test]
fn an_old_state_is_refused_once_a_newer_one_was_seen() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.save("old");
    yard.publish_new("2", begin());
    assert_eq!(yard.offered(begin()).unwrap(), "2");
    yard.restore("old");
    let error = yard.offered(begin()).unwrap_err();
    let RepositoryError::Rollback { file, seen: 3, found: 2 } = &error else { panic!("{error}") };
    assert_eq!(file, "timestamp.json");
    // A machine that knows nothing yet cannot tell.
    yard.forget();
    assert_eq!(yard.offered(begin()).unwrap(), "1");
}

#[test]
fn a_new_timestamp_cannot_bring_old_targets_back() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.save("old");
    yard.publish_new("2", begin());
    assert_eq!(yard.offered(begin()).unwrap(), "2");
    // Whoever has the keys of snapshot and timestamp alone signs an old state as the newest.
    yard.restore("old");
    for _ in 0..2 {
        yard.publisher().refresh(&keys(&["snapshot", "timestamp"]), terms(begin())).unwrap();
    }
    let error = yard.offered(begin()).unwrap_err();
    let RepositoryError::Rollback { file, seen: 3, found: 2 } = &error else { panic!("{error}") };
    assert_eq!(file, "targets.json");
}

#[test]
fn metadata_hold_until_their_time_is_over() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    let almost = begin() + days(14) - std::time::Duration::from_secs(1);
    assert_eq!(yard.offered(almost).unwrap(), "1");
    let error = yard.offered(begin() + days(14)).unwrap_err();
    let RepositoryError::Expired { file, .. } = &error else { panic!("{error}") };
    assert_eq!(file, "timestamp.json");
    assert_eq!(
        error.to_string(),
        "timestamp.json has expired: it was good until 2027-01-29T08:00:00Z, and it is 2027-01-29T08:00:00Z"
    );
    assert!(error.hint().unwrap().contains("publish refresh"));
    yard.publisher().refresh(&keys(&["snapshot", "timestamp"]), terms(begin() + days(14))).unwrap();
    assert_eq!(yard.offered(begin() + days(15)).unwrap(), "1");
    // A clock that was wrong for a while does no harm: nothing remembers it.
    assert!(yard.offered(begin() + days(10_000)).is_err());
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    // Targets are signed anew when they need it.
    let late = begin() + days(360);
    assert!(yard.publisher().refresh(&keys(&["snapshot", "timestamp"]), terms(late)).is_err());
    yard.publisher().refresh(&keys(&crate::support::ROLES), terms(late)).unwrap();
    assert_eq!(yard.offered(late + days(13)).unwrap(), "1");
    let error = yard.offered(begin() + days(3 * 365)).unwrap_err();
    assert!(matches!(error, RepositoryError::Expired { .. }), "{error}");
    assert!(error.to_string().starts_with("root.json"), "{error}");
}

#[test]
fn another_repository_is_refused() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    let names = ["root-x", "targets-x", "snapshot-x", "timestamp-x"];
    let other = Yard::with(&names, [].into());
    let error = Repository::open_at(
        &other.first_root(),
        &yard.url(),
        &FileTransport,
        &yard.path("seen"),
        begin(),
    );
    let error = error.unwrap_err();
    assert!(matches!(error, RepositoryError::BadSignature { valid: 0, needed: 1, .. }), "{error}");
    // What was seen of the one does not lock a machine out of the other.
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    Repository::open_at(
        &other.first_root(),
        &other.url(),
        &FileTransport,
        &yard.path("seen"),
        begin(),
    )
    .unwrap();
}

#[test]
fn files_that_are_gone_or_changed_are_told_apart() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.save("good");
    let is_channel = |path: &std::path::Path| path.to_string_lossy().ends_with("a_arm64.json");
    let channel = files(&yard.repository()).into_iter().find(|path| is_channel(path)).unwrap();
    let text = fs::read_to_string(&channel).unwrap();

    fs::write(&channel, text.replace("\"1\"", "\"2\"")).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::WrongDigest { .. }), "{error}");
    fs::write(&channel, &text[1..]).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::WrongSize { .. }), "{error}");
    fs::write(&channel, text + "\n").unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::TooLong { .. }), "{error}");
    fs::remove_file(&channel).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::NotFound { .. }), "{error}");
    let error = yard.open(begin()).unwrap().target("a_2_arm64.payload").unwrap_err();
    assert!(matches!(error, RepositoryError::NotFound { .. }), "{error}");

    yard.restore("good");
    yard.forget();
    fs::remove_file(yard.metadata("2.snapshot.json")).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert_eq!(error.to_string(), "the repository has no 2.snapshot.json");
    yard.restore("good");
    fs::remove_file(yard.metadata("timestamp.json")).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert_eq!(error.to_string(), "the repository has no timestamp.json");
    yard.restore("good");
    fs::write(yard.metadata("timestamp.json"), vec![b' '; (64 << 10) + 1]).unwrap();
    let error = yard.offered(begin()).unwrap_err();
    assert!(matches!(error, RepositoryError::TooLong { .. }), "{error}");
    let url = "http://127.0.0.1:1".parse().unwrap();
    let transport = flagstone_fetch::HttpTransport::new();
    let opened =
        Repository::open_at(&yard.first_root(), &url, &transport, &yard.path("seen"), begin());
    assert!(matches!(opened, Err(RepositoryError::Unreachable { .. })));
}

/// Whatever byte is changed, the machine refuses, or reads what was published.
#[test]
fn no_changed_byte_is_believed() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        let good = fs::read(yard.metadata(name)).unwrap();
        let mut refused = 0;
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            fs::write(yard.metadata(name), &changed).unwrap();
            match yard.offered(begin()) {
                Ok(version) => assert_eq!(version, "1", "{name} {at}"),
                Err(_) => refused += 1,
            }
            yard.forget();
        }
        assert!(refused * 10 > good.len() * 7, "{name}: {refused} of {}", good.len());
        for length in 0..good.len() - 2 {
            fs::write(yard.metadata(name), &good[..length]).unwrap();
            assert!(yard.offered(begin()).is_err(), "{name} {length}");
            yard.forget();
        }
        fs::write(yard.metadata(name), good).unwrap();
    }
    assert_eq!(yard.offered(begin()).unwrap(), "1");
}

#[test]
fn a_channel_file_in_the_place_of_another_is_refused() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    let repository = yard.open(begin()).unwrap();
    let offer = repository.offer("stable", "a", ARCHITECTURE).unwrap().unwrap();
    let channel = repository.target(offer.file().as_str()).unwrap();
    // Even if the targets' own keys say so.
    let path = yard.metadata("2.targets.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("channels/stable/", "channels/beta/");
    let signed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(signed["signed"]["targets"]["channels/beta/a_arm64.json"].is_object());
    yard.resign("2.targets.json", &signed["signed"], "targets");
    let beta = yard.repository().join("targets/channels/beta");
    fs::create_dir_all(&beta).unwrap();
    fs::copy(channel.url.to_path().unwrap(), beta.join(channel.url.file_name())).unwrap();
    yard.forget();
    let error = yard.open(begin()).unwrap().offer("beta", "a", ARCHITECTURE).unwrap_err();
    assert!(error.to_string().contains("is about what its name says"), "{error}");
}

#[test]
fn a_root_is_checked_before_it_comes_into_an_image() {
    let yard = Yard::new();
    let root = yard.first_root();
    assert_eq!(check_root(&root).unwrap(), 1);
    let text = String::from_utf8(root).unwrap();
    for (from, to) in [
        ("\"threshold\": 1", "\"threshold\": 0"),
        ("\"version\": 1", "\"version\": 2"),
        ("\"root\"", "\"targets\""),
        ("\"consistent_snapshot\": true", "\"consistent_snapshot\": false"),
        ("{", "["),
    ] {
        assert!(check_root(text.replace(from, to).as_bytes()).is_err(), "{from}");
    }
    assert!(check_root(b"").is_err());
    assert!(check_root(&fs::read(yard.metadata("timestamp.json")).unwrap()).is_err());
    assert!(matches!(check_root(&vec![b' '; 600_000]), Err(RepositoryError::TooLong { .. })));
}
