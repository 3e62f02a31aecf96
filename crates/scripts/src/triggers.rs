//! Triggers: what a package wants to hear of (deb-triggers(5)).

use crate::Knowledge;
use crate::rules::{covered, needless};
use crate::verdict::{Finisher, Rule, Verdict};

/// Triggers by name or path, and why nobody need hear of them.
static TRIGGERS: [(&[&str], Rule); 11] = [
    (
        &["ldconfig", "/usr/lib32", "/usr/libo32", "/usr/libx32", "libc-upgrade"],
        covered(Finisher::LibraryCache, "`ldconfig`", "the build writes ld.so.cache and its links"),
    ),
    (
        &["update-initramfs", "update-grub", "/usr/lib/shim", "systemd-boot-signed"],
        covered(
            Finisher::Kernel,
            "`update-initramfs`, /usr/lib/shim, systemd-boot-signed",
            "the build makes initrd, kernel image and boot partition",
        ),
    ),
    (
        &["update-ca-certificates", "update-ca-certificates-fresh"],
        covered(
            Finisher::Certificates,
            "`update-ca-certificates`",
            "the finisher makes the bundle",
        ),
    ),
    (
        &["/usr/lib/udev/hwdb.d", "/lib/udev/hwdb.d"],
        covered(Finisher::HardwareDatabase, "/usr/lib/udev/hwdb.d", "the build writes hwdb.bin"),
    ),
    (
        &["/usr/share/debianutils/shells.d"],
        covered(Finisher::EtcFiles, "/usr/share/debianutils/shells.d", "the finisher lists shells"),
    ),
    (
        &[
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
            "/etc/systemd/system",
            "/usr/lib/systemd/system/udev.service",
            "/lib/systemd/system/udev.service",
            "/etc/init.d",
            "/usr/lib/sysctl.d",
            "/usr/lib/binfmt.d",
            "/etc/rsyslog.d",
            "/usr/share/dbus-1/system.d",
            "/etc/dbus-1/system.d",
            "/usr/share/dbus-1/system-services",
        ],
        covered(
            Finisher::Units,
            "units, init scripts, sysctl.d, binfmt.d, rsyslog.d, D-Bus services",
            "programs that run read them anew; none runs while an image is made",
        ),
    ),
    (
        &["/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d"],
        covered(
            Finisher::Accounts,
            "/usr/lib/sysusers.d, /usr/lib/tmpfiles.d",
            "the finisher of accounts, and every boot",
        ),
    ),
    (
        &[
            "/usr/share/man",
            "/usr/local/share/man",
            "/usr/man",
            "/usr/local/man",
            "/opt/man",
            "/usr/X11R6/man",
            "/usr/share/info",
            "/usr/share/doc-base",
            "/usr/share/menu",
        ],
        needless(
            "manual pages, info, doc-base, menu",
            "indices for readers of documentation at a terminal: no program works otherwise without",
        ),
    ),
    (
        &[
            "/usr/share/glib-2.0/schemas",
            "/usr/share/mime/packages",
            "/usr/share/applications",
            "/usr/share/icons/hicolor",
            "/usr/share/icons/gnome",
        ],
        covered(
            Finisher::DesktopCaches,
            "settings schemas, MIME types, desktop entries, icon themes",
            "the build makes these caches",
        ),
    ),
    (
        &["/usr/lib/python3/dist-packages", "/usr/lib/pypy3/dist-packages"],
        needless("/usr/lib/python3/dist-packages", "images carry no byte code of Python"),
    ),
    (
        &["/usr/lib/systemd/catalog"],
        needless(
            "/usr/lib/systemd/catalog",
            "explanations for `journalctl -x` lie in the image as texts; their index is not made",
        ),
    ),
];

/// Returns every rule, for documentation.
pub fn trigger_rules() -> Vec<&'static Rule> {
    TRIGGERS.iter().map(|(_, rule)| rule).collect()
}

/// Returns why nobody need hear of a trigger.
pub(crate) fn judge(name: &str, knowledge: &Knowledge) -> Option<&'static Rule> {
    let name = name.trim_end_matches('/');
    let found = TRIGGERS.iter().find(|(names, _)| names.contains(&name)).map(|(_, rule)| rule);
    let made =
        |rule: &&Rule| rule.finisher != Some(Finisher::DesktopCaches) || knowledge.desktop_caches;
    found.filter(made)
}

/// Judges the lines of a `triggers` file: each is a directive and a name.
///
/// A trigger that a package activates is heard by those who have an interest in it; without any in
/// the image nothing happens. So only interests are judged.
pub(crate) fn judge_file(text: &str, knowledge: &Knowledge) -> Vec<(u32, String, Verdict)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let (Some(directive), Some(name)) = (words.next(), words.next()) else { continue };
        if directive.starts_with("interest") {
            found.push((
                number,
                format!("{directive} {name}"),
                Verdict::of(judge(name, knowledge)),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_judged_and_activations_are_not() {
        let text =
            "# x\ninterest-noawait ldconfig\ninterest /usr/share/x # y\nactivate z\n\ninterest";
        let names: Vec<_> = judge_file(text, &Knowledge::default())
            .into_iter()
            .map(|(line, text, verdict)| (line, text, verdict.name()))
            .collect();
        assert_eq!(
            names,
            [
                (2, "interest-noawait ldconfig".to_owned(), "covered"),
                (3, "interest /usr/share/x".to_owned(), "unknown")
            ]
        );
    }
}
