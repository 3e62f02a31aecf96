use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, Subcommand};

use super::install::Install;

/// The name under which the program installs without being told so.
const INSTALLER: &str = "flagstone-install";

/// Looks after a Flagstone machine: puts the system on its disk.
#[derive(Debug, Parser)]
#[command(name = "flagstone-agent", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a signed image to a disk, which loses all that it holds
    Install(Install),
}

/// Puts the command in, where the program's name stands for it.
pub(crate) fn with_command(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let name = words.first().and_then(|word| Path::new(word).file_name());
    if name.is_some_and(|name| name == INSTALLER) {
        words.insert(1, "install".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_installers_name_is_its_command() {
        let words = |text: &str| with_command(text.split(' ').map(OsString::from));
        assert_eq!(words("/usr/bin/flagstone-install /dev/sda")[1..], ["install", "/dev/sda"]);
        assert_eq!(words("flagstone-agent install")[1..], ["install"]);
    }
}
