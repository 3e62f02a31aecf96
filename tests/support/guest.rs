//! Boots an image with the smoke test inside.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::support::FLAGSTONE;

/// What a boot gave.
pub(crate) struct Boot {
    /// What the guest reported; empty if it never came so far.
    pub(crate) report: BTreeMap<String, String>,
    /// The serial console, without escape sequences.
    pub(crate) console: String,
    /// How often the machine had to be switched off and on again, since it did nothing any more.
    pub(crate) power_cycles: usize,
}

/// What a recipe on `ci` says so that its machines ask for an address, at the end of it.
pub(crate) const DHCP: &str = "[units.\"systemd-networkd.service\"]\nenable = true\n\
    [files.\"/usr/lib/systemd/network/90-dhcp.network\"]\n\
    content = \"[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n\"\n";

/// After which silence a machine that restarts by itself is taken for one that hangs, and how often.
const SILENCE: Duration = Duration::from_mins(5);
const CYCLES_MAX: usize = 2;

/// Until when after a kernel's start a hang is the emulator's and not the image's, in seconds.
const EARLY: u32 = 4;

/// After which silence an emulator is nudged, and how often again: its threads now and then wait for each other, and
/// any signal ends that.
const NUDGE: Duration = Duration::from_secs(30);

/// What a machine says when its kernel or initrd failed, and how long it gets for what others have to say of that.
const FAILED: [&str; 2] =
    ["Kernel panic - not syncing", "the initrd failed; starting again in 10 seconds"];
const MOMENT: Duration = Duration::from_secs(2);

/// How many machines run at a time: with more of them than processors, each takes longer, and more of these.
const PLACES: usize = 2;

static FREE: (Mutex<usize>, Condvar) = (Mutex::new(PLACES), Condvar::new());

/// Room for some machines to run, which others wait for.
pub(crate) struct Places(usize);

impl Places {
    /// Waits for all of the room.
    pub(crate) fn all() -> Self {
        Self::take(PLACES)
    }

    /// Waits for the room of one machine.
    pub(crate) fn one() -> Self {
        Self::take(1)
    }

    fn take(count: usize) -> Self {
        let free = FREE.0.lock().unwrap();
        *FREE.1.wait_while(free, |free| *free < count).unwrap() -= count;
        Self(count)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        *FREE.0.lock().unwrap() += self.0;
        FREE.1.notify_all();
    }
}

impl Boot {
    /// Fails on any line that means trouble.
    pub(crate) fn assert_calm(&self) {
        self.assert_calm_but("");
    }

    /// Does so, but for a kind of trouble that the test itself makes. Emulated processors that wait for their
    /// turn on a busy machine are no trouble of the image's either, nor the traces that the kernel then shows.
    pub(crate) fn assert_calm_but(&self, made: &str) {
        let waiting = ["RCU stall", "hung task", "lockup"];
        let mut found = flagstone_console::trouble(&self.console);
        let has_waited = found.iter().any(|trouble| waiting.contains(&trouble.what));
        found.retain(|trouble| {
            let of_waiting = has_waited && trouble.line.text.contains("Call Trace");
            trouble.what != made && !waiting.contains(&trouble.what) && !of_waiting
        });
        assert!(found.is_empty(), "the console says: {found:#?}");
    }

    /// Says where the boot stopped, for the messages of assertions.
    pub(crate) fn diagnosis(&self) -> String {
        match flagstone_console::diagnose(&self.console) {
            Some(diagnosis) => format!("{diagnosis}\nhint: {}", diagnosis.hint),
            None => "the boot was complete".to_owned(),
        }
    }

