//! The keys of a configuration: what each takes, and the version it came with.
//!
//! Versions are those of Ignition's specification by their minor number: each version of Butane
//! that is read stands for one. The name of a key in JSON follows from its name in YAML.

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Integer,
    /// Permissions of a file or directory.
    Mode,
    Flag,
    Object(&'static Shape),
    List(&'static Kind),
    /// What images with Flagstone cannot have, and why.
    Refused(&'static str),
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stands in the JSON, too.
    Written,
    /// Others are made of it.
    Sugar,
}

/// One key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) since: u8,
    pub(crate) kind: Kind,
    pub(crate) fate: Fate,
}

/// What is made of the sugar of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sugar {
    None,
    Resource,
    User,
    /// A unit or a drop-in.
    Unit,
    Filesystem,
    Tree,
}

/// What a mapping may have.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where such a mapping stands, as messages name it.
    pub(crate) place: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) sugar: Sugar,
}

impl Kind {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer | Self::Mode => "a whole number",
            Self::Flag => "true or false",
            Self::Object(_) => "a mapping",
            Self::List(_) => "a list",
            Self::Refused(_) => "nothing",
        }
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, since: 0, kind, fate: Fate::Written }
}

const fn since(since: u8, name: &'static str, kind: Kind) -> Key {
    Key { name, since, kind, fate: Fate::Written }
}

const fn sugar(since: u8, name: &'static str, kind: Kind) -> Key {
    Key { name, since, kind, fate: Fate::Sugar }
}

const fn shape(place: &'static str, keys: &'static [Key]) -> Shape {
    Shape { place, keys, sugar: Sugar::None }
}

use Kind::{Flag, Integer, List, Mode, Object, Refused, Text};

const TEXTS: Kind = List(&Text);

/// The whole configuration.
pub(crate) static CONFIG: Shape = shape(
    "at the top level",
    &[
        sugar(0, "variant", Text),
        sugar(0, "version", Text),
        key("ignition", Object(&IGNITION)),
        since(3, "kernel_arguments", Object(&KERNEL_ARGUMENTS)),
        key("passwd", Object(&PASSWD)),
        key("storage", Object(&STORAGE)),
        key("systemd", Object(&SYSTEMD)),
        sugar(
            0,
            "boot_device",
            Refused("it describes the disk of Fedora CoreOS; images have their own layout"),
        ),
        sugar(0, "grub", Refused("images have no GRUB: they boot unified kernel images")),
    ],
);

static IGNITION: Shape = shape(
    "in `ignition`",
    &[
        key("config", Object(&IGNITION_CONFIG)),
        since(1, "proxy", Object(&PROXY)),
        key("security", Object(&SECURITY)),
        key("timeouts", Object(&TIMEOUTS)),
    ],
);

static IGNITION_CONFIG: Shape = shape(
    "in `ignition.config`",
    &[key("merge", List(&Object(&REFERENCE))), key("replace", Object(&REFERENCE))],
);

static PROXY: Shape = shape(
    "in `ignition.proxy`",
    &[key("http_proxy", Text), key("https_proxy", Text), key("no_proxy", TEXTS)],
);

static SECURITY: Shape = shape("in `ignition.security`", &[key("tls", Object(&TLS))]);

static TLS: Shape = shape(
    "in `ignition.security.tls`",
    &[key("certificate_authorities", List(&Object(&REFERENCE)))],
);

static TIMEOUTS: Shape = shape(
    "in `ignition.timeouts`",
    &[key("http_response_headers", Integer), key("http_total", Integer)],
);

static KERNEL_ARGUMENTS: Shape =
    shape("in `kernel_arguments`", &[key("should_exist", TEXTS), key("should_not_exist", TEXTS)]);

static PASSWD: Shape = shape(
    "in `passwd`",
    &[key("groups", List(&Object(&GROUP))), key("users", List(&Object(&USER)))],
);

static GROUP: Shape = shape(
    "in a group",
    &[
        key("gid", Integer),
        key("name", Text),
        key("password_hash", Text),
        since(2, "should_exist", Flag),
        key("system", Flag),
    ],
);

static USER: Shape = Shape {
    place: "in a user",
    keys: &[
        key("gecos", Text),
        key("groups", TEXTS),
        key("home_dir", Text),
        key("name", Text),
        key("no_create_home", Flag),
        key("no_log_init", Flag),
        key("no_user_group", Flag),
        key("password_hash", Text),
        key("primary_group", Text),
        key("ssh_authorized_keys", TEXTS),
        sugar(4, "ssh_authorized_keys_local", TEXTS),
        key("shell", Text),
        since(2, "should_exist", Flag),
        key("system", Flag),
        key("uid", Integer),
    ],
    sugar: Sugar::User,
};

static STORAGE: Shape = shape(
    "in `storage`",
    &[
        key("directories", List(&Object(&DIRECTORY))),
        key("disks", List(&Object(&DISK))),
        key("files", List(&Object(&FILE))),
        key("filesystems", List(&Object(&FILESYSTEM))),
        key("links", List(&Object(&LINK))),
        since(2, "luks", List(&Object(&LUKS))),
        key("raid", List(&Object(&RAID))),
        sugar(1, "trees", List(&Object(&TREE))),
    ],
);

