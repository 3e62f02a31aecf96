//! The keys of a configuration: what each takes, and the version of the specification it came with.

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Integer,
    Flag,
    Object(&'static Shape),
    List(&'static Kind, Unique),
}

/// What tells the items of a list apart; two that are alike are refused.
#[derive(Debug)]
pub(crate) enum Unique {
    /// Nothing does, or the rule is about more than one list.
    No,
    /// The item itself.
    Item,
    /// The text of a key in it.
    Key(&'static str),
}

/// One key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The minor version of the specification.
    pub(crate) since: u8,
    pub(crate) kind: Kind,
}

/// What an object may have.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where such an object stands, as messages name it.
    pub(crate) place: &'static str,
    pub(crate) keys: &'static [Key],
}

impl Kind {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Flag => "true or false",
            Self::Object(_) => "an object",
            Self::List(..) => "a list",
        }
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, since: 0, kind }
}

const fn since(since: u8, name: &'static str, kind: Kind) -> Key {
    Key { name, since, kind }
}

use Kind::{Flag, Integer, List, Object, Text};
use Unique::{Item, No};

const TEXTS: Kind = List(&Text, Item);
const OPTIONS: Kind = List(&Text, No);

/// The whole configuration.
pub(crate) static CONFIG: Shape = Shape {
    place: "at the top level",
    keys: &[
        key("ignition", Object(&IGNITION)),
        since(3, "kernelArguments", Object(&KERNEL_ARGUMENTS)),
        key("passwd", Object(&PASSWD)),
        key("storage", Object(&STORAGE)),
        key("systemd", Object(&SYSTEMD)),
    ],
};

static IGNITION: Shape = Shape {
    place: "in `ignition`",
    keys: &[
        key("config", Object(&IGNITION_CONFIG)),
        since(1, "proxy", Object(&PROXY)),
        key("security", Object(&SECURITY)),
        key("timeouts", Object(&TIMEOUTS)),
        key("version", Text),
    ],
};

static IGNITION_CONFIG: Shape = Shape {
    place: "in `ignition.config`",
    keys: &[
        key("merge", List(&Object(&REFERENCE), Unique::Key("source"))),
        key("replace", Object(&REFERENCE)),
    ],
};

static PROXY: Shape = Shape {
    place: "in `ignition.proxy`",
    keys: &[key("httpProxy", Text), key("httpsProxy", Text), key("noProxy", TEXTS)],
};

static SECURITY: Shape =
    Shape { place: "in `ignition.security`", keys: &[key("tls", Object(&TLS))] };

static TLS: Shape = Shape {
    place: "in `ignition.security.tls`",
    keys: &[key("certificateAuthorities", List(&Object(&REFERENCE), Unique::Key("source")))],
};

static TIMEOUTS: Shape = Shape {
    place: "in `ignition.timeouts`",
    keys: &[key("httpResponseHeaders", Integer), key("httpTotal", Integer)],
};

static KERNEL_ARGUMENTS: Shape = Shape {
    place: "in `kernelArguments`",
    keys: &[key("shouldExist", OPTIONS), key("shouldNotExist", OPTIONS)],
};

static PASSWD: Shape = Shape {
    place: "in `passwd`",
    keys: &[
        key("groups", List(&Object(&GROUP), Unique::Key("name"))),
        key("users", List(&Object(&USER), Unique::Key("name"))),
    ],
};

static GROUP: Shape = Shape {
    place: "in a group",
    keys: &[
        key("gid", Integer),
        key("name", Text),
        key("passwordHash", Text),
        since(2, "shouldExist", Flag),
        key("system", Flag),
    ],
};

static USER: Shape = Shape {
    place: "in a user",
    keys: &[
        key("gecos", Text),
        key("groups", TEXTS),
        key("homeDir", Text),
        key("name", Text),
        key("noCreateHome", Flag),
        key("noLogInit", Flag),
        key("noUserGroup", Flag),
        key("passwordHash", Text),
        key("primaryGroup", Text),
        key("sshAuthorizedKeys", TEXTS),
        key("shell", Text),
        since(2, "shouldExist", Flag),
        key("system", Flag),
        key("uid", Integer),
    ],
};

static STORAGE: Shape = Shape {
    place: "in `storage`",
    keys: &[
        key("directories", List(&Object(&DIRECTORY), No)),
        key("disks", List(&Object(&DISK), Unique::Key("device"))),
        key("files", List(&Object(&FILE), No)),
        key("filesystems", List(&Object(&FILESYSTEM), Unique::Key("device"))),
        key("links", List(&Object(&LINK), No)),
        since(2, "luks", List(&Object(&LUKS), Unique::Key("name"))),
        key("raid", List(&Object(&RAID), Unique::Key("name"))),
    ],
};

