//! The program `butane` as the judge: it takes what is translated here and means the same by it.
//!
//! The program is no part of Debian; a test without it says so. `go build ./internal` in its sources
//! makes one.

mod parts;
mod support;

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use flagstone_butane::{FilesDir, translate};
use flagstone_ignition::check;
use parts::{PARTS, SCALARS, TEXTS, VERSIONS, WHOLE};
use serde_json::Value;
use support::{files, plain, program};

/// What is refused here and taken there, by the message.
const STRICTER: &[&str] = &[
    "unknown key",
    "came with version 3.",
    "has no `",
    "is not read here",
    "a second document",
    "an octal number has the digits 0 to 7",
    "came with `version:",
    "the key is there twice",
    "this is no whole number",
    "have no effect in version 3.3.0",
];

/// What is taken here and refused there: rules about the disk of other systems.
const LOOSER: &[&str] = &["path must be under /etc or /var"];

#[test]
fn butane_means_the_same() {
    let Some(butane) = program("butane", false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.bu");
    let dir = FilesDir::open(&files()).unwrap();
    let mut wrong = Vec::new();
    let mut counts = [0; 4];
    for text in configurations() {
        std::fs::write(&path, &text).unwrap();
        let mut command = Command::new(&butane);
        command.arg("--files-dir").arg(files()).arg(&path).stdin(Stdio::null());
        let run = command.output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        if said.contains("No translator exists") && !text.contains("9.9.9") {
            counts[3] += 1;
            continue;
        }
        let theirs: Option<Value> =
            run.status.success().then(|| serde_json::from_slice(&run.stdout).unwrap());
        let ours = translate("a.bu", text.as_bytes(), Some(&dir), false);
        match (&ours, theirs) {
            (Ok(ours), Some(mut theirs)) => {
                let mut json: Value = serde_json::from_str(&ours.json).unwrap();
                if ours.lowered {
                    let version = &mut theirs["ignition"]["version"];
                    assert!(version != &json["ignition"]["version"], "{text}");
                    *version = json["ignition"]["version"].take();
                    json["ignition"]["version"] = version.clone();
                }
                let (json, theirs) = (plain(json), plain(theirs));
                if json != theirs {
                    wrong.push(format!("{text}\nours:   {json}\ntheirs: {theirs}"));
                }
                counts[0] += 1;
            }
            (Ok(ours), None) => {
                let report = check("a.ign", ours.json.as_bytes(), None);
                if !report.refused && !LOOSER.iter().any(|rule| said.contains(rule)) {
                    wrong.push(format!("{text}\ntaken, and there: {said}"));
                }
                counts[1] += 1;
            }
            (Err(refusal), theirs) => {
                let strict = refusal
                    .errors
                    .iter()
                    .any(|error| STRICTER.iter().any(|message| error.message.contains(message)));
                if theirs.is_some() && !strict {
                    wrong.push(format!("{text}\nrefused: {refusal:?}\nand there: {theirs:?}"));
                }
                counts[2] += 1;
            }
        }
    }
    println!(
        "{} alike, {} refused by Ignition's rules, {} refused here, {} unknown to that butane",
        counts[0], counts[1], counts[2], counts[3]
    );
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(counts[..3].iter().all(|count| *count > 50), "{counts:?}");
}

/// Returns every part in every version, whole ones, and random combinations.
fn configurations() -> Vec<String> {
    let mut all: Vec<String> = WHOLE.iter().map(|text| (*text).to_owned()).collect();
    let head = "variant: fcos\nversion: 1.4.0\n";
    for scalar in SCALARS {
        for key in ["gecos", "uid", "system"] {
            all.push(format!("{head}passwd:\n  users:\n    - name: a\n      {key}: {scalar}\n"));
        }
    }
    for text in TEXTS {
        let text = format!("{head}passwd:\n  users:\n    - name: a\n      gecos: {text}");
        all.extend([text.replace('\n', "\r\n"), text]);
    }
    for (variant, version) in VERSIONS {
        let head = format!("variant: {variant}\nversion: {version}\n");
        for (key, values) in PARTS {
            all.extend(values.iter().map(|value| format!("{head}{key}: {value}\n")));
        }
        let mut random = 0x2545_F491_4F6C_DD1D_u64 ^ all.len() as u64;
        for _ in 0..60 {
            let mut text = head.clone();
            for (key, values) in PARTS {
                // xorshift64
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let at = usize::try_from(random >> 33).expect("31 bits fit") % (values.len() + 4);
                if let Some(value) = values.get(at) {
                    let _ = writeln!(text, "{key}: {value}");
                }
            }
            all.push(text);
        }
    }
    all
}
