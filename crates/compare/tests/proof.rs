//! What a proof says of builds that differ in one way each; the artefacts are small stand-ins.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::path::Path;

use flagstone_artifact::{ArtifactRecord, Manifest, Sha256Digest};
use flagstone_compare::{ArtifactState, CompareError, Proof, find_manifest, read_manifest};
use serde_json::json;

const BILL: &str = "site_1_x86-64.cdx.json";
const SPDX: &str = "site_1_x86-64.spdx.json";
const MANIFEST: &str = "site_1_x86-64.manifest.json";

fn digest(text: &str) -> Sha256Digest {
    Sha256Digest::of(text.as_bytes())
}

/// Writes a folder as a build would, and returns its manifest.
fn build(dir: &Path, bill: &str) -> Manifest {
    fs::create_dir_all(dir).unwrap();
    let mut manifest: Manifest = serde_json::from_value(json!({
        "manifest_version": 1, "flagstone_version": "0.1.0", "id": "site", "version": "1",
        "architecture": "x86-64", "source_date": 7, "root_hash": digest("root"),
        "lock_sha256": digest("lock"), "recipe_sha256": digest("recipe"), "hermetic": true,
        "artifacts": {}, "packages": {},
    }))
    .unwrap();
    for (name, text) in [(BILL, bill), (SPDX, "{\"same\": true}")] {
        fs::write(dir.join(name), text).unwrap();
        let record = ArtifactRecord { size: text.len() as u64, sha256: Some(digest(text)) };
        manifest.artifacts.insert(name.to_owned(), record);
    }
    fs::write(dir.join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    manifest
}

#[test]
fn each_way_to_differ_has_its_name_and_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let path = old.join(MANIFEST);
    let made = build(&old, "{\"a\": 1}");
    let prove = |manifest: &Manifest, rebuilt: &Manifest| {
        let proof = Proof::of(&path, manifest, &new, rebuilt).unwrap();
        let state = proof.artifacts.iter().find(|artifact| artifact.name == BILL).unwrap().state;
        (proof.identical, state, proof.to_string())
    };

    let rebuilt = build(&new, "{\"a\": 1}");
    let (identical, state, text) = prove(&made, &rebuilt);
    assert!(identical && state == ArtifactState::Identical, "{text}");
    assert!(text.ends_with("is what recipe and lock give\n"), "{text}");

    let mut older = made.clone();
    (older.lock_sha256, older.recipe_sha256) = (None, None);
    assert!(prove(&older, &rebuilt).0, "older manifests lack digests of their inputs");

    let mut unsummed = made.clone();
    unsummed.artifacts.get_mut(BILL).unwrap().sha256 = None;
    assert!(prove(&unsummed, &rebuilt).0, "a file without a digest is compared itself");

    fs::write(old.join(BILL), "{\"a\": 2}").unwrap();
    assert_eq!(prove(&unsummed, &rebuilt).1, ArtifactState::Differs);
    let (identical, state, text) = prove(&made, &rebuilt);
    assert!(!identical && state == ArtifactState::ChangedAfterBuild, "{text}");
    assert!(text.contains("/a, byte 6: 2 → 1") && text.contains("has the digest"), "{text}");

    fs::remove_file(old.join(BILL)).unwrap();
    let (identical, state, text) = prove(&made, &rebuilt);
    assert!(identical && state == ArtifactState::Absent, "{text}");

    fs::write(old.join(BILL), "{\"a\": 1}").unwrap();
    let mut forged = made.clone();
    forged.artifacts.get_mut(BILL).unwrap().sha256 = Some(digest("other"));
    let (identical, state, text) = prove(&forged, &rebuilt);
    assert!(!identical && state == ArtifactState::ManifestChanged, "{text}");
    assert!(text.contains("the manifest was changed after the build"), "{text}");

    let mut forged = made.clone();
    forged.root_hash = digest("another root");
    let (identical, _, text) = prove(&forged, &rebuilt);
    assert!(!identical && text.contains("the manifest differs at /root_hash"), "{text}");

    let sums = format!("{}  {BILL}\n", digest("other"));
    fs::write(old.join("SHA256SUMS"), sums).unwrap();
    let (identical, _, text) = prove(&made, &rebuilt);
    assert!(!identical && text.contains("SHA256SUMS has another digest of"), "{text}");
    fs::remove_file(old.join("SHA256SUMS")).unwrap();

    let other = build(&new, "{\"a\": 3}");
    let (_, state, text) = prove(&made, &other);
    assert_eq!(state, ArtifactState::Differs);
    assert!(text.contains("another program of the same version"), "{text}");
    let mut newer = other.clone();
    newer.flagstone_version = "0.2.0".to_owned();
    let (_, _, text) = prove(&made, &newer);
    assert!(text.contains("another Flagstone: 0.1.0 built it, this is 0.2.0"), "{text}");
    let mut free = made.clone();
    free.hermetic = false;
    let (_, _, text) = prove(&free, &other);
    assert!(text.contains("commands of [run]"), "{text}");
}

#[test]
fn a_manifest_is_found_from_any_artefact_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), "{}");
    let path = dir.path().join(MANIFEST);
    for target in [dir.path().to_owned(), path.clone(), dir.path().join(BILL)] {
        assert_eq!(find_manifest(&target).unwrap(), path, "{}", target.display());
    }
    let stranger = dir.path().join("site_1_x86-64.raw");
    fs::write(&stranger, "").unwrap();
    let error = find_manifest(&stranger).unwrap_err();
    assert!(matches!(error, CompareError::Unfit { .. }), "{error}");
    assert!(error.to_string().contains("expected site_1_x86-64.raw"), "{error}");
    assert!(read_manifest(&dir.path().join(BILL)).is_err());
}
