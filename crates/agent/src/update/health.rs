use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Folders of checks: every executable in them has to succeed.
const CHECKS: [&str; 2] = ["usr/share/flagstone/health.d", "etc/flagstone/health.d"];
/// How often is looked whether something has happened.
const PAUSE: Duration = Duration::from_millis(200);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct HealthLimits {
    /// One check.
    pub check: Duration,
    /// Until there is a route to elsewhere.
    pub route: Duration,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self { check: Duration::from_mins(1), route: Duration::from_mins(2) }
    }
}

/// Runs the checks of image and machine, sorted by name; those of the machine replace the image's of the
/// same name, and one that is no executable file takes it out. Returns what is wrong.
pub fn run_checks(root: &Path, limits: HealthLimits) -> Vec<String> {
    let mut checks = std::collections::BTreeMap::new();
    for folder in CHECKS {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        checks.extend(entries.map(|entry| (entry.file_name(), entry.path())));
    }
    let is_check = |path: &PathBuf| {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let checks = checks.into_values().filter(is_check);
    checks.filter_map(|check| run_check(&check, limits.check).err()).collect()
}

/// Runs one check; what it says goes where this program's words go.
fn run_check(path: &Path, limit: Duration) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut command = Command::new(path);
    let child = command.stdin(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("check {name} cannot be run: {error}"))?;
    match wait(&mut child, limit) {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(format!("check {name} failed ({status})")),
        Some(Err(error)) => Err(format!("check {name} failed: {error}")),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("check {name} took longer than {} s", limit.as_secs()))
        }
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<std::io::Result<std::process::ExitStatus>> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(None) if begin.elapsed() >= limit => return None,
            Ok(None) => thread::sleep(PAUSE.min(limit)),
            Ok(Some(status)) => return Some(Ok(status)),
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Tells whether there is a route to elsewhere, by IPv4 or IPv6, as the kernel's tables below `proc/net`
/// say.
pub fn has_default_route(root: &Path) -> bool {
    let table =
        |name: &str| fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
    // Interface, destination, gateway, flags, …, mask.
    let v4 = table("route").lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000")
    });
    // Destination, its length, source, its length, next hop, …, interface; the kernel's own entry that
    // refuses everything is one of the loopback device.
    let v6 = table("ipv6_route").lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let all = fields.first().is_some_and(|to| to.bytes().all(|byte| byte == b'0'));
        all && fields.get(1) == Some(&"00") && fields.last().is_some_and(|device| *device != "lo")
    });
    v4 || v6
}

/// Waits for a route to elsewhere; tells whether there is one.
pub fn wait_for_route(root: &Path, limits: HealthLimits) -> bool {
    let begin = Instant::now();
    while !has_default_route(root) {
        if begin.elapsed() >= limits.route {
            return false;
        }
        thread::sleep(PAUSE.min(limits.route));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LIMITS: HealthLimits =
        HealthLimits { check: Duration::from_millis(300), route: Duration::from_millis(10) };

    fn put(root: &Path, path: &str, text: &str, mode: u32) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn checks_that_fail_or_hang_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(run_checks(dir.path(), LIMITS).is_empty());
        put(dir.path(), "usr/share/flagstone/health.d/10-good", "#!/bin/sh\n", 0o755);
        put(dir.path(), "usr/share/flagstone/health.d/20-masked", "#!/bin/sh\nexit 1\n", 0o755);
        put(dir.path(), "etc/flagstone/health.d/20-masked", "", 0o644);
        assert!(run_checks(dir.path(), LIMITS).is_empty());
        put(dir.path(), "etc/flagstone/health.d/30-bad", "#!/bin/sh\nexit 3\n", 0o755);
        put(dir.path(), "etc/flagstone/health.d/40-hangs", "#!/bin/sh\nexec sleep 60\n", 0o755);
        put(dir.path(), "etc/flagstone/health.d/50-no-program", "#!/no/such\n", 0o755);
        let complaints = run_checks(dir.path(), LIMITS);
        let [bad, hangs, none] = complaints.as_slice() else { panic!("{complaints:?}") };
        assert_eq!(bad, "check 30-bad failed (exit status: 3)");
        assert_eq!(hangs, "check 40-hangs took longer than 0 s");
        assert!(none.starts_with("check 50-no-program cannot be run"), "{none}");
    }

    #[test]
    fn a_route_to_elsewhere_is_seen() {
        const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";
        let zero = "0".repeat(32);
        let v6 = |to: &str, device: &str| {
            format!("{zero} {to} {zero} 00 fe800000000000000000000000000002 00 00 00 1 {device}\n")
        };
        for (route, ipv6, expected) in [
            (String::new(), String::new(), false),
            (
                format!("{HEAD}eth0\t00000000\t0202000A\t0003\t0\t0\t1024\t00000000\t0\n"),
                String::new(),
                true,
            ),
            (
                format!("{HEAD}eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n"),
                v6("40", "eth0"),
                false,
            ),
            (HEAD.to_owned(), v6("00", "eth0"), true),
            (HEAD.to_owned(), v6("00", "lo"), false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            put(dir.path(), "proc/net/route", &route, 0o644);
            put(dir.path(), "proc/net/ipv6_route", &ipv6, 0o644);
            assert_eq!(wait_for_route(dir.path(), LIMITS), expected, "{route}{ipv6}");
        }
    }
}
