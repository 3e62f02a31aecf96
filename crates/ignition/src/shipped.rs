use std::collections::BTreeMap;

/// Where an image keeps the defaults of /etc, below /usr.
const DEFAULTS: &str = "share/flagstone/etc";

/// Folders of an image, below /usr, that the checks look into; [`Shipped::new`] takes what is in them.
pub const LOOKED_INTO: [&str; 5] =
    ["bin", "lib/systemd/system", "lib/udev/rules.d", "sbin", DEFAULTS];

/// What an image has in [`LOOKED_INTO`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Paths below /usr, and whether each is a folder.
    paths: BTreeMap<String, bool>,
}

impl Shipped {
    /// Takes paths below /usr without a leading slash, and whether each is a folder.
    pub const fn new(paths: BTreeMap<String, bool>) -> Self {
        Self { paths }
    }

    /// Tells whether the image has a unit, or the template that it is an instance of.
    pub(crate) fn has_unit(&self, name: &str) -> bool {
        let has = |name: &str| {
            let paths = [
                format!("lib/systemd/system/{name}"),
                default_of(&format!("/etc/systemd/system/{name}")),
            ];
            paths.iter().any(|path| self.paths.contains_key(path))
        };
        let template = name.split_once('@').and_then(|(stem, rest)| {
            rest.rsplit_once('.').map(|(_, kind)| format!("{stem}@.{kind}"))
        });
        has(name) || template.is_some_and(|template| has(&template))
    }

    /// Tells whether the image has a program.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        ["bin", "sbin"].iter().any(|dir| self.paths.contains_key(&format!("{dir}/{name}")))
    }

    /// Tells whether the initrd can have a TPM keep a key: the packages for it bring this file.
    pub(crate) fn uses_tpm(&self) -> bool {
        self.paths.contains_key("lib/udev/rules.d/60-tpm-udev.rules")
    }

    /// Tells whether the image has something by default at a path below /etc, and whether that is a
    /// folder.
    pub(crate) fn default(&self, path: &str) -> Option<bool> {
        path.starts_with("/etc/").then(|| self.paths.get(&default_of(path)).copied()).flatten()
    }
}

fn default_of(path: &str) -> String {
    format!("{DEFAULTS}{}", path.strip_prefix("/etc").unwrap_or(path))
}
