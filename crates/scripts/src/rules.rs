//! Which commands an image is complete without, and why.

use crate::action::Action;
use crate::plain::{plain, plain_rules};
use crate::value::{Argument, Chance};
use crate::verdict::{Finisher, Rule, Verdict};
use crate::{Knowledge, Paths, places, triggers};

/// What a verdict depends on besides the command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) knowledge: &'a Knowledge,
}

pub(crate) const fn covered(
    finisher: Finisher,
    commands: &'static str,
    reason: &'static str,
) -> Rule {
    Rule { commands, finisher: Some(finisher), reason }
}

pub(crate) const fn needless(commands: &'static str, reason: &'static str) -> Rule {
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
static HOOKS: Rule = covered(
    Finisher::Kernel,
    "`linux-run-hooks`, without dkms in the image",
    "hooks of /etc/kernel make an initrd and tell boot loaders, which the build does",
);
static HOOKS_OF_PYTHON: Rule = needless(
    "hooks in /usr/share/python3/runtime.d",
    "they make byte code, which images do not carry",
);
static CAPABILITIES: Rule =
    needless("`setcap -r`", "files of packages have no capabilities that could be removed");
static SHIPPED: Rule = needless(
    "`ucf` of a file that the package brings in the same place",
    "the file is there already; ucf asks only when it differs from a former version",
);
static EXISTS: Rule =
    needless("`mkdir` of a directory that a package brings", "it is there already");
static NO_PROGRAM: Rule = needless("`perl -e ''`", "asks whether perl runs, and does nothing");
static MACHINE_ID: Rule = needless(
    "`dbus-uuidgen --ensure`",
    "each machine makes its id at its first boot, and D-Bus reads that of systemd",
);
static MERGED_USR: Rule = needless(
    "`dpkg-divert --no-rename` to a name that ends in .usr-is-merged",
    "keeps dpkg from losing files that moved from / to /usr; the merge of an image has both as one",
);
static COMMENTS: Rule = needless(
    "`cat` of a here-document in which every line is a comment",
    "programs read such a file as they read none",
);
static DESKTOP_CACHES: Rule = covered(
    Finisher::DesktopCaches,
    "`glib-compile-schemas`, `update-mime-database`, `update-desktop-database`, `update-icon-caches`, `gtk-update-icon-cache`",
    "the build makes these caches",
);
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
    let mut all: Vec<&'static Rule> = plain_rules().collect();
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
    if action.name() == Some("cat") && action.words.len() == 1 && says_nothing(action) {
        return Verdict::of(Some(&COMMENTS));
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

/// Tells whether a command's input is known to be comments alone.
fn says_nothing(action: &Action) -> bool {
    let text = action.input.as_ref().and_then(crate::Value::known);
    text.is_some_and(|text| text.lines().all(|line| line.is_empty() || line.starts_with('#')))
}

/// Tells whether a script of the same package takes away what a command makes.
pub(crate) fn is_taken_away(action: &Action, removed: Option<&Paths>) -> bool {
    let makes = matches!(action.name(), Some("touch" | "mkdir" | "cp" | "ln" | "install"));
    let target = action.words.last().filter(|_| makes && action.writes.is_empty());
    let target = target.and_then(Argument::as_known);
    removed.zip(target).is_some_and(|(removed, path)| removed.contains(path))
}

fn judge_words(action: &Action, context: Context<'_>) -> Option<&'static Rule> {
    let first = action.words.first()?;
    if first.value.beginning().is_some_and(|path| path.starts_with("/usr/share/python3/runtime.d/"))
    {
        return Some(&HOOKS_OF_PYTHON);
    }
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
        "linux-run-hooks" => {
            let dkms = context.paths.contains("/etc/kernel/postinst.d/dkms");
            (!dkms).then_some(&HOOKS)
        }
        "perl" if texts == ["-e", ""] => Some(&NO_PROGRAM),
        "dbus-uuidgen" if texts == ["--ensure"] => Some(&MACHINE_ID),
        "glib-compile-schemas"
        | "update-mime-database"
        | "update-desktop-database"
        | "update-icon-caches"
        | "gtk-update-icon-cache" => context.knowledge.desktop_caches.then_some(&DESKTOP_CACHES),
        "mkdir" if brings_all(arguments, context) => Some(&EXISTS),
        "setcap" if has(&["-r"]) => Some(&CAPABILITIES),
        "sshd" if has(&["-G", "-T"]) => Some(&SEES),
        "ucf" if !has(&["-p", "--purge"]) && ships_both(&texts, context) => Some(&SHIPPED),
        "ucf" if !has(&["-p", "--purge"]) => all_places(arguments.last().into_iter(), context),
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
            triggers::judge(name, context.knowledge).map(|_| &TRIGGER)
        }
        "mkdir" | "touch" | "tee" | "chmod" | "chown" | "chgrp" | "install" | "ln" | "cp" => {
            let skip = usize::from(matches!(name, "chmod" | "chown" | "chgrp"));
            let operands = operands(name, arguments).into_iter().skip(skip);
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

/// Returns the arguments that are no options and no options' values.
fn operands<'a>(name: &str, arguments: &'a [Argument]) -> Vec<&'a Argument> {
    const VALUES: [&str; 6] = ["-m", "-o", "-g", "--mode", "--owner", "--group"];
    let takes = matches!(name, "mkdir" | "install");
    let mut found = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if takes && VALUES.contains(&word.text.as_str()) {
            rest.next();
        } else if !word.text.starts_with('-') {
            found.push(word);
        }
    }
    found
}

/// Tells whether packages bring a file and what it is copied to.
fn ships_both(texts: &[&str], context: Context<'_>) -> bool {
    match texts {
        [.., from, to] => context.paths.contains(from) && context.paths.contains(to),
        _ => false,
    }
}

/// Tells whether packages bring every directory that `mkdir` names.
fn brings_all(arguments: &[Argument], context: Context<'_>) -> bool {
    let found = operands("mkdir", arguments);
    let brings = |word: &&Argument| {
        word.as_known().is_some_and(|path| path.starts_with('/') && context.paths.contains(path))
    };
    !found.is_empty() && found.iter().all(brings)
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
    let merged = |text: &&str| text.ends_with(".usr-is-merged");
    if texts.contains(&"--no-rename") && texts.iter().any(merged) {
        return Some(&MERGED_USR);
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
