use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::CompareError;
use crate::comparison::Pair;
use crate::usr::Usr;

/// Where an image has its kernels' modules and configurations.
const MODULES: &str = "lib/modules";

/// The longest configuration of a kernel.
const CONFIG_MAX: u64 = 4 << 20;

/// What differs between the kernels of two releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelDiff {
    /// The releases of the kernel, as `uname -r` prints them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Pair<String>>,
    /// The command line, where both sides have a kernel image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<CommandLineDiff>,
    /// Options of the configuration that differ, where both sides have one.
    pub config: Vec<OptionChange>,
}

/// What differs between two command lines; `usrhash=`, which every build changes, aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CommandLineDiff {
    /// Arguments that only the new line has.
    pub added: Vec<String>,
    /// Arguments that only the old line has.
    pub removed: Vec<String>,
    /// Whether the arguments of both stand in another order.
    pub reordered: bool,
    /// The whole lines.
    pub lines: Pair<String>,
}

/// An option of the kernel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OptionChange {
    /// Its name, `CONFIG_` included.
    pub option: String,
    /// Its old value; none if it is not set or does not exist.
    pub old: Option<String>,
    /// Its new value.
    pub new: Option<String>,
}

/// What is known of a release's kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) version: Option<String>,
    pub(crate) command_line: Option<String>,
    pub(crate) config: Option<BTreeMap<String, String>>,
}

impl Kernel {
    /// Adds what an image of /usr tells.
    pub(crate) fn read_usr(&mut self, usr: &Usr) -> Result<(), CompareError> {
        let versions = usr.names(MODULES)?;
        let version = versions.last().cloned();
        if let Some(version) = &version {
            let config = usr.text(&format!("{MODULES}/{version}/config"), CONFIG_MAX)?;
            self.config = config.map(|text| parse_config(&text));
        }
        if self.version.is_none() {
            self.version = version;
        }
        Ok(())
    }
}

impl KernelDiff {
    pub(crate) fn between(old: &Kernel, new: &Kernel) -> Self {
        let both = |pick: fn(&Kernel) -> &Option<String>| pick(old).clone().zip(pick(new).clone());
        let version = both(|kernel| &kernel.version).filter(|(old, new)| old != new);
        let lines = both(|kernel| &kernel.command_line);
        let configs = old.config.as_ref().zip(new.config.as_ref());
        Self {
            version: version.map(|(old, new)| Pair { old, new }),
            command_line: lines.and_then(|(old, new)| CommandLineDiff::between(old, new)),
            config: configs.map(|(old, new)| options(old, new)).unwrap_or_default(),
        }
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.version.is_none() && self.command_line.is_none() && self.config.is_empty()
    }
}

impl CommandLineDiff {
    fn between(old: String, new: String) -> Option<Self> {
        let arguments = |line: &str| -> Vec<String> {
            let words = line.split_ascii_whitespace();
            words.filter(|word| !word.starts_with("usrhash=")).map(str::to_owned).collect()
        };
        let (before, after) = (arguments(&old), arguments(&new));
        if before == after {
            return None;
        }
        let only = |these: &[String], others: &[String]| -> Vec<String> {
            these.iter().filter(|word| !others.contains(word)).cloned().collect()
        };
        let (added, removed) = (only(&after, &before), only(&before, &after));
        let reordered = only(&before, &removed) != only(&after, &added);
        Some(Self { added, removed, reordered, lines: Pair { old, new } })
    }
}

/// Reads `CONFIG_X=value`; options that are not set have no line of that form.
fn parse_config(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(option, _)| option.starts_with("CONFIG_"))
        .map(|(option, value)| (option.to_owned(), value.to_owned()))
        .collect()
}

fn options(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<OptionChange> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|option| old.get(*option) != new.get(*option))
        .map(|option| OptionChange {
            option: option.clone(),
            old: old.get(option).cloned(),
            new: new.get(option).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(version: &str, line: &str, config: &str) -> Kernel {
        Kernel {
            version: Some(version.to_owned()),
            command_line: Some(line.to_owned()),
            config: Some(parse_config(config)),
        }
    }

    #[test]
    fn options_arguments_and_versions_are_compared() {
        let old = kernel(
            "6.12.9",
            "quiet usrhash=1 console=tty0 a=1",
            "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n",
        );
        let new = kernel(
            "6.12.10",
            "quiet usrhash=2 a=2 console=tty0",
            "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n",
        );
        let diff = KernelDiff::between(&old, &new);
        assert_eq!(diff.version, Some(Pair { old: "6.12.9".into(), new: "6.12.10".into() }));
        let line = diff.command_line.unwrap();
        assert_eq!((line.added, line.removed), (vec!["a=2".to_owned()], vec!["a=1".to_owned()]));
        assert!(!line.reordered);
        let options: Vec<_> = diff
            .config
            .iter()
            .map(|o| (o.option.as_str(), o.old.as_deref(), o.new.as_deref()))
            .collect();
        assert_eq!(options, [("CONFIG_B", Some("m"), Some("y")), ("CONFIG_C", None, Some("y"))]);
        let other =
            kernel("6.12.9", "quiet usrhash=7 console=tty0 a=1", "CONFIG_A=y\nCONFIG_B=m\n");
        assert!(KernelDiff::between(&old, &other).is_empty());
        let turned = kernel("6.12.9", "console=tty0 quiet a=1", "CONFIG_A=y\nCONFIG_B=m");
        assert!(KernelDiff::between(&old, &turned).command_line.unwrap().reordered);
    }

    #[test]
    fn what_one_side_does_not_tell_does_not_differ() {
        let known = kernel("6.12.9", "quiet", "CONFIG_A=y");
        assert!(KernelDiff::between(&known, &Kernel::default()).is_empty());
    }
}
