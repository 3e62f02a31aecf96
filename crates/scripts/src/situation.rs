use std::collections::BTreeMap;
use std::fmt;

use crate::Paths;
use crate::made::Made;
use crate::state::State;
use crate::value::{Truth, Value};

/// A program that a first installation runs.
///
/// `prerm` and `postrm` are not among them: nothing is ever upgraded or removed in an image, which is
/// built anew from packages and replaced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptKind {
    /// `preinst`, before the package's files are there.
    Preinst,
    /// `postinst`, when they are.
    Postinst,
}

impl ScriptKind {
    /// Both, in the order in which they run.
    pub const ALL: [Self; 2] = [Self::Preinst, Self::Postinst];

    /// Returns the name of the control file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
        }
    }
}

impl fmt::Display for ScriptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How dpkg calls a script when a package is installed for the first time (Policy 6.5), and where.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The package.
    pub package: &'a str,
    /// The script.
    pub script: ScriptKind,
    /// What the packages of the image bring.
    pub paths: &'a Paths,
    /// Answers to debconf's questions.
    pub answers: &'a BTreeMap<String, String>,
}

/// What every system has on which scripts run, be it in the image or not: the shell's and dpkg's
/// tools, and what scripts depend on.
const TOOLS: [&str; 38] = [
    "add-shell",
    "addgroup",
    "adduser",
    "awk",
    "cat",
    "chown",
    "cp",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "debconf",
    "deluser",
    "dpkg",
    "dpkg-divert",
    "dpkg-maintscript-helper",
    "dpkg-query",
    "dpkg-statoverride",
    "dpkg-trigger",
    "getent",
    "grep",
    "groupadd",
    "invoke-rc.d",
    "ischroot",
    "ldconfig",
    "mktemp",
    "mv",
    "perl",
    "py3compile",
    "py3clean",
    "remove-shell",
    "rm",
    "sed",
    "service",
    "ucf",
    "ucfr",
    "update-alternatives",
    "update-rc.d",
    "useradd",
    "usermod",
];

/// Files that every system has before any package's script runs.
const FILES: [&str; 4] =
    ["/etc/group", "/etc/passwd", "/usr/share/debconf/confmodule", "/dev/null"];

/// Where what is there is a matter of the running machine.
const MACHINE: [&str; 3] = ["/proc", "/sys", "/dev"];

impl Situation<'_> {
    /// Returns what is known at the start: `postinst configure ''` or `preinst install`, and the
    /// variables that dpkg sets.
    pub(crate) fn state(&self) -> State {
        let known = |text: &str| Value::Known(text.to_owned());
        let arguments = match self.script {
            ScriptKind::Preinst => vec![known("install")],
            ScriptKind::Postinst => vec![known("configure"), known("")],
        };
        let variables = [
            ("DPKG_ROOT", ""),
            ("DPKG_MAINTSCRIPT_PACKAGE", self.package),
            ("DPKG_MAINTSCRIPT_NAME", self.script.name()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), known(value)));
        State::new(arguments, BTreeMap::from(variables))
    }

    /// Tells whether a path exists when the script runs.
    pub(crate) fn exists(&self, path: &Value, made: &Made) -> Truth {
        let Some(text) = path.beginning().filter(|text| text.starts_with('/')) else {
            return Truth::Unknown;
        };
        // Only a machine that runs has this (sd_booted(3)).
        if text == "/run/systemd/system" || text.starts_with("/run/systemd/system/") {
            return Truth::False;
        }
        let on_machine = |dir: &str| text.strip_prefix(dir).is_some_and(|t| t.starts_with('/'));
        if text.contains("/..") || MACHINE.into_iter().any(on_machine) {
            return Truth::Unknown;
        }
        if made.holds(path) || self.paths.is_empty() {
            return Truth::Unknown;
        }
        let shipped = match path {
            Value::Known(_) => self.paths.contains(text),
            _ => self.paths.any_beginning(text),
        };
        let known = path.known().is_some();
        let name = text.rsplit('/').next().unwrap_or_default();
        let tool = text.contains("bin/") && TOOLS.contains(&name);
        if known && (FILES.contains(&text) || tool) {
            return Truth::True;
        }
        match (shipped, self.script) {
            (true, ScriptKind::Postinst) if known => Truth::True,
            // Of the package's own files none is there before they are unpacked.
            (true, _) => Truth::Unknown,
            (false, _) if made.holds_others() => Truth::Missing,
            (false, _) => Truth::Doubted,
        }
    }

    /// Tells whether a program can be called by its name.
    pub(crate) fn has_program(&self, name: &str, made: &Made) -> Truth {
        if name.contains('/') {
            return self.exists(&Value::Known(name.to_owned()), made);
        }
        if TOOLS.contains(&name) {
            return Truth::True;
        }
        let places = ["/usr/bin", "/usr/sbin"].map(|dir| Value::Known(format!("{dir}/{name}")));
        places.iter().map(|path| self.exists(path, made)).max().unwrap_or(Truth::Unknown)
    }
}
