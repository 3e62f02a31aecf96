//! Whole configurations, and the JSON that becomes of them: `INSTA_UPDATE=always` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flagstone_butane::{FilesDir, Translation, is_butane, translate};
use flate2::read::GzDecoder;
use serde_json::Value;
use support::{files, plain, program};

fn configs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 3, "{paths:?}");
    paths
}

fn translated(path: &Path, pretty: bool) -> Translation {
    let data = fs::read(path).unwrap();
    assert!(is_butane("-", &data));
    let dir = FilesDir::open(&files()).unwrap();
    translate("config.bu", &data, Some(&dir), pretty).unwrap()
}

/// Replaces compressed data by what is in them: their bytes are the compressor's business.
fn unpacked(json: &str) -> String {
    let mut parts = json.split("data:;base64,");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (data, rest) = part.split_once('"').unwrap();
        let bytes = STANDARD.decode(data).unwrap();
        let mut content = String::new();
        match GzDecoder::new(&bytes[..]).read_to_string(&mut content) {
            Ok(_) => write!(text, "gzip of {content:?} \"{rest}").unwrap(),
            Err(_) => write!(text, "data:;base64,{data}\"{rest}").unwrap(),
        }
    }
    text
}

#[test]
fn each_configuration_becomes_the_same_json() {
    for path in configs() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Translation { json, warnings, .. } = translated(&path, true);
        assert_eq!(warnings, [], "{name}");
        insta::assert_snapshot!(name, unpacked(&json));
        let compact: Value = serde_json::from_str(&translated(&path, false).json).unwrap();
        assert_eq!(compact, serde_json::from_str::<Value>(&json).unwrap(), "{name}");
    }
}

/// Debian's `ignition-validate` as the judge.
#[test]
fn ignition_takes_what_is_translated() {
    let Some(judge) = program("ignition-validate", true) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.ign");
    for path in configs() {
        for pretty in [false, true] {
            fs::write(&file, translated(&path, pretty).json).unwrap();
            let run = Command::new(&judge).arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{}: {said}", path.display());
        }
    }
}

/// The program `butane` as the judge.
#[test]
fn butane_makes_the_same_of_them() {
    let Some(butane) = program("butane", false) else { return };
    for path in configs() {
        let run = Command::new(&butane).arg("--files-dir").arg(files()).arg(&path).output();
        let run = run.unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        if said.contains("No translator exists") {
            println!("skipped: that butane does not know the version of {}", path.display());
            continue;
        }
        // Some mount points are forbidden there alone.
        if said.contains("path must be under /etc or /var") {
            continue;
        }
        assert!(run.status.success(), "{}: {said}", path.display());
        let ours = translated(&path, false);
        let mut theirs: Value = serde_json::from_slice(&run.stdout).unwrap();
        let ours_json: Value = serde_json::from_str(&ours.json).unwrap();
        if ours.lowered {
            theirs["ignition"]["version"] = ours_json["ignition"]["version"].clone();
        }
        assert_eq!(plain(ours_json), plain(theirs), "{}", path.display());
    }
}
