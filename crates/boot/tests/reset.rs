//! Runs the initrd's script for resets on folders, with the power cut at every step.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REQUEST: &str = "var/lib/flagstone/reset";

/// What is there from the time when Ignition began to write files until it was done.
const BEGUN: &str = "var/lib/flagstone/provisioning";

const PROVISIONED: &str = "var/lib/flagstone/provisioned";

/// What a machine may have on ROOT; a path that ends with a slash is an empty folder.
const STATE: [&str; 16] = [
    ".etc.work/work/",
    ".hidden",
    "etc/edited",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/sshd/x",
    "home/core/a b\nc*",
    "home/core/kept",
    "lost+found/",
    "root/",
    "srv/data/deep/file",
    "srv/other",
    "var/lib/flagstone/agent/state.json",
    "var/lib/flagstone/provisioned",
    "var/lib/one",
    "var/lib/onemore",
    "var/log/journal/x",
];

fn machine(kept: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in STATE {
        let path = dir.path().join(path);
        if path.to_str().unwrap().ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
        }
    }
    symlink("usr/bin", dir.path().join("bin")).unwrap();
    // A link out of the tree is removed, and what it leads to is not.
    symlink("/", dir.path().join("srv/way-out")).unwrap();
    let words = std::iter::once("flagstone-reset-1").chain(kept.iter().copied());
    let words: Vec<u8> = words.flat_map(|word| word.bytes().chain([0])).collect();
    fs::write(dir.path().join(REQUEST), words).unwrap();
    dir
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initrd-reset")
}

fn reset(root: &Path) -> Output {
    Command::new("bash").arg(script()).arg(root).output().unwrap()
}

/// Lists what is left, folders without their contents' parents: only what is empty or no folder.
fn left(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        if names.is_empty() && folder != root {
            found.push(format!("{}/", shown(root, &folder)));
        }
        for path in names {
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path);
            } else {
                found.push(shown(root, &path));
            }
        }
    }
    found.sort();
    found
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn everything_goes_but_for_what_is_kept() {
    for (kept, expected) in [
        (&[][..], &["var/lib/flagstone/provisioning"][..]),
        (
            &["/etc/ssh", "/home/core/a b\nc*", "/srv/data", "/var/lib/one"],
            &[
                "etc/ssh/ssh_host_ed25519_key",
                "home/core/a b\nc*",
                "srv/data/deep/file",
                "var/lib/flagstone/provisioning",
                "var/lib/one",
            ],
        ),
        // Whatever is kept: the machine is provisioned anew, and there is no request any more, but the trace of it.
        (
            &["/var"],
            &[
                "var/lib/flagstone/agent/state.json",
                "var/lib/flagstone/provisioning",
                "var/lib/one",
                "var/lib/onemore",
                "var/log/journal/x",
            ],
        ),
        // A pattern is a name.
        (&["/srv/*", "/nothing/at/all"], &["var/lib/flagstone/provisioning"]),
    ] {
        let dir = machine(kept);
        let output = reset(dir.path());
        assert!(output.status.success(), "{kept:?}: {output:?}");
        let left: Vec<String> = left(dir.path());
        let left: Vec<&str> =
            left.iter().map(String::as_str).filter(|path| *path != "srv/").collect();
        assert_eq!(left, expected, "{kept:?}");
    }
    assert!(Path::new("/usr").exists());
}

#[test]
fn without_a_request_that_is_understood_nothing_is_touched() {
    for request in [None, Some(&b""[..]), Some(b"flagstone-reset-2\0"), Some(b"\xff\0/x\0")] {
        let dir = machine(&[]);
        match request {
            None => fs::remove_file(dir.path().join(REQUEST)).unwrap(),
            Some(bytes) => fs::write(dir.path().join(REQUEST), bytes).unwrap(),
        }
        let before = left(dir.path());
        let output = reset(dir.path());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(left(dir.path()), before, "{request:?}");
    }
}

#[test]
fn a_machine_that_was_not_provisioned_to_the_end_is_emptied_but_for_what_was_kept() {
    let dir = machine(&["/etc/ssh"]);
    fs::rename(dir.path().join(REQUEST), dir.path().join(BEGUN)).unwrap();
    // It was, and power went before the trace of it was gone.
    let before = left(dir.path());
    assert!(reset(dir.path()).status.success());
    assert_eq!(left(dir.path()), before);
    fs::remove_file(dir.path().join(PROVISIONED)).unwrap();
    assert!(reset(dir.path()).status.success());
    let expected = ["etc/ssh/ssh_host_ed25519_key", "srv/", "var/lib/flagstone/provisioning"];
    let left: Vec<String> = left(dir.path());
    assert!(left.iter().all(|path| expected.contains(&path.as_str())), "{left:?}");
    assert!(left.contains(&expected[0].to_owned()));
}

/// Puts programs before the real ones that count what they do, and kill the script at the Nth call.
fn cut(root: &Path, tools: &Path, at: usize) -> bool {
    let count = tools.join("count");
    fs::write(&count, "0").unwrap();
    for name in ["rm", "sync"] {
        let real = format!("/usr/bin/{name}");
        let text = format!(
            "#!/bin/bash\nread -r n <{count}\necho $((n + 1)) >{count}\n\
             if [ $((n + 1)) = {at} ]; then kill -KILL $PPID; exit 1; fi\nexec {real} \"$@\"\n",
            count = count.display()
        );
        let path = tools.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let mut command = Command::new("/bin/bash");
    command.arg(script()).arg(root).env("PATH", path).output().unwrap().status.success()
}

#[test]
fn a_power_cut_at_any_step_ends_in_a_complete_reset() {
    for request in [REQUEST, BEGUN] {
        cut_at_any_step(request);
    }
}

fn cut_at_any_step(request: &str) {
    let tools = tempfile::tempdir().unwrap();
    let kept = ["/etc/ssh", "/srv/data"];
    let mut steps = 0;
    loop {
        steps += 1;
        let dir = machine(&kept);
        if request == BEGUN {
            fs::rename(dir.path().join(REQUEST), dir.path().join(BEGUN)).unwrap();
            fs::remove_file(dir.path().join(PROVISIONED)).unwrap();
        }
        let done = cut(dir.path(), tools.path(), steps);
        // The request goes last: as long as anything else is there, it is.
        let before = left(dir.path());
        let asked = dir.path().join(request).exists();
        let rest =
            before.iter().any(|path| path.contains("onemore") || path.contains("provisioned"));
        assert!(asked || !rest, "after {steps} steps: {before:?}");
        assert!(reset(dir.path()).status.success());
        let expected = [
            "etc/ssh/ssh_host_ed25519_key",
            "srv/data/deep/file",
            "var/lib/flagstone/provisioning",
        ];
        assert_eq!(left(dir.path()), expected, "after {steps} steps");
        if done {
            break;
        }
    }
    assert!(steps > 10, "only {steps} steps");
}
