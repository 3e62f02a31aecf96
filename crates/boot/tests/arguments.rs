//! What is made of kernel arguments in an Ignition configuration, by the script that Ignition calls.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs it on a machine with a command line.
fn ask(line: &str, arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("cmdline");
    fs::write(&file, format!("{line}\n")).expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initrd-kargs");
    Command::new("bash")
        .arg(script)
        .args(arguments)
        .env("FLAGSTONE_CMDLINE", &file)
        .output()
        .expect("bash")
}

/// What it would write; nothing if all is as wanted.
fn written(line: &str, arguments: &[&str]) -> String {
    let output = ask(line, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refusal(line: &str, arguments: &[&str]) -> String {
    let output = ask(line, arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_is_missing_is_added_once() {
    let line = "usrhash=aa quiet root=/dev/x";
    let asked = ["--should-exist", "quiet", "--should-exist", "mitigations=auto,nosmt"];
    let text = written(line, &asked);
    assert_eq!(text, "flagstone.arguments mitigations=auto,nosmt flagstone.arguments.end\n");
    // The next boot has it, whatever firmware says behind it.
    for behind in ["", " from.firmware=1"] {
        assert_eq!(written(&format!("{line} {}{behind}", text.trim()), &asked), "");
    }
    // What is part of a longer word is not there.
    let part = written("usrhash=aa quieter", &["--should-exist=quiet"]);
    assert_eq!(part, "flagstone.arguments quiet flagstone.arguments.end\n");
}

#[test]
fn another_configuration_has_its_own() {
    let line = "root=/dev/x flagstone.arguments a=1 b=2 flagstone.arguments.end c=3";
    assert_eq!(written(line, &["--should-exist", "a=1", "--should-exist", "b=2"]), "");
    let fewer = written(line, &["--should-exist", "b=2", "--should-not-exist", "a=1"]);
    assert_eq!(fewer, "flagstone.arguments b=2 flagstone.arguments.end\n");
    // Nothing is left of it.
    assert_eq!(written(line, &[]), "\n");
    assert_eq!(written(line, &["--should-exist", "c=3"]), "\n");
}

#[test]
fn a_line_that_was_cut_is_taken_back_or_refused() {
    let long = format!("root=/dev/x {}", "x".repeat(1900));
    let said = refusal(&long, &["--should-exist", &"y".repeat(200)]);
    assert!(said.contains("longer than it keeps"), "{said}");
    let cut = format!("{long} flagstone.arguments {}", "y".repeat(100));
    assert_eq!(written(&cut, &[]), "\n");
    let said = refusal(&cut, &["--should-exist", &"y".repeat(200)]);
    assert!(said.contains("longer than it keeps"), "{said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let line = "quiet root=/dev/x";
    let said = refusal(line, &["--should-not-exist", "quiet"]);
    assert!(said.contains("quiet is part of the signed kernel image"), "{said}");
    let said = refusal(line, &["--should-exist", &format!("a={}", "x".repeat(1536))]);
    assert!(said.contains("there is room for 1536"), "{said}");
    for bad in [&["--should-exist"][..], &["--should-exist", ""], &["--should-exist", "a=\u{e4}"]] {
        assert!(refusal(line, bad).contains("not plain ASCII"), "{bad:?}");
    }
    assert!(refusal(line, &["--frobnicate"]).contains("--frobnicate"));
}

#[test]
fn the_script_and_the_template_agree_on_the_room() {
    let script = include_str!("../assets/initrd-kargs");
    let room = format!("\nroom={}\n", flagstone_boot::ADDON_ROOM);
    assert!(script.contains(&room), "{room}");
}
