//! `flagstone ignition`: what it takes for which language, what it prints where, what it writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const GOOD: &str = "\
variant: fcos
version: 1.4.0
storage:
  files:
    - path: /etc/motd.d/a
      mode: 0644
      contents:
        local: motd
";

fn ignition(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstone"));
    command.env_clear().env("HOME", home).current_dir(home).arg("ignition").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has no use for its input may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("files")).unwrap();
    fs::write(home.path().join("files/motd"), "hello\n").unwrap();
    fs::write(home.path().join("good.bu"), GOOD).unwrap();
    fs::write(home.path().join("mode.bu"), GOOD.replace("0644", "644")).unwrap();
    fs::write(home.path().join("usr.bu"), GOOD.replace("/etc/motd.d", "/usr/lib")).unwrap();
    fs::write(home.path().join("no.yaml"), "storage: {}\n").unwrap();
    fs::write(home.path().join("node.ign"), "{\"ignition\": {\"version\": \"3.3.0\"}}").unwrap();
    home
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_translation_is_written_whole_or_not_at_all() {
    let home = home();
    let home = home.path();
    let with = |arguments: &[&'static str]| {
        [&["translate", "--files-dir", "files"][..], arguments].concat()
    };
    let output = ignition(home, &with(&["good.bu"]), "");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["storage"]["files"][0]["contents"]["source"], "data:,hello%0A");

    for (arguments, code, said, writes) in [
        (with(&["good.bu", "-o", "new.ign"]), 0, "", true),
        (with(&["good.bu", "--pretty", "-o", "new.ign"]), 0, "", true),
        (with(&["-", "--output", "new.ign"]), 0, "", true),
        (with(&["mode.bu", "-o", "new.ign"]), 0, "mode.bu: 1 warning\n", true),
        (with(&["mode.bu", "-o", "new.ign", "--strict"]), 1, "mode.bu: 1 warning\n", false),
        (with(&["usr.bu", "-o", "new.ign"]), 1, "usr.bu:5:13: /usr is read-only", false),
        (vec!["translate", "good.bu", "-o", "new.ign"], 1, "hint: --files-dir names it", false),
        (with(&["no.yaml", "-o", "new.ign"]), 1, "the configuration has no `variant`", false),
        (with(&["node.ign", "-o", "new.ign"]), 1, "node.ign is no Butane", false),
        (with(&["none.bu", "-o", "new.ign"]), 1, "failed to read none.bu", false),
        (with(&["good.bu", "-o", "good.bu"]), 1, "would replace what it is made of", false),
        (with(&["good.bu", "-o", "none/new.ign"]), 1, "failed to write none/new.ign", false),
        (vec!["translate", "--files-dir", "none", "good.bu"], 1, "folder of files none", false),
        (vec!["translate"], 2, "<FILE>", false),
    ] {
        let new = home.join("new.ign");
        fs::write(&new, "old").unwrap();
        let output = ignition(home, &arguments, GOOD);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let is = fs::read_to_string(&new).unwrap();
        assert_eq!(is != "old", writes, "{arguments:?}: {is}");
        if writes {
            serde_json::from_str::<Value>(&is).unwrap();
        }
        let files = fs::read_dir(home).unwrap().count();
        assert_eq!(files, 7, "something is left behind by {arguments:?}");
    }
    assert_eq!(fs::read_to_string(home.join("good.bu")).unwrap(), GOOD);
}