static DIRECTORY: Shape = shape(
    "in a directory",
    &[
        key("group", Object(&OWNER)),
        key("mode", Mode),
        key("overwrite", Flag),
        key("path", Text),
        key("user", Object(&OWNER)),
    ],
);

static FILE: Shape = shape(
    "in a file",
    &[
        key("append", List(&Object(&RESOURCE))),
        key("contents", Object(&RESOURCE)),
        key("group", Object(&OWNER)),
        key("mode", Mode),
        key("overwrite", Flag),
        key("path", Text),
        key("user", Object(&OWNER)),
    ],
);

static LINK: Shape = shape(
    "in a link",
    &[
        key("group", Object(&OWNER)),
        key("hard", Flag),
        key("overwrite", Flag),
        key("path", Text),
        key("target", Text),
        key("user", Object(&OWNER)),
    ],
);

static OWNER: Shape = shape("in an owner", &[key("id", Integer), key("name", Text)]);

static TREE: Shape = Shape {
    place: "in a tree",
    keys: &[
        sugar(6, "dir_mode", Mode),
        sugar(6, "file_mode", Mode),
        sugar(6, "group", Object(&OWNER)),
        sugar(1, "local", Text),
        sugar(1, "path", Text),
        sugar(6, "user", Object(&OWNER)),
    ],
    sugar: Sugar::Tree,
};

/// Contents of a file, or of a key.
static RESOURCE: Shape = Shape {
    place: "in a source",
    keys: &[
        key("compression", Text),
        since(1, "http_headers", HEADERS),
        sugar(0, "inline", Text),
        sugar(1, "local", Text),
        key("source", Text),
        key("verification", Object(&VERIFICATION)),
    ],
    sugar: Sugar::Resource,
};

/// Another configuration, or certificates.
static REFERENCE: Shape = Shape {
    place: "in a source",
    keys: &[
        since(1, "compression", Text),
        since(1, "http_headers", HEADERS),
        sugar(1, "inline", Text),
        sugar(1, "local", Text),
        key("source", Text),
        key("verification", Object(&VERIFICATION)),
    ],
    sugar: Sugar::Resource,
};

const HEADERS: Kind = List(&Object(&HEADER));

static HEADER: Shape = shape("in a header", &[key("name", Text), key("value", Text)]);

static VERIFICATION: Shape = shape("in `verification`", &[key("hash", Text)]);

static DISK: Shape = shape(
    "in a disk",
    &[key("device", Text), key("partitions", List(&Object(&PARTITION))), key("wipe_table", Flag)],
);

static PARTITION: Shape = shape(
    "in a partition",
    &[
        key("guid", Text),
        key("label", Text),
        key("number", Integer),
        since(2, "resize", Flag),
        key("should_exist", Flag),
        key("size_mib", Integer),
        key("start_mib", Integer),
        key("type_guid", Text),
        key("wipe_partition_entry", Flag),
    ],
);

static FILESYSTEM: Shape = Shape {
    place: "in a file system",
    keys: &[
        key("device", Text),
        key("format", Text),
        key("label", Text),
        since(1, "mount_options", TEXTS),
        key("options", TEXTS),
        key("path", Text),
        key("uuid", Text),
        key("wipe_filesystem", Flag),
        sugar(1, "with_mount_unit", Flag),
    ],
    sugar: Sugar::Filesystem,
};

static RAID: Shape = shape(
    "in a RAID array",
    &[
        key("devices", TEXTS),
        key("level", Text),
        key("name", Text),
        key("options", TEXTS),
        key("spares", Integer),
    ],
);

static LUKS: Shape = shape(
    "in a LUKS device",
    &[
        since(5, "cex", Object(&CEX)),
        key("clevis", Object(&CLEVIS)),
        key("device", Text),
        since(4, "discard", Flag),
        key("key_file", Object(&RESOURCE)),
        key("label", Text),
        key("name", Text),
        since(4, "open_options", TEXTS),
        key("options", TEXTS),
        key("uuid", Text),
        key("wipe_volume", Flag),
    ],
);

static CEX: Shape = shape("in `cex`", &[key("enabled", Flag)]);

static CLEVIS: Shape = shape(
    "in `clevis`",
    &[
        key("custom", Object(&CLEVIS_CUSTOM)),
        key("tang", List(&Object(&TANG))),
        key("threshold", Integer),
        key("tpm2", Flag),
    ],
);

static CLEVIS_CUSTOM: Shape = shape(
    "in `clevis.custom`",
    &[key("config", Text), key("needs_network", Flag), key("pin", Text)],
);

static TANG: Shape = shape(
    "in a Tang server",
    &[since(4, "advertisement", Text), key("thumbprint", Text), key("url", Text)],
);

static SYSTEMD: Shape = shape("in `systemd`", &[key("units", List(&Object(&UNIT)))]);

static UNIT: Shape = Shape {
    place: "in a unit",
    keys: &[
        key("contents", Text),
        sugar(4, "contents_local", Text),
        key("dropins", List(&Object(&DROPIN))),
        key("enabled", Flag),
        key("mask", Flag),
        key("name", Text),
    ],
    sugar: Sugar::Unit,
};

static DROPIN: Shape = Shape {
    place: "in a drop-in",
    keys: &[key("contents", Text), sugar(4, "contents_local", Text), key("name", Text)],
    sugar: Sugar::Unit,
};
