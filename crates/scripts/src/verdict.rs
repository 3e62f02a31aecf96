use std::fmt;

/// A finisher of the build, or another part of it, that does what a command would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finisher {
    /// Users, groups and their members.
    Accounts,
    /// Commands that several packages provide.
    Alternatives,
    /// The bundle of trusted certificates.
    Certificates,
    /// Caches of desktops: settings schemas, MIME types, icon themes.
    DesktopCaches,
    /// Files and links of /etc.
    EtcFiles,
    /// The hardware database.
    HardwareDatabase,
    /// The kernel image and its initrd.
    Kernel,
    /// The cache of shared libraries.
    LibraryCache,
    /// Indices of kernel modules.
    ModuleIndices,
    /// Owners and modes of files.
    Owners,
    /// PAM stacks.
    Pam,
    /// Units that start, and what the booting machine makes.
    Units,
}

impl Finisher {
    /// Returns its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Alternatives => "alternatives",
            Self::Certificates => "certificates",
            Self::DesktopCaches => "desktop caches",
            Self::EtcFiles => "files of /etc",
            Self::HardwareDatabase => "hardware database",
            Self::Kernel => "kernel and initrd",
            Self::LibraryCache => "library cache",
            Self::ModuleIndices => "module indices",
            Self::Owners => "owners and modes",
            Self::Pam => "PAM stacks",
            Self::Units => "units",
        }
    }
}

impl fmt::Display for Finisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a command need not run.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The commands it is about, for people.
    pub commands: &'static str,
    /// Who does the work in their stead; `None` if there is none to do.
    pub finisher: Option<Finisher>,
    /// Why that is so.
    pub reason: &'static str,
}

/// What becomes of a command that is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A finisher does the same.
    Covered(Finisher, &'static Rule),
    /// Nothing is lost.
    Needless(&'static Rule),
    /// That is not known.
    Unknown,
}

impl Verdict {
    pub(crate) fn of(rule: Option<&'static Rule>) -> Self {
        match rule {
            None => Self::Unknown,
            Some(rule) => match rule.finisher {
                Some(finisher) => Self::Covered(finisher, rule),
                None => Self::Needless(rule),
            },
        }
    }

    /// Returns `covered`, `needless` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Covered(..) => "covered",
            Self::Needless(_) => "needless",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the rule that it follows.
    pub const fn rule(self) -> Option<&'static Rule> {
        match self {
            Self::Covered(_, rule) | Self::Needless(rule) => Some(rule),
            Self::Unknown => None,
        }
    }
}
