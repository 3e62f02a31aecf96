use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;

/// How the machine's /etc differs from the image's defaults; paths in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EtcDiff {
    /// What only the machine has.
    pub added: Vec<EtcEntry>,
    /// What the machine has otherwise.
    pub changed: Vec<EtcChange>,
    /// What the machine has removed; a folder stands for all below it.
    pub removed: Vec<EtcEntry>,
    /// What lies in the machine's layer and is as the default: it would follow updates if it did not lie there.
    pub same: Vec<EtcEntry>,
}

/// A path of /etc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EtcEntry {
    /// The absolute path; bytes that are no UTF-8 as `\xNN`.
    pub path: String,
    /// What is there.
    #[serde(flatten)]
    pub kind: EtcKind,
}

/// A path that the machine has otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EtcChange {
    /// The absolute path; bytes that are no UTF-8 as `\xNN`.
    pub path: String,
    /// What differs; at least one aspect.
    pub differs: Vec<Aspect>,
    /// What the image brings.
    pub default: EtcKind,
    /// What the machine has.
    pub machine: EtcKind,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EtcKind {
    /// `file`, `directory`, `link` or `other`.
    pub kind: &'static str,
    /// Permissions, in octal.
    pub mode: String,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
}

/// A property in which a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// File, directory, link.
    Kind,
    /// The bytes of a file, or the number of a device.
    Content,
    /// Where a link points to.
    Target,
    /// The permissions.
    Mode,
    /// User or group.
    Owner,
}

impl EtcKind {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let kind = metadata.file_type();
        let kind = if kind.is_file() {
            "file"
        } else if kind.is_dir() {
            "directory"
        } else if kind.is_symlink() {
            "link"
        } else {
            "other"
        };
        let mode = format!("{:04o}", metadata.mode() & 0o7777);
        Self { kind, mode, uid: metadata.uid(), gid: metadata.gid() }
    }
}

impl EtcDiff {
    /// Tells whether the machine has nothing of its own.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Puts all paths into order.
    pub(crate) fn sort(&mut self) {
        for list in [&mut self.added, &mut self.removed, &mut self.same] {
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
        self.changed.sort_by(|a, b| a.path.cmp(&b.path));
    }
}
