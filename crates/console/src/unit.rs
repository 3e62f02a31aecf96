//! What systemd says of units that failed, and which stage a unit belongs to.

use crate::Stage;

/// A unit that failed, as the console says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedUnit<'a> {
    /// Its name; an ellipsis stands for the rest where the console was narrow.
    pub(crate) name: &'a str,
    /// What failed to happen: `start`, `mount`, …, or `appear` for a device.
    pub(crate) verb: &'a str,
}

/// Reads a line such as `[FAILED] Failed to start x.service - Description.` or
/// `[ TIME ] Timed out waiting for device dev-x.device - /dev/x.`
pub(crate) fn failed_unit(line: &str) -> Option<FailedUnit<'_>> {
    if let Some((_, rest)) = line.split_once("Timed out waiting for device ") {
        return Some(FailedUnit { name: name(rest)?, verb: "appear" });
    }
    let (_, rest) = line.split_once("Failed to ")?;
    if !line.contains("[FAILED]") && !line.contains("systemd[1]: ") {
        return None;
    }
    let (verb, rest) = rest.split_once(' ')?;
    let known = ["start", "mount", "listen", "activate", "set"].contains(&verb);
    let rest = rest.strip_prefix("on ").or_else(|| rest.strip_prefix("up ")).unwrap_or(rest);
    let name = name(rest)?;
    // systemd's own complaints go on in prose; names of units have a suffix, or were cut off.
    (known && name.contains(['.', '…'])).then_some(FailedUnit { name, verb })
}

fn name(rest: &str) -> Option<&str> {
    let word = rest.split(' ').next()?.split_inclusive('…').next()?;
    let word = word.trim_end_matches(['.', ',', ':']);
    (!word.is_empty()).then_some(word)
}

/// Beginnings of names, and the stage at which such a unit fails.
const STAGES: [(&str, Stage); 14] = [
    ("systemd-veritysetup@", Stage::Verity),
    ("flagstone-usr.", Stage::Verity),
    ("run-flagstone-usr.mount", Stage::Verity),
    ("sysusr-usr.mount", Stage::Verity),
    ("sysroot-usr.mount", Stage::Verity),
    ("dev-mapper-usr", Stage::Verity),
    (r"dev-disk-by\x2dpartuuid", Stage::Verity),
    ("ignition-", Stage::Ignition),
    ("flagstone-first-boot", Stage::Ignition),
    ("flagstone-ignition-network", Stage::Ignition),
    ("flagstone-provisioned", Stage::Ignition),
    ("sysroot.mount", Stage::Root),
    ("systemd-fsck-root", Stage::Root),
    (r"dev-disk-by\x2dpartlabel-ROOT", Stage::Root),
];

/// Returns the stage of a unit that failed while the machine was in another one.
pub(crate) fn stage_of(name: &str, now: Stage) -> Stage {
    let own = ["flagstone-disk", "flagstone-reset", "flagstone-sysroot"];
    if own.iter().any(|own| name.starts_with(own)) {
        return Stage::Root;
    }
    let known = STAGES.iter().find(|(beginning, _)| name.starts_with(beginning));
    // Once the system runs, a unit is a unit.
    if now == Stage::Unit { now } else { known.map_or(Stage::Initrd, |(_, stage)| *stage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_failed_are_read_from_status_lines() {
        for (line, expected) in [
            (
                "[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.",
                Some(("ssh.service", "start")),
            ),
            ("[FAILED] Failed to mount srv.mount - /srv.", Some(("srv.mount", "mount"))),
            (
                "[FAILED] Failed to start systemd-veritysetup@…rity Protection Setup for usr.",
                Some(("systemd-veritysetup@…", "start")),
            ),
            (
                "[ TIME ] Timed out waiting for device dev-nothing.device - /nothing.",
                Some(("dev-nothing.device", "appear")),
            ),
            ("[FAILED] Failed to listen on x.socket - X.", Some(("x.socket", "listen"))),
            ("[   12.1] systemd[1]: Failed to start x.service - X.", Some(("x.service", "start"))),
            ("[   12.1] systemd[1]: Failed to put bus name to hashmap: Exists", None),
            ("ignition[2]: INFO : Failed to start something", None),
            ("[  OK  ] Started x.service.", None),
            ("[FAILED] Failed to ", None),
            ("", None),
        ] {
            let found = failed_unit(line).map(|unit| (unit.name, unit.verb));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_unit_has_a_stage_until_the_system_runs() {
        for (name, stage) in [
            ("systemd-veritysetup@usr.service", Stage::Verity),
            (r"dev-disk-by\x2dpartlabel-ROOT.device", Stage::Root),
            ("ignition-fetch.service", Stage::Ignition),
            ("systemd-udevd.service", Stage::Initrd),
            ("flagstone-disk.service", Stage::Root),
        ] {
            assert_eq!(stage_of(name, Stage::Initrd), stage, "{name}");
        }
        assert_eq!(stage_of("ignition-fetch.service", Stage::Unit), Stage::Unit);
    }
}
