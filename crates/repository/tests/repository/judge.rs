//! The reference implementation of TUF, whose Python `FLAGSTONE_TUF_PYTHON` names.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use flagstone_fetch::FileTransport;
use flagstone_repository::{KeyChange, Repository, RepositoryError, Role};

use crate::support::{ARCHITECTURE, Yard, key, keys, terms};

const JUDGE: &str = include_str!("judge.py");

/// Runs the judge; gives what it said if it refused.
fn judge(arguments: &[&Path]) -> Option<Result<(), String>> {
    let Some(python) = std::env::var_os("FLAGSTONE_TUF_PYTHON") else {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "FLAGSTONE_TUF_PYTHON names no Python with tuf");
        println!("skipped: FLAGSTONE_TUF_PYTHON is not set");
        return None;
    };
    let output = Command::new(python).args(["-c", JUDGE]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("Traceback"), "{said}");
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

/// Has the judge, which has seen what is in `cache`, download a target.
fn get(yard: &Yard, target: &str) -> Option<Result<Vec<u8>, String>> {
    let (root, cache, out) = (yard.metadata("1.root.json"), yard.path("cache"), yard.path("out"));
    let root_seen = yard.path("1.root.json");
    if !root_seen.exists() {
        fs::copy(root, &root_seen).unwrap();
        fs::create_dir(&cache).unwrap();
    }
    let _ = fs::remove_file(&out);
    let (repository, target) = (yard.repository(), Path::new(target));
    let said = judge(&[Path::new("get"), &repository, &root_seen, &cache, target, &out])?;
    Some(said.map(|()| fs::read(out).unwrap()))
}

#[test]
fn the_reference_downloads_what_was_published() {
    let (yard, now) = (Yard::new(), SystemTime::now());
    let payload = yard.release("1~rc1^a");
    yard.publish(std::slice::from_ref(&payload), now).unwrap();
    let Some(got) = get(&yard, "a_1~rc1^a_arm64.payload") else { return };
    assert!(got.unwrap() == fs::read(&payload).unwrap());
    let channel = get(&yard, "channels/stable/a_arm64.json").unwrap().unwrap();
    assert!(
        String::from_utf8(channel).unwrap().contains("\"payload\": \"a_1~rc1^a_arm64.payload\"")
    );

    // The next release, after all keys were exchanged.
    let next = ["root-2", "targets-2", "snapshot-2", "timestamp-2"];
    let mut changes = Vec::new();
    for (role, new) in Role::ALL.into_iter().zip(next) {
        changes.push(KeyChange::Add { role, key: key(new).public().into() });
        changes.push(KeyChange::Remove { role, key: key(role.name()).public().id() });
    }
    let all = [&crate::support::ROLES[..], &next].concat();
    yard.publisher().rotate(&changes, &keys(&all), terms(now)).unwrap();
    let second = yard.release("2");
    let publication = crate::support::publication(&[second]);
    let payload_keys = crate::support::payload_keys();
    yard.publisher().publish(&publication, &payload_keys, &keys(&next), terms(now)).unwrap();
    assert!(get(&yard, "a_2_arm64.payload").unwrap().is_ok());
}

/// A judge that says yes to everything is none.
#[test]
fn the_reference_refuses_what_was_changed_or_replayed() {
    let (yard, now) = (Yard::new(), SystemTime::now());
    yard.publish_new("1", now);
    yard.save("old");
    yard.publish_new("2", now);
    let Some(got) = get(&yard, "a_2_arm64.payload") else { return };
    got.unwrap();
    yard.save("new");
    yard.restore("old");
    let said = get(&yard, "a_1_arm64.payload").unwrap().unwrap_err();
    assert!(said.contains("BadVersionNumberError"), "{said}");
    yard.restore("new");
    let path = yard.metadata("timestamp.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"version\": 3", "\"version\": 4");
    fs::write(&path, text).unwrap();
    let said = get(&yard, "a_2_arm64.payload").unwrap().unwrap_err();
    assert!(said.contains("UnsignedMetadataError"), "{said}");
}

#[test]
fn a_repository_of_the_reference_is_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("made");
    let Some(made) = judge(&[Path::new("make"), &folder]) else { return };
    made.unwrap();
    let root = fs::read(folder.join("metadata/1.root.json")).unwrap();
    let seen = home.path().join("seen");
    let open = |folder: &Path| {
        let url = format!("file://{}", folder.display()).parse().unwrap();
        Repository::open(&root, &url, &FileTransport, &seen)
    };
    for folder in [&folder, &folder.join("next"), &folder.join("next")] {
        let repository = open(folder).unwrap();
        let offer = repository.offer("stable", "a", ARCHITECTURE).unwrap().unwrap();
        assert_eq!(offer.version.as_str(), "1");
        let target = repository.target(offer.payload.as_str()).unwrap();
        assert_eq!(target.size_bytes, 5);
        assert!(target.url.as_str().ends_with(".a_1_arm64.payload"), "{}", target.url);
        assert!(repository.offer("beta", "a", ARCHITECTURE).unwrap().is_none());
    }
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, RepositoryError::Rollback { seen: 2, found: 1, .. }), "{error}");
}
