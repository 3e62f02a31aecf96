//! Which stages of Ignition the initrd starts for a configuration.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Runs the script below a root with a configuration, and tells the stages, and whether arguments were taken back.
fn stages(config: Option<&str>, line: &str, folders: &[&str]) -> (BTreeSet<String>, bool) {
    let root = tempfile::tempdir().expect("temporary folder");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    };
    if let Some(config) = config {
        write("run/ignition.json", config);
    }
    write("proc/cmdline", &format!("{line}\n"));
    for folder in folders {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    let taken = root.path().join("taken");
    let text = format!("#!/bin/sh\n: >{}\n", taken.display());
    let helper = write("usr/sbin/ignition-kargs-helper", &text);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("a mode");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initrd-stages");
    let status = Command::new("bash").arg(script).arg(root.path()).status().expect("bash");
    assert!(status.success(), "{config:?}");
    let listed = fs::read_dir(root.path().join("run/flagstone/stages")).into_iter().flatten();
    let names =
        listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    (names.collect(), taken.exists())
}

#[test]
fn stages_without_work_are_left_out() {
    // As Go writes them: without lists that are empty, with what holds them.
    let frame = |part: &str| {
        format!(
            r#"{{"ignition":{{"version":"3.4.0-experimental"}},"kernelArguments":{{}},{part}}}"#
        )
    };
    for (part, expected) in [
        (r#""storage":{}"#, &[][..]),
        (r#""storage":{"files":[{"path":"/a","contents":{"source":"data:,\"disks\":["}}]}"#, &[]),
        (
            r#""storage":{"disks":[{"device":"/dev/vdb","partitions":[{"shouldExist":true}]}]}"#,
            &["disks", "mount"],
        ),
        (r#""storage":{"luks":[{"name":"a"}]}"#, &["disks", "mount"]),
        (r#""storage":{"raid":[{"name":"a"}]}"#, &["disks", "mount"]),
        (r#""storage":{"filesystems":[{"device":"a"}]}"#, &["disks", "mount"]),
        (r#""x":{"shouldExist":["quiet"]}"#, &["kargs"]),
        (
            r#""x":{"shouldNotExist":["quiet"]},"storage":{"raid":[{}]}"#,
            &["disks", "kargs", "mount"],
        ),
    ] {
        let (found, taken) = stages(Some(&frame(part)), "quiet", &[]);
        assert_eq!(found, expected.iter().map(|&name| name.to_owned()).collect(), "{part}");
        assert!(!taken, "{part}");
    }
    assert_eq!(stages(None, "quiet", &[]), (BTreeSet::new(), false));
}

#[test]
fn what_lies_beneath_every_configuration_is_not_left_out() {
    let all = BTreeSet::from(["disks", "kargs", "mount"].map(str::to_owned));
    let line = "flagstone.arguments a flagstone.arguments.end";
    for folder in ["usr/lib/ignition/base.d", "usr/lib/ignition/base.platform.d"] {
        assert_eq!(stages(Some("{}"), line, &[folder]), (all.clone(), false), "{folder}");
    }
}

#[test]
fn arguments_of_an_earlier_configuration_are_taken_back() {
    for line in ["x flagstone.arguments a flagstone.arguments.end", "x flagstone.arguments a fla"] {
        assert_eq!(stages(Some("{}"), line, &[]), (BTreeSet::new(), true), "{line}");
        let (_, taken) = stages(Some(r#"{"k":{"shouldExist":["a"]}}"#), line, &[]);
        assert!(!taken, "Ignition asks for them itself");
    }
    assert!(!stages(Some("{}"), "flagstone.arguments.end", &[]).1);
}