#[test]
fn both_languages_are_checked_by_what_is_in_them() {
    let home = home();
    let home = home.path();
    for (arguments, input, code, said) in [
        (
            &["check", "good.bu", "--files-dir", "files"][..],
            "",
            0,
            "good.bu: nothing to complain of",
        ),
        (&["check", "good.bu", "--files-dir", "."], "", 1, "good.bu:8:16: there is no such file"),
        (&["check", "node.ign"], "", 0, "node.ign: nothing to complain of"),
        (&["check", "no.yaml"], "", 1, "no.yaml:1:1: the configuration has no `variant`"),
        (
            &["check", "-"],
            "variant: fcos\nversion: 1.4.0\nstorge: {}\n",
            1,
            "-:3:1: unknown key `storge`",
        ),
        (
            &["check", "-"],
            "variant: flatcar\nversion: 1.1.0\n",
            0,
            "note: -: flatcar 1.1.0 is for a later",
        ),
        (&["check", "-"], "{\"ignition\": {}}", 1, "-:1:14: the configuration has no version"),
        (&["check", "-"], "ignition: {}\n", 1, "-:1:1: this is no JSON"),
    ] {
        let output = ignition(home, arguments, input);
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {input}: {stdout}");
        assert!(stdout.contains(said), "{arguments:?} {input}: {stdout}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = ignition(home, &["check", "--json", "mode.bu", "--files-dir", "files"], "");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = &json["files"][0];
    assert_eq!((&file["language"], &file["stated"]), (&"butane".into(), &"fcos 1.4.0".into()));
    let finding = &file["findings"][0];
    assert_eq!((&finding["line"], &finding["column"]), (&6.into(), &13.into()));
    assert_eq!((&finding["verdict"], &finding["expected"]), (&"doubtful".into(), &"0644".into()));
}

/// A script of the initrd, run for what it answers.
fn of_initrd(script: &str, cmdline: &Path, arguments: &[&str]) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boot/assets").join(script);
    let mut command = Command::new("bash");
    command.arg(path).args(arguments).env("FLAGSTONE_CMDLINE", cmdline);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn the_check_and_the_initrd_agree_on_what_can_be() {
    let home = home();
    let home = home.path();
    let cmdline = home.join("cmdline");
    fs::write(&cmdline, "usrhash=aa\n").unwrap();
    let check = |config: &Value| {
        let output = ignition(home, &["check", "-"], &config.to_string());
        (output.status.success(), text(&output.stdout))
    };

    for config in [
        "{}",
        "",
        r#"{"pcr_ids":"7"}"#,
        r#"{"pcr_ids":"0,23"}"#,
        r#"{"pcr_ids":"7,"}"#,
        r#"{"pcr_ids":""}"#,
        r#"{"pcr_ids":"a"}"#,
        r#"{"pcr_ids":7}"#,
        r#"{"pcr_bank":"sha256"}"#,
        r#"{"pcr_bank":"sha1"}"#,
        r#"{ "pcr_ids": "1,2", "pcr_bank": "sha256" }"#,
        r#"{"pcr_bank":"sha256","pcr_ids":"1"}"#,
        r#"{"pcr_bank":"sha256","pcr_ids":"1","pcr_bank":"sha256"}"#,
        r#"{"pcr_ids":"7","key":"rsa"}"#,
        "[]",
        "{",
    ] {
        let pin = serde_json::json!({ "pin": "tpm2", "config": config });
        let (passes, said) = check(&serde_json::json!({
            "ignition": { "version": "3.3.0" },
            "storage": { "luks": [{
                "name": "a", "device": "/dev/disk/by-partlabel/a", "clevis": { "custom": pin },
            }] },
        }));
        let bind = ["luks", "bind", "-f", "-k", "key", "-d", "test", "tpm2", config];
        // Ignition itself refuses one that is empty.
        let takes = !config.is_empty() && of_initrd("initrd-clevis", &cmdline, &bind);
        assert_eq!(passes, takes, "{config}: {said}");
    }

    // The last that there is room for, and the first that there is not.
    let longest = (1..1536)
        .rev()
        .find(|length| {
            of_initrd("initrd-kargs", &cmdline, &["--should-exist", &"a".repeat(*length)])
        })
        .unwrap();
    for (length, fits) in [(longest, true), (longest + 1, false)] {
        let (passes, said) = check(&serde_json::json!({
            "ignition": { "version": "3.3.0" },
            "kernelArguments": { "shouldExist": ["a".repeat(length)] },
        }));
        assert_eq!(passes, fits, "{length} bytes: {said}");
    }
    for argument in ["a=\u{e4}", "", "a b"] {
        let (passes, said) = check(&serde_json::json!({
            "ignition": { "version": "3.3.0" },
            "kernelArguments": { "shouldExist": [argument] },
        }));
        let takes = of_initrd("initrd-kargs", &cmdline, &["--should-exist", argument]);
        assert_eq!(passes, takes, "{argument:?}: {said}");
    }
}
