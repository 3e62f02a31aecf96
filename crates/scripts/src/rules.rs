//! Which commands an image is complete without, and why.

use crate::action::Action;
use crate::value::{Argument, Chance};
use crate::verdict::{Finisher, Rule, Verdict};
use crate::{Knowledge, Paths, places, triggers};

/// What a verdict depends on besides the command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) knowledge: &'a Knowledge,
}

const fn covered(finisher: Finisher, commands: &'static str, reason: &'static str) -> Rule {
    Rule { commands, finisher: Some(finisher), reason }
}

const fn needless(commands: &'static str, reason: &'static str) -> Rule {
    Rule { commands, finisher: None, reason }
}

pub(crate) static IMPROBABLE: Rule = needless(
    "whatever runs only if a file is there, or is missing, against what the packages bring",
    "a first installation does not come there: earlier versions of a package, other programs or the \
     administrator would have made the file",
);
pub(crate) static DECLARED_ACCOUNT: Rule = covered(
    Finisher::Accounts,
    "`adduser`, `addgroup`, `useradd`, `groupadd`, `usermod -aG`, `gpasswd -a` in plain words",
    "the finisher reads the account from the script and makes it",
);
pub(crate) static DECLARED_ALTERNATIVE: Rule = covered(
    Finisher::Alternatives,
    "`update-alternatives --install` in plain words",
    "the finisher reads link, path, priority and slaves from the script and links the best directly",
);
pub(crate) static DECLARED_OWNER: Rule = covered(
    Finisher::Owners,
    "`chown`, `chgrp`, `chmod`, `dpkg-statoverride --update --add` of files that packages bring",
    "the finisher reads owner and mode from the script and sets them",
);
pub(crate) static DECLARED_FILE: Rule = covered(
    Finisher::EtcFiles,
    "`mkdir`, `install`, `cp`, `ucf`, `ln -s`, `touch` in /usr or /etc, and directories of /var",
    "the finisher reads what is made from the script and makes it, unless it is there",
);
pub(crate) static MADE_FOR_A_WHILE: Rule = needless(
    "files that a script of the same package removes or moves away",
    "they are marks from one script to the next",
);
static PLAIN: [(&[&str], Rule); 27] = [
    (
        &[
            ":", "[", "[[", "break", "cd", "continue", "echo", "exit", "export", "false",
            "getopts", "hash", "let", "local", "printf", "pwd", "read", "readonly", "return",
            "set", "shift", "sleep", "sync", "test", "trap", "true", "type", "typeset", "declare",
            "ulimit", "umask", "unset", "wait", "exec",
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
             judged by itself, whichever the answer",
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
static SOURCED: Rule = needless(
    "`.`, `eval`",
    "settings are read and functions defined; what the functions are called for is judged by the \
     calls, which are unknown unless the script defines them itself",
);
static SEES: Rule = needless(
    "`sed`, `dpkg`, `dpkg-divert`, `dpkg-statoverride`, `update-alternatives`, `udevadm` that ask",
    "they only read",
);
static UDEV: Rule = needless(
    "`udevadm trigger`, `settle`, `control`",
    "speaks to the running udev; every boot sees all devices anew",
);
static UDEV_HWDB: Rule =
    covered(Finisher::HardwareDatabase, "`udevadm hwdb`", "the build writes hwdb.bin");
static DIVERSION_OF_NOTHING: Rule = needless(
    "`dpkg-divert` of a path that no package of the image brings, or `--remove`",
    "there is no file to move",
);
static UNALTERNATIVE: Rule = needless(
    "`update-alternatives --remove`, `--auto`",
    "nothing is registered that could be removed, and the best is always chosen",
);
static KNOWN_ACCOUNT: Rule = covered(
    Finisher::Accounts,
    "`adduser`, `useradd` and the like of an account in the finisher's table",
    "the finisher makes the account when the package is there",
);
static ADD_SHELL: Rule = covered(
    Finisher::EtcFiles,
    "`add-shell` of a shell that the finisher knows",
    "the finisher lists it when it is there",
);
static NOTHING_TO_REMOVE: Rule = needless(
    "`rm`, `rmdir`, `unlink` of what no package of the image brings",
    "a first installation has nothing to remove, or the script made it itself for a while",
);
static NOTHING_TO_MOVE: Rule = needless(
    "`mv` of what no package of the image brings and the script did not make",
    "a first installation has nothing to move",
);
static TRIGGER: Rule = needless(
    "`dpkg-trigger` of a trigger whose interest is covered or needless",
    "the same as the trigger itself",
);

/// Returns every rule, for documentation.
pub fn rules() -> Vec<&'static Rule> {
    let mut all: Vec<&'static Rule> = PLAIN.iter().map(|(_, rule)| rule).collect();
    all.extend([
        &SEES,
        &SOURCED,
        &UDEV,
        &UDEV_HWDB,
        &DIVERSION_OF_NOTHING,
        &UNALTERNATIVE,
        &KNOWN_ACCOUNT,
        &ADD_SHELL,
        &NOTHING_TO_REMOVE,
        &NOTHING_TO_MOVE,
        &TRIGGER,
        &DECLARED_ACCOUNT,
        &DECLARED_ALTERNATIVE,
        &DECLARED_OWNER,
        &DECLARED_FILE,
        &MADE_FOR_A_WHILE,
        &IMPROBABLE,
    ]);
    all.extend(places::rules());
    all
}

/// Judges a command that declares nothing.
pub(crate) fn judge(action: &Action, context: Context<'_>) -> Verdict {
    if action.chance == Chance::Improbable {
        return Verdict::of(Some(&IMPROBABLE));
    }
    let mut rule = None;
    for file in &action.writes {
        rule = Some(match places::written(file, context) {
            Some(rule) => rule,
            None => return Verdict::Unknown,
        });
    }
    if action.words.is_empty() {
        return Verdict::of(rule);
    }
    // What a command writes to decides if it does nothing else.
    match judge_words(action, context) {
        None => Verdict::Unknown,
        Some(own) => {
            Verdict::of(Some(rule.filter(|rule| **rule != places::NOWHERE).unwrap_or(own)))
        }
    }
}

fn judge_words(action: &Action, context: Context<'_>) -> Option<&'static Rule> {
    let name = action.name()?;
    if name.starts_with("db_") {
        return plain("debconf");
    }
    if let Some(rule) = plain(name) {
        return Some(rule);
    }
    let arguments = &action.words[1..];
    let texts: Vec<&str> = arguments.iter().map(|word| word.as_known().unwrap_or("")).collect();
    let has = |options: &[&str]| texts.iter().any(|text| options.contains(text));
    match name {
        "." | "source" | "eval" => Some(&SOURCED),
        "sed" => {
            let changes = texts.iter().any(|text| text.starts_with("-i") || *text == "--in-place");
            if !changes {
                return Some(&SEES);
            }
            // A script or a file: only those that can be a path matter.
            let files = arguments.iter().filter(|word| is_path(word));
            all_places(files, context)
        }
        "dpkg" => is_query(&texts).then_some(&SEES),
        "dpkg-divert" if has(&["--list", "--listpackage", "--truename"]) => Some(&SEES),
        "dpkg-divert" => diversion(arguments, &texts, context),
        "dpkg-statoverride" if has(&["--list"]) => Some(&SEES),
        "dpkg-statoverride" if has(&["--remove"]) => Some(&NOTHING_TO_REMOVE),
        "update-alternatives" => {
            let asks = ["--query", "--display", "--list", "--get-selections"];
            let undoes = ["--remove", "--remove-all", "--auto"];
            if has(&asks) {
                return Some(&SEES);
            }
            has(&undoes).then_some(&UNALTERNATIVE)
        }
        "udevadm" => match *texts.first()? {
            "hwdb" => Some(&UDEV_HWDB),
            "trigger" | "settle" | "control" => Some(&UDEV),
            "info" | "test" => Some(&SEES),
            _ => None,
        },
        "adduser" | "useradd" => {
            let user = texts.last().filter(|user| context.knowledge.users.contains(**user));
            user.map(|_| &KNOWN_ACCOUNT)
        }
        "addgroup" | "groupadd" => {
            let group = texts.last().filter(|group| context.knowledge.groups.contains(**group));
            group.map(|_| &KNOWN_ACCOUNT)
        }
        "add-shell" => texts
            .iter()
            .all(|shell| context.knowledge.shells.contains(*shell))
            .then_some(&ADD_SHELL),
        "rm" | "rmdir" | "unlink" => removed(arguments, context),
        "mv" => moved(arguments, context),
        "ucf" if has(&["-p", "--purge"]) => plain("ucfr"),
        "dpkg-trigger" => {
            let name = texts.iter().rfind(|text| !text.starts_with('-'))?;
            triggers::judge(name).map(|_| &TRIGGER)
        }
        "mkdir" | "touch" | "tee" | "chmod" | "chown" | "chgrp" | "install" | "ln" | "cp" => {
            let skip = usize::from(matches!(name, "chmod" | "chown" | "chgrp"));
            let operands = arguments.iter().filter(|word| !word.text.starts_with('-')).skip(skip);
            match name {
                "ln" | "cp" => all_places(operands.last().into_iter(), context),
                "install" if !has(&["-d", "--directory"]) => {
                    all_places(operands.last().into_iter(), context)
                }
                _ => all_places(operands.filter(|word| is_path(word)), context),
            }
        }
        _ => None,
    }
}

fn plain(name: &str) -> Option<&'static Rule> {
    PLAIN.iter().find(|(names, _)| names.contains(&name)).map(|(_, rule)| rule)
}

/// Tells whether a word can be the name of a file; what is not known can.
fn is_path(word: &Argument) -> bool {
    word.as_known().is_none_or(|text| text.starts_with('/'))
}

fn is_query(texts: &[&str]) -> bool {
    const ASKS: [&str; 12] = [
        "--compare-versions",
        "--print-architecture",
        "--print-foreign-architectures",
        "-l",
        "--list",
        "-L",
        "--listfiles",
        "-s",
        "--status",
        "-S",
        "--search",
        "--version",
    ];
    texts.iter().any(|text| ASKS.contains(text) || text.starts_with("--assert-"))
}

/// Judges the places of files that a command makes or changes.
fn all_places<'a>(
    mut words: impl Iterator<Item = &'a Argument>,
    context: Context<'_>,
) -> Option<&'static Rule> {
    let first = places::written(words.next()?, context)?;
    words.try_fold(first, |rule, word| places::written(word, context).map(|_| rule))
}

