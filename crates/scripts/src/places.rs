//! Files that scripts write to, by where they are.

use crate::rules::{Context, needless};
use crate::value::{Argument, Value};
use crate::verdict::{Finisher, Rule};

pub(crate) static NOWHERE: Rule =
    needless("output to /dev/null, standard error, a temporary file", "nothing of it stays");
static RUN: Rule = needless(
    "files in /run, /tmp, /dev, /proc, /sys",
    "they do not outlive a boot on an ordinary machine either: units and tmpfiles.d make them anew",
);
static OWN: Rule = needless(
    "files in /usr/local, /home, /root, /srv, /opt, /mnt, /media",
    "they are the administrator's; an image leaves them empty",
);
static PACKAGES: Rule = needless(
    "files in /var/lib/dpkg, /var/lib/ucf, /etc/dpkg, /etc/apt, /var/lib/apt",
    "records of a package manager, which no machine has",
);
static INIT: Rule = needless(
    "files in /etc/init.d, /etc/rc?.d, /var/lib/systemd/deb-systemd-helper-enabled",
    "for other init systems, or records of which units scripts enabled",
);
static BOOT: Rule = Rule {
    commands: "files in /boot",
    finisher: Some(Finisher::Kernel),
    reason: "the build makes the boot partition itself",
};
static BACKUP: Rule = needless(
    "files that end in .dpkg-old, .dpkg-bak, .dpkg-dist, .dpkg-backup, .bak",
    "copies of what an earlier version had, or settings that no program reads",
);
static LOGINS: Rule = Rule {
    commands: "/var/log/wtmp, btmp, lastlog",
    finisher: Some(Finisher::Units),
    reason: "systemd's tmpfiles.d makes them at every boot",
};
static APPARMOR: Rule = needless(
    "/etc/apparmor.d/local",
    "empty files for additions of the administrator's, which profiles include if they exist",
);
static KNOWN: Rule = Rule {
    commands: "files that the finisher of /etc, of accounts or of certificates writes",
    finisher: Some(Finisher::EtcFiles),
    reason: "the finisher writes them whatever scripts say",
};
static OWNERS: Rule = Rule {
    commands: "files in the table of owners and modes",
    finisher: Some(Finisher::Owners),
    reason: "the finisher sets owner and mode when the file is there",
};

static TOP: Rule = needless(
    "/bin, /sbin, /lib, /lib64, …",
    "every machine has these links into /usr from its first boot on",
);
static TIMEZONE: Rule = needless(
    "/etc/timezone",
    "the time zone is where /etc/localtime leads; Debian has given the file up",
);

static PERSONAL: Rule = needless(
    "/etc/iscsi/initiatorname.iscsi, /etc/ssh/ssh_host_*",
    "they belong to one machine, which makes its own or gets them from Ignition",
);
static DOCUMENTATION: Rule = needless(
    "files in /usr/share/doc, /usr/share/man, /usr/share/info",
    "documentation: no program works otherwise without, and recipes prune most of it",
);

/// Returns the file that a temporary one beside it is for.
fn beside(file: &Argument) -> Option<Argument> {
    const ENDINGS: [&str; 5] = [".dpkg-new", ".dpkg-tmp", ".ucftmp", ".tmp", ".new"];
    let path = file.as_known()?;
    let base = ENDINGS.iter().find_map(|ending| path.strip_suffix(ending))?;
    (!base.ends_with('/')).then(|| Argument::known(base))
}

pub(crate) fn rules() -> [&'static Rule; 15] {
    [
        &PERSONAL,
        &DOCUMENTATION,
        &TOP,
        &TIMEZONE,
        &NOWHERE,
        &RUN,
        &OWN,
        &PACKAGES,
        &INIT,
        &BOOT,
        &BACKUP,
        &LOGINS,
        &APPARMOR,
        &KNOWN,
        &OWNERS,
    ]
}

/// Returns why it does not matter that a script does not write a file.
pub(crate) fn written(file: &Argument, context: Context<'_>) -> Option<&'static Rule> {
    let path = match &file.value {
        Value::Temporary => return Some(&NOWHERE),
        Value::Known(path) | Value::Prefix(path) => path.as_str(),
        Value::Unknown => return None,
    };
    if path.contains("/..") {
        return None;
    }
    let below = |dirs: &[&str]| {
        let inside = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
        let whole =
            |dir: &str| file.as_known().is_some_and(|path| path.trim_end_matches('/') == dir);
        dirs.iter().any(|dir| inside(dir) || whole(dir))
    };
    let ends = |endings: &[&str]| {
        file.as_known().is_some_and(|path| endings.iter().any(|ending| path.ends_with(ending)))
    };
    let known = |paths: &crate::Paths| file.as_known().is_some_and(|path| paths.contains(path));
    if ["/dev/null", "/dev/stderr", "/dev/stdout", "/dev/tty", "/dev/console"].contains(&path) {
        return Some(&NOWHERE);
    }
    if known(&context.knowledge.files) {
        return Some(&KNOWN);
    }
    if known(&context.knowledge.owners) {
        return Some(&OWNERS);
    }
    if below(&["/run", "/var/run", "/var/lock", "/tmp", "/var/tmp", "/dev", "/proc", "/sys"]) {
        return Some(&RUN);
    }
    if below(&["/usr/local", "/home", "/root", "/srv", "/opt", "/mnt", "/media", "/var/opt"]) {
        return Some(&OWN);
    }
    if below(&["/var/lib/dpkg", "/var/lib/ucf", "/etc/dpkg", "/etc/apt", "/var/lib/apt"]) {
        return Some(&PACKAGES);
    }
    let init =
        ["/etc/init.d", "/etc/rc0.d", "/etc/rc1.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d"];
    let rest = ["/etc/rc5.d", "/etc/rc6.d", "/etc/rcS.d", "/var/lib/systemd"];
    if below(&init) || below(&rest) {
        return Some(&INIT);
    }
    if below(&["/boot"]) {
        return Some(&BOOT);
    }
    if ends(&[".dpkg-old", ".dpkg-bak", ".dpkg-dist", ".dpkg-backup", ".bak", ".dpkg-remove"]) {
        return Some(&BACKUP);
    }
    if ["/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog"].contains(&path) {
        return Some(&LOGINS);
    }
    if ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libo32"].contains(&path) {
        return Some(&TOP);
    }
    if path == "/etc/iscsi/initiatorname.iscsi" || path.starts_with("/etc/ssh/ssh_host_") {
        return Some(&PERSONAL);
    }
    if below(&["/usr/share/doc", "/usr/share/man", "/usr/share/info"]) {
        return Some(&DOCUMENTATION);
    }
    if path == "/etc/timezone" {
        return Some(&TIMEZONE);
    }
    if let Some(base) = beside(file) {
        return written(&base, context);
    }
    below(&["/etc/apparmor.d/local"]).then_some(&APPARMOR)
}
