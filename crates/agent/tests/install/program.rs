//! The program: arguments, exit codes, what it says.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::Release;

const PROGRAM: &str = env!("CARGO_BIN_EXE_flagstone-agent");

fn run(program: &Path, arguments: &[&str], release: &Release) -> Output {
    let mut command = Command::new(program);
    command.current_dir(release.path("")).env_clear().stdin(Stdio::null());
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn make_disk(release: &Release) {
    File::create(release.path("disk")).unwrap().set_len(release.image_bytes()).unwrap();
}

#[test]
fn exit_codes_tell_success_failure_and_usage_apart() {
    let release = Release::new();
    make_disk(&release);
    let install = ["install", "disk", "--image", "out/a.raw"];
    let with = |more: &[&'static str]| [&install[..], more].concat();
    for (arguments, code, expected) in [
        (with(&["--keys", "keys", "--yes"]), 0, "signed by"),
        (with(&["--keys", "keys"]), 2, "hint: say --yes"),
        (with(&["--keys", "keys", "--no-signature"]), 2, "cannot be used with"),
        (with(&["--keys", "none", "--yes"]), 1, "hint: put the public keys"),
        (with(&["--keys", "out", "--yes"]), 1, "there is no trusted key"),
        (with(&["--yes", "--no-signature"]), 0, "warning: no signature is checked"),
        (with(&["--yes", "--no-signature", "--platform", "A"]), 2, "a platform id"),
        (with(&["--yes", "--no-signature", "--ignition", "none.ign"]), 1, "there is no none.ign"),
        (with(&["--yes", "--no-signature", "--ignition", "keys/a.pub"]), 1, "translate"),
        (vec!["install", "disk"], 2, "--image"),
        (vec!["install", "disk", "--image", "ftp://a/b", "--yes"], 2, "the location"),
    ] {
        let output = run(Path::new(PROGRAM), &arguments, &release);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty() && !said.contains('\x1b'), "{said}");
    }
}

#[test]
fn a_failure_says_that_nothing_is_installed_and_each_cause_once() {
    let release = Release::new();
    make_disk(&release);
    release.change_image();
    let arguments = ["install", "disk", "--image", "out/a.raw", "--keys", "keys", "--yes"];
    let said = said(&run(Path::new(PROGRAM), &arguments, &release));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].starts_with("warning: key "), "{said}");
    assert_eq!(lines[1], "error: nothing is installed, and the disk has no partition table now");
    assert!(lines[2].starts_with("  caused by: the image has the wrong digest: "), "{said}");
    assert!(lines[3].starts_with("hint: the image was changed"), "{said}");
}

#[test]
fn the_installers_name_needs_no_command_and_json_is_data() {
    let release = Release::new();
    make_disk(&release);
    symlink(PROGRAM, release.path("flagstone-install")).unwrap();
    let arguments = ["disk", "--image", "out/a.raw", "--keys", "keys", "--yes", "--json"];
    let output = run(&release.path("flagstone-install"), &arguments, &release);
    assert!(output.status.success(), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["image_bytes"], release.image_bytes());
    assert_eq!(report["signed_by"].as_array().unwrap().len(), 1);
}

#[test]
fn the_documentation_has_every_argument() {
    let release = Release::new();
    let help = run(Path::new(PROGRAM), &["install", "--help"], &release);
    let help = String::from_utf8(help.stdout).unwrap();
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/install.md");
    let manual = fs::read_to_string(manual).unwrap();
    let mut count = 0;
    for word in help.split_whitespace().filter(|word| word.starts_with("--")) {
        let word = word.trim_end_matches([',', ';']);
        let is_there = manual.contains(&format!("| `{word}")) || word == "--help";
        assert!(is_there, "{word}");
        count += 1;
    }
    assert!(count >= 8, "{help}");
}
