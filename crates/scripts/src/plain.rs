//! Commands that their names alone decide on.

use crate::rules::{covered, needless};
use crate::verdict::{Finisher, Rule};

static PLAIN: [(&[&str], Rule); 27] = [
    (
        &[
            ":", "[", "[[", "break", "cd", "continue", "echo", "exit", "export", "false",
            "getopts", "hash", "let", "local", "printf", "pwd", "read", "readonly", "return",
            "set", "shift", "sleep", "sync", "test", "trap", "true", "type", "typeset", "declare",
            "ulimit", "umask", "unset", "alias", "wait", "exec",
        ],
        needless(
            "`:`, `[`, `cd`, `echo`, `exit`, `export`, `read`, `set`, `trap`, … of the shell",
            "they change nothing but the script's own course; what `echo` writes to a file is \
             judged by the file",
        ),
    ),
    (
        &[
            "awk",
            "basename",
            "cat",
            "cksum",
            "cmp",
            "column",
            "comm",
            "command",
            "cut",
            "date",
            "df",
            "diff",
            "dirname",
            "dpkg-architecture",
            "dpkg-query",
            "dpkg-realpath",
            "egrep",
            "expr",
            "fgrep",
            "find",
            "fold",
            "gawk",
            "getcap",
            "getent",
            "grep",
            "head",
            "hostname",
            "id",
            "ischroot",
            "join",
            "ls",
            "lsb_release",
            "lsof",
            "mawk",
            "md5sum",
            "mktemp",
            "mountpoint",
            "netstat",
            "nl",
            "nproc",
            "od",
            "paste",
            "pgrep",
            "pidof",
            "ps",
            "readlink",
            "realpath",
            "rev",
            "seq",
            "sha1sum",
            "sha256sum",
            "shuf",
            "sort",
            "stat",
            "systemd-detect-virt",
            "tac",
            "tail",
            "tempfile",
            "tr",
            "tty",
            "ucfq",
            "uname",
            "uniq",
            "uuidgen",
            "kpsewhich",
            "iscsi-iname",
            "wc",
            "which",
            "whoami",
            "xargs",
        ],
        needless(
            "`awk`, `cat`, `cut`, `dpkg-query`, `find`, `getent`, `grep`, `ls`, `mktemp`, `stat`, …",
            "they only read; files they write to by a redirection, and commands that `find` and \
             `xargs` run, are judged by themselves",
        ),
    ),
    (
        &["debconf", "debconf-set-selections", "debconf-communicate", "debconf-show"],
        needless(
            "`db_get` and all other calls of debconf",
            "questions and answers are debconf's own records; what a script does with an answer is \
             judged by itself, with the default answer where nothing changes it",
        ),
    ),
    (
        &["dpkg-maintscript-helper"],
        needless(
            "`dpkg-maintscript-helper`",
            "moves files of earlier versions of a package, which an image never had",
        ),
    ),
    (
        &["logger", "notify-send", "wall"],
        needless("`logger`", "speaks to the people of a running machine"),
    ),
    (
        &["deluser", "delgroup", "userdel", "groupdel", "remove-shell"],
        needless(
            "`deluser`, `delgroup`, `userdel`, `groupdel`, `remove-shell`",
            "a first installation has nothing to remove",
        ),
    ),
    (
        &[
            "deb-systemd-helper",
            "deb-systemd-invoke",
            "systemctl",
            "invoke-rc.d",
            "update-rc.d",
            "service",
            "start-stop-daemon",
            "runit-helper",
            "initctl",
            "update-inetd",
            "insserv",
        ],
        covered(
            Finisher::Units,
            "`deb-systemd-helper`, `systemctl`, `invoke-rc.d`, `update-rc.d`, `service`, …",
            "which units start is said by presets and the recipe; nothing runs while an image is made",
        ),
    ),
    (
        &["ldconfig"],
        covered(Finisher::LibraryCache, "`ldconfig`", "the build writes ld.so.cache and its links"),
    ),
    (
        &["depmod"],
        covered(Finisher::ModuleIndices, "`depmod`", "the build writes the indices of modules"),
    ),
    (
        &[
            "systemd-sysusers",
            "update-passwd",
            "shadowconfig",
            "pwconv",
            "grpconv",
            "pwck",
            "grpck",
        ],
        covered(
            Finisher::Accounts,
            "`systemd-sysusers`, `update-passwd`, `shadowconfig`, `pwconv`, `grpconv`",
            "the finisher makes passwd, group, shadow and gshadow from base-passwd and sysusers.d",
        ),
    ),
    (
        &["systemd-tmpfiles"],
        covered(
            Finisher::Units,
            "`systemd-tmpfiles`",
            "every boot does it for all packages (systemd-tmpfiles-setup.service)",
        ),
    ),
    (
        &["systemd-hwdb"],
        covered(Finisher::HardwareDatabase, "`systemd-hwdb`", "the build writes hwdb.bin"),
    ),
    (
        &["systemd-machine-id-setup"],
        covered(
            Finisher::EtcFiles,
            "`systemd-machine-id-setup`",
            "each machine makes its id at its first boot",
        ),
    ),
    (
        &["update-ca-certificates"],
        covered(
            Finisher::Certificates,
            "`update-ca-certificates`",
            "the finisher makes the bundle",
        ),
    ),
    (
        &["pam-auth-update"],
        covered(Finisher::Pam, "`pam-auth-update`", "the finisher makes the stacks of pam-configs"),
    ),
    (
        &["update-shells"],
        covered(Finisher::EtcFiles, "`update-shells`", "the finisher lists the shells of shells.d"),
    ),
    (
        &[
            "update-initramfs",
            "update-grub",
            "grub-install",
            "grub-probe",
            "grub-mkdevicemap",
            "linux-update-symlinks",
            "linux-check-removal",
            "linux-version",
            "bootctl",
            "kernel-install",
            "update-bootloader",
            "dracut",
        ],
        covered(
            Finisher::Kernel,
            "`update-initramfs`, `update-grub`, `grub-install`, `bootctl`, `linux-update-symlinks`, …",
            "the build makes initrd, kernel image and boot partition itself",
        ),
    ),
    (
        &["py3compile", "py3clean", "pycompile", "pyclean", "pypy3compile", "pypy3clean"],
        needless(
            "`py3compile`, `py3clean`, `pypy3compile`, …",
            "images carry no byte code of Python: it doubles its size and is made from its source",
        ),
    ),
    (
        &["ucfr"],
        needless("`ucfr`, `ucf --purge`", "ucf's own records, for upgrades that never happen"),
    ),
    (
        &["mandb", "install-info", "update-info-dir", "install-docs", "update-menus"],
        needless(
            "`mandb`, `install-info`, `update-info-dir`, `install-docs`, `update-menus`",
            "indices for readers of documentation at a terminal: no program works otherwise without",
        ),
    ),
    (
        &["kill", "killall", "pkill", "fuser", "pulseaudio", "dbus-send", "gdbus"],
        needless(
            "`kill`, `killall`, `pkill`, `dbus-send`",
            "speak to programs that run; none does while an image is made",
        ),
    ),
    (
        &["modprobe", "rmmod", "insmod", "sysctl", "setupcon", "mount", "umount", "swapon"],
        needless(
            "`modprobe`, `sysctl`, `setupcon`, `mount`, …",
            "change the machine that runs; a machine with the image does it at its boot, by the \
             settings in the image",
        ),
    ),
    (
        &["apparmor_parser", "aa-enabled", "aa-status"],
        needless(
            "`apparmor_parser`",
            "loads a profile into the running kernel; a machine loads all profiles at its boot",
        ),
    ),
    (
        &["restorecon", "selinuxenabled", "chcon", "semodule", "setsebool"],
        needless("`restorecon`, `selinuxenabled`", "labels of SELinux, which images do not use"),
    ),
    (
        &["journalctl"],
        needless(
            "`journalctl --update-catalog`",
            "explanations for `journalctl -x` lie in the image as texts; their index is not made",
        ),
    ),
    (
        &["dpkg-preconfigure", "dpkg-reconfigure", "apt-get", "apt", "apt-mark"],
        needless("`apt-get`, `dpkg-reconfigure`", "there is no package manager on the machine"),
    ),
    (
        &["ssh-keygen"],
        needless(
            "`ssh-keygen`",
            "host keys belong to one machine, which makes its own at its first boot",
        ),
    ),
];
/// Returns the rule for a command, if its name alone decides.
pub(crate) fn plain(name: &str) -> Option<&'static Rule> {
    PLAIN.iter().find(|(names, _)| names.contains(&name)).map(|(_, rule)| rule)
}

pub(crate) fn plain_rules() -> impl Iterator<Item = &'static Rule> {
    PLAIN.iter().map(|(_, rule)| rule)
}