fn removed(arguments: &[Argument], context: Context<'_>) -> Option<&'static Rule> {
    let mut files = arguments.iter().filter(|word| !word.text.starts_with('-'));
    files
        .all(|file| is_absent(file, context) || places::written(file, context).is_some())
        .then_some(&NOTHING_TO_REMOVE)
}

/// Tells whether no package of the image brings the file.
fn is_absent(file: &Argument, context: Context<'_>) -> bool {
    use crate::Value;
    match &file.value {
        Value::Temporary => true,
        Value::Known(path) if path.starts_with('/') => !context.paths.contains(path),
        Value::Prefix(path) if path.len() > 1 && path.starts_with('/') => {
            !path.contains("/..") && !context.paths.any_beginning(path)
        }
        Value::Known(_) | Value::Prefix(_) | Value::Unknown => false,
    }
}

fn moved(arguments: &[Argument], context: Context<'_>) -> Option<&'static Rule> {
    let mut files: Vec<&Argument> =
        arguments.iter().filter(|word| !word.text.starts_with('-')).collect();
    let target = files.pop()?;
    if files.iter().all(|file| is_absent(file, context) && !file.made) && !files.is_empty() {
        return Some(&NOTHING_TO_MOVE);
    }
    // A file that the script made goes where it would have gone at once.
    let own = files.iter().all(|file| is_absent(file, context));
    places::written(target, context).filter(|_| own)
}

fn diversion(
    arguments: &[Argument],
    texts: &[&str],
    context: Context<'_>,
) -> Option<&'static Rule> {
    if texts.contains(&"--remove") {
        return Some(&DIVERSION_OF_NOTHING);
    }
    let mut rest = arguments.iter();
    let mut diverted = None;
    while let Some(word) = rest.next() {
        match word.as_known() {
            Some("--package" | "--divert") => drop(rest.next()),
            Some(text) if text.starts_with("--") => {}
            _ => diverted = Some(word),
        }
    }
    is_absent(diverted?, context).then_some(&DIVERSION_OF_NOTHING)
}