    /// Returns the stage at which the boot stopped, if it did and a line says so.
    pub(crate) fn stopped_at(&self) -> Option<flagstone_console::Stage> {
        let diagnosis = flagstone_console::diagnose(&self.console)?;
        diagnosis.is_shown.then_some(diagnosis.stage)
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
    /// Whether it is switched off a moment after it says that it failed, instead of after it has waited.
    pub(crate) ends_when_failed: bool,
    /// Whether it waits for no room: the test has taken that, or the machine hardly needs any.
    pub(crate) needs_no_place: bool,
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
///
/// A machine that restarts by itself and says nothing for a long time is switched off and on again if it came no
/// further than its kernel's first seconds: now and then one hangs there where processors are emulated.
pub(crate) fn boot_so(image: &Path, state: &Path, limit: Duration, extras: &Extras<'_>) -> Boot {
    fs::create_dir_all(state).unwrap();
    let (report, log) = (state.join("report"), state.join("console.log"));
    let _ = fs::remove_file(&report);
    let _ = fs::remove_file(&log);
    let _place = (!extras.needs_no_place).then(Places::one);
    let cycles = if extras.restarts_by.is_some() { CYCLES_MAX } else { 0 };
    let start = Instant::now();
    let mut power_cycles = 0;
    loop {
        let mut child = spawn(image, state, extras);
        let mut heard = (0, Instant::now());
        let mut nudged = Instant::now();
        let mut failed: Option<Instant> = None;
        let hangs = loop {
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            let length = fs::metadata(&log).map_or(0, |log| log.len());
            if length != heard.0 {
                heard = (length, Instant::now());
                if extras.ends_when_failed && failed.is_none() && has_failed(&log) {
                    failed = Some(Instant::now());
                }
            }
            if failed.is_some_and(|at| at.elapsed() > MOMENT) {
                // The emulator writes what it has of the disk.
                signal_children(child.id(), &["-TERM"]);
            }
            if heard.1.elapsed() > NUDGE && nudged.elapsed() > NUDGE {
                // Stopped for a moment.
                signal_children(child.id(), &["-STOP", "-CONT"]);
                nudged = Instant::now();
            }
            let silent = power_cycles < cycles && heard.1.elapsed() > SILENCE;
            if silent || start.elapsed() > limit {
                let hangs = silent && hangs_early(&fs::read(&log).unwrap());
                // The program waits for QEMU, which ends with its console.
                end_with_children(child.id());
                child.wait().unwrap();
                break hangs;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        if !hangs {
            break;
        }
        power_cycles += 1;
        eprintln!("{}: said nothing any more, and is started again", image.display());
    }
    eprintln!("{}: booted for {} s", image.display(), start.elapsed().as_secs());
    let console = flagstone_console::plain(&fs::read(&log).unwrap());
    let report = fs::read_to_string(&report).unwrap_or_default();
    let pairs = report.lines().filter_map(|line| line.split_once('='));
    let report = pairs.map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect();
    Boot { report, console, power_cycles }
}

/// Tells whether a console says that kernel or initrd failed.
fn has_failed(log: &Path) -> bool {
    let console = flagstone_console::plain(&fs::read(log).unwrap());
    FAILED.iter().any(|words| console.contains(words))
}

/// Tells whether what a console says ends within a kernel's first seconds, or before.
fn hangs_early(console: &[u8]) -> bool {
    let console = flagstone_console::plain(console);
    let starts = ["reboot: Restarting system", "BdsDxe: ", "Linux version"];
    let start = starts.iter().filter_map(|words| console.rfind(words)).max();
    let now = &console[start.unwrap_or_default()..];
    let seconds = |line: &str| line.strip_prefix('[')?.split('.').next()?.trim().parse().ok();
    now.lines().filter_map(seconds).all(|seconds: u32| seconds < EARLY)
}

/// Starts a machine.
fn spawn(image: &Path, state: &Path, extras: &Extras<'_>) -> Child {
    let Extras { arguments, machine, script, restarts_by, .. } = *extras;
    let (report, log) = (state.join("report"), state.join("console.log"));
    let script = script.unwrap_or(Path::new("smoke.sh"));
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest");
    let credential = |name: &str, file: &Path| format!("{name}=@{}", guest.join(file).display());
    Command::new(FLAGSTONE)
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
        // A kernel that changes its own code now and then trips over a second emulated processor.
        .args(["-smp", "1"])
        .args(if restarts_by.is_some() { &[][..] } else { &["-no-reboot"] })
        .args(["-device", "virtio-serial-pci", "-chardev"])
        .arg(format!("file,id=report,append=on,path={}", report.display()))
        .args(["-device", "virtserialport,chardev=report,name=flagstone.report"])
        .args(machine)
        .stdin(Stdio::null())
        .stdout(File::options().create(true).append(true).open(&log).unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Returns the ids of those that a process started.
fn children(id: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Sends signals to those that a process started.
fn signal_children(id: u32, signals: &[&str]) {
    for pid in children(id) {
        for signal in signals {
            let _ = Command::new("kill").args([signal, pid.as_str()]).status();
        }
    }
}

/// Ends a process and those it started, by their ids, and waits until they have let go of their files: the next
/// machine needs the disk.
fn end_with_children(id: u32) {
    let children = children(id);
    for pid in children.iter().map(String::as_str).chain([id.to_string().as_str()]) {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
    let start = Instant::now();
    let lives = |pid: &String| fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    while children.iter().any(lives) && start.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(50));
    }
}
