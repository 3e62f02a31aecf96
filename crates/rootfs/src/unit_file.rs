//! Names of units, and the `[Install]` section of unit files (systemd.unit(5)).

use std::fmt;
use std::str::FromStr;

use crate::RootfsError;

const SUFFIXES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// The name of a unit: plain (`a.service`), of a template (`a@.service`) or of an instance
/// (`a@b.service`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnitName(String);

impl UnitName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part after the last dot.
    pub(crate) fn suffix(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// Returns the name without the suffix.
    fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }

    /// Returns the part before `@`, or the whole stem.
    fn prefix(&self) -> &str {
        self.stem().split_once('@').map_or(self.stem(), |(prefix, _)| prefix)
    }

    /// Returns the instance; `None` for plain names and templates.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance).filter(|i| !i.is_empty())
    }

    /// Tells whether this is a template.
    pub(crate) fn is_template(&self) -> bool {
        self.stem().ends_with('@') && self.instance().is_none()
    }

    /// Returns the template of an instance; any other name as it is.
    pub(crate) fn template(&self) -> Self {
        match self.instance() {
            Some(_) => Self(format!("{}@.{}", self.prefix(), self.suffix())),
            None => self.clone(),
        }
    }

    /// Returns an instance of a template.
    pub(crate) fn with_instance(&self, instance: &str) -> Result<Self, RootfsError> {
        format!("{}@{instance}.{}", self.prefix(), self.suffix()).parse()
    }

    /// Fills in the specifiers that make sense in an `[Install]` section; `None` if there is
    /// another.
    fn expand(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            out += match chars.next()? {
                'n' => self.as_str(),
                'N' => self.stem(),
                'p' => self.prefix(),
                'i' => self.instance().unwrap_or(""),
                'j' => self.prefix().rsplit_once('-').map_or(self.prefix(), |(_, last)| last),
                '%' => "%",
                _ => return None,
            };
        }
        Some(out)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UnitName {
    type Err = RootfsError;

    fn from_str(text: &str) -> Result<Self, RootfsError> {
        let allowed = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
        };
        let name = Self(text.to_owned());
        let good = text.len() <= 255
            && text.bytes().all(allowed)
            && SUFFIXES.contains(&name.suffix())
            && !name.prefix().is_empty();
        if good { Ok(name) } else { Err(RootfsError::InvalidUnitName(text.to_owned())) }
    }
}

/// What a unit's `[Install]` section asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Install {
    pub(crate) wanted_by: Vec<String>,
    pub(crate) required_by: Vec<String>,
    pub(crate) upheld_by: Vec<String>,
    pub(crate) also: Vec<String>,
    pub(crate) alias: Vec<String>,
    pub(crate) default_instance: Option<String>,
}

impl Install {
    /// Adds what one file, the unit's own or a drop-in, says. What is not understood is left to
    /// systemd.
    pub(crate) fn add(&mut self, text: &str) {
        let mut in_section = false;
        for line in logical_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                in_section = line == "[Install]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| in_section) {
                self.set(key.trim(), value.trim());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let list = match key {
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => &mut self.also,
            "Alias" => &mut self.alias,
            "DefaultInstance" => {
                self.default_instance = Some(value.to_owned()).filter(|text| !text.is_empty());
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(value.split_whitespace().map(str::to_owned));
    }

    /// Returns the units named in a list, specifiers filled in; names that make no sense are left
    /// out, as systemd does in presets.
    pub(crate) fn expand(list: &[String], unit: &UnitName) -> Vec<UnitName> {
        list.iter().filter_map(|text| unit.expand(text)?.parse().ok()).collect()
    }
}

/// Joins lines that end in a backslash with the next; comments between them are left out.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(start) => {
                open += start;
                open.push(' ');
            }
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let name = |text: &str| text.parse::<UnitName>().unwrap();
        let getty = name("serial-getty@ttyS0.service");
        assert_eq!(getty.instance(), Some("ttyS0"));
        assert_eq!(getty.template(), name("serial-getty@.service"));
        assert!(name("getty@.service").is_template());
        assert_eq!(
            name("getty@.service").with_instance("tty1").unwrap(),
            name("getty@tty1.service")
        );
        assert_eq!(
            getty.expand("%p-%i-%j-%n-%%").unwrap(),
            "serial-getty-ttyS0-getty-serial-getty@ttyS0.service-%"
        );
        assert_eq!(getty.expand("%h"), None);
        for bad in [
            "",
            "a",
            "a.txt",
            ".service",
            "@x.service",
            "a b.service",
            "../a.service",
            "a/b.service",
        ] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_install_section_is_read_over_continued_lines_and_resets() {
        let mut install = Install::default();
        install.add(
            "[Unit]\nWantedBy=no.target\n[Install]\n# c\nWantedBy=a.target \\\n# between\n  b.target\n\
             Alias = dbus-x.service\nAlso=x.socket\nDefaultInstance=tty1\n[Service]\nAlso=y.socket\n",
        );
        assert_eq!(install.wanted_by, ["a.target", "b.target"]);
        assert_eq!(install.alias, ["dbus-x.service"]);
        assert_eq!(install.also, ["x.socket"]);
        assert_eq!(install.default_instance.as_deref(), Some("tty1"));
        install.add("[Install]\nWantedBy=\nWantedBy=c.target\n");
        assert_eq!(install.wanted_by, ["c.target"]);
    }
}
