//! Extracts payloads with a public reader, whose Python `FLAGSTONE_PAYLOAD_PYTHON` names.

use std::fs;
use std::process::{Command, Output};

use crate::support::{BLOCK, key, noise, payload, varied_usr};

const JUDGE: &str = include_str!("judge.py");

/// Runs the reader on a payload; what it extracts lies in the folder.
fn judge(payload: &[u8], dir: &std::path::Path) -> Option<Output> {
    let Some(python) = std::env::var_os("FLAGSTONE_PAYLOAD_PYTHON") else {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "FLAGSTONE_PAYLOAD_PYTHON names no Python with the reader");
        println!("skipped: FLAGSTONE_PAYLOAD_PYTHON is not set");
        return None;
    };
    let file = dir.join("payload.bin");
    fs::write(&file, payload).unwrap();
    Some(Command::new(python).args(["-c", JUDGE]).arg(file).arg(dir).output().unwrap())
}

#[test]
fn a_public_reader_extracts_the_same_bytes() {
    let (usr, mut uki) = (varied_usr(), noise(3, (1 << 20) + 777));
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = judge(&payload(&usr, &uki, 2, &[1]), dir.path()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = key(1).public().id();
    let expected = format!(
        "usr 8400896 1.2 REPLACE,REPLACE_XZ,ZERO\nuki 1052672 1.2 REPLACE\n4096 0 1700000000\n\
         72 {id}\n72 0000000000000000\n72 {id}\n72 0000000000000000\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    uki.resize(uki.len().next_multiple_of(BLOCK), 0);
    assert!(fs::read(dir.path().join("usr.img")).unwrap() == usr);
    assert!(fs::read(dir.path().join("uki.img")).unwrap() == uki);
}

/// A judge that says yes to everything is none.
#[test]
fn the_public_reader_refuses_a_changed_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut payload = payload(&noise(1, 8192), &noise(2, 5000), 1, &[1]);
    let at = payload.len() - 200;
    payload[at] ^= 1;
    let Some(output) = judge(&payload, dir.path()) else { return };
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("hash mismatch"));
}