static DIRECTORY: Shape = Shape {
    place: "in a directory",
    keys: &[
        key("group", Object(&OWNER)),
        key("mode", Integer),
        key("overwrite", Flag),
        key("path", Text),
        key("user", Object(&OWNER)),
    ],
};

static FILE: Shape = Shape {
    place: "in a file",
    keys: &[
        key("append", List(&Object(&RESOURCE), No)),
        key("contents", Object(&RESOURCE)),
        key("group", Object(&OWNER)),
        key("mode", Integer),
        key("overwrite", Flag),
        key("path", Text),
        key("user", Object(&OWNER)),
    ],
};

static LINK: Shape = Shape {
    place: "in a link",
    keys: &[
        key("group", Object(&OWNER)),
        key("hard", Flag),
        key("overwrite", Flag),
        key("path", Text),
        key("target", Text),
        key("user", Object(&OWNER)),
    ],
};

static OWNER: Shape =
    Shape { place: "in an owner", keys: &[key("id", Integer), key("name", Text)] };

/// Contents of a file, or of a key.
static RESOURCE: Shape = Shape {
    place: "in a source",
    keys: &[
        key("compression", Text),
        since(1, "httpHeaders", HEADERS),
        key("source", Text),
        key("verification", Object(&VERIFICATION)),
    ],
};

/// Another configuration, or certificates.
static REFERENCE: Shape = Shape {
    place: "in a source",
    keys: &[
        since(1, "compression", Text),
        since(1, "httpHeaders", HEADERS),
        key("source", Text),
        key("verification", Object(&VERIFICATION)),
    ],
};

const HEADERS: Kind = List(&Object(&HEADER), Unique::Key("name"));

static HEADER: Shape =
    Shape { place: "in a header", keys: &[key("name", Text), key("value", Text)] };

static VERIFICATION: Shape = Shape { place: "in `verification`", keys: &[key("hash", Text)] };

static DISK: Shape = Shape {
    place: "in a disk",
    keys: &[
        key("device", Text),
        key("partitions", List(&Object(&PARTITION), No)),
        key("wipeTable", Flag),
    ],
};

static PARTITION: Shape = Shape {
    place: "in a partition",
    keys: &[
        key("guid", Text),
        key("label", Text),
        key("number", Integer),
        since(2, "resize", Flag),
        key("shouldExist", Flag),
        key("sizeMiB", Integer),
        key("startMiB", Integer),
        key("typeGuid", Text),
        key("wipePartitionEntry", Flag),
    ],
};

static FILESYSTEM: Shape = Shape {
    place: "in a file system",
    keys: &[
        key("device", Text),
        key("format", Text),
        key("label", Text),
        since(1, "mountOptions", OPTIONS),
        key("options", OPTIONS),
        key("path", Text),
        key("uuid", Text),
        key("wipeFilesystem", Flag),
    ],
};

static RAID: Shape = Shape {
    place: "in a RAID array",
    keys: &[
        key("devices", TEXTS),
        key("level", Text),
        key("name", Text),
        key("options", OPTIONS),
        key("spares", Integer),
    ],
};

static LUKS: Shape = Shape {
    place: "in a LUKS device",
    keys: &[
        key("clevis", Object(&CLEVIS)),
        key("device", Text),
        key("keyFile", Object(&RESOURCE)),
        key("label", Text),
        key("name", Text),
        key("options", OPTIONS),
        key("uuid", Text),
        key("wipeVolume", Flag),
    ],
};

static CLEVIS: Shape = Shape {
    place: "in `clevis`",
    keys: &[
        key("custom", Object(&CLEVIS_CUSTOM)),
        key("tang", List(&Object(&TANG), Unique::Key("url"))),
        key("threshold", Integer),
        key("tpm2", Flag),
    ],
};

static CLEVIS_CUSTOM: Shape = Shape {
    place: "in `clevis.custom`",
    keys: &[key("config", Text), key("needsNetwork", Flag), key("pin", Text)],
};

static TANG: Shape =
    Shape { place: "in a Tang server", keys: &[key("thumbprint", Text), key("url", Text)] };

static SYSTEMD: Shape = Shape {
    place: "in `systemd`",
    keys: &[key("units", List(&Object(&UNIT), Unique::Key("name")))],
};

static UNIT: Shape = Shape {
    place: "in a unit",
    keys: &[
        key("contents", Text),
        key("dropins", List(&Object(&DROPIN), Unique::Key("name"))),
        key("enabled", Flag),
        key("mask", Flag),
        key("name", Text),
    ],
};

static DROPIN: Shape =
    Shape { place: "in a drop-in", keys: &[key("contents", Text), key("name", Text)] };
