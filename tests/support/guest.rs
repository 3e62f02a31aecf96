//! Boots an image with the smoke test inside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::FLAGSTONE;

/// What a boot gave.
pub(crate) struct Boot {
    /// What the guest reported; empty if it never came so far.
    pub(crate) report: BTreeMap<String, String>,
    /// The serial console, without escape sequences.
    pub(crate) console: String,
}

/// Words on the console that mean trouble in a boot that should go well.
const TROUBLE: [&str; 9] = [
    "Kernel panic",
    "Oops",
    "BUG:",
    "Call Trace",
    "[FAILED]",
    "Dependency failed",
    "ordering cycle",
    "is corrupted",
    "emergency.target",
];

impl Boot {
    /// Fails on any line that means trouble.
    pub(crate) fn assert_calm(&self) {
        for line in self.console.lines() {
            let trouble = TROUBLE.iter().find(|word| line.contains(**word));
            assert!(trouble.is_none(), "the console says {line:?}");
        }
    }
}

/// What a boot can have besides an image.
#[derive(Default)]
pub(crate) struct Extras<'a> {
    /// Arguments for `flagstone run`.
    pub(crate) arguments: &'a [&'a str],
    /// Arguments for QEMU.
    pub(crate) machine: &'a [String],
    /// What reports from inside, in place of the smoke test.
    pub(crate) script: Option<&'a Path>,
    /// The unit that runs it, in place of the smoke test's, if the machine is to restart when it wants to.
    pub(crate) restarts_by: Option<&'a str>,
}

/// Boots an image with the smoke test inside, until it powers off, panics, or the time is over.
///
/// The state folder keeps disk and firmware variables for the next boot; the console's log stays
/// in it.
pub(crate) fn boot(image: &Path, state: &Path, limit: Duration) -> Boot {
    boot_with(image, state, limit, &[])
}

/// Boots as [`boot`] does, with more arguments for `flagstone run`.
pub(crate) fn boot_with(image: &Path, state: &Path, limit: Duration, arguments: &[&str]) -> Boot {
    boot_so(image, state, limit, &Extras { arguments, ..Extras::default() })
}

/// Boots as [`boot`] does, with whatever else is needed.
pub(crate) fn boot_so(image: &Path, state: &Path, limit: Duration, extras: &Extras<'_>) -> Boot {
    let Extras { arguments, machine, script, restarts_by } = *extras;
    fs::create_dir_all(state).unwrap();
    let (report, log) = (state.join("report"), state.join("console.log"));
    let _ = fs::remove_file(&report);
    let script = script.unwrap_or(Path::new("smoke.sh"));
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest");
    let credential = |name: &str, file: &Path| format!("{name}=@{}", guest.join(file).display());
    let mut child = Command::new(FLAGSTONE)
        .arg("run")
        .arg(image)
        .args(["--no-autologin", "--state"])
        .arg(state)
        .args(if arguments.contains(&"--memory") { &[][..] } else { &["--memory", "1500"] })
        .args(arguments)
        .args([
            "--credential",
            &credential(
                "systemd.extra-unit.flagstone-smoke.service",
                Path::new(restarts_by.unwrap_or("smoke.service")),
            ),
        ])
        .args([
            "--credential",
            &credential("systemd.unit-dropin.multi-user.target", Path::new("multi-user.conf")),
        ])
        .args(["--credential", &credential("flagstone.smoke", script)])
        .arg("--")
        .args(if restarts_by.is_some() { &[][..] } else { &["-no-reboot"] })
        .args(["-device", "virtio-serial-pci", "-chardev"])
        .arg(format!("file,id=report,path={}", report.display()))
        .args(["-device", "virtserialport,chardev=report,name=flagstone.report"])
        .args(machine)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            // The program waits for QEMU, which ends with its console.
            end_with_children(child.id());
            child.wait().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    eprintln!("{}: booted for {} s", image.display(), start.elapsed().as_secs());
    let console = without_escapes(&fs::read(&log).unwrap());
    let report = fs::read_to_string(&report).unwrap_or_default();
    let pairs = report.lines().filter_map(|line| line.split_once('='));
    Boot { report: pairs.map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect(), console }
}

/// Ends a process and those it started, by their ids.
fn end_with_children(id: u32) {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    for pid in children.split_whitespace().chain([id.to_string().as_str()]) {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
}

fn without_escapes(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            plain.push(char);
        } else if chars.next() == Some('[') {
            let _ = chars.find(char::is_ascii_alphabetic);
        }
    }
    plain
}
