use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::etc::Etc;
use super::install::Install;
use super::pin::unpin;
use super::pin::{Pin, Rollback};
use super::poll;
use super::report::Failure;
use super::reset::Reset;
use super::status::Status;
use super::trial::{fall_back, health, settled};
use super::update::Update;

/// The name under which the program installs without being told so.
const INSTALLER: &str = "flagstone-install";

/// Looks after a Flagstone machine: puts the system on its disk, updates it, and goes back when an
/// update is no good.
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
    /// Write a newer version to the slot that does not run
    Update(Update),
    /// Install what the channel has, and restart if the settings say so (called by
    /// flagstone-update.service)
    Poll,
    /// Show what runs, what is started next, and what failed
    Status(Status),
    /// Take the last update back
    Rollback(Rollback),
    /// Stay with a version
    Pin(Pin),
    /// Follow the channel again
    Unpin,
    /// Look at what this machine made its own in /etc
    Etc(Etc),
    /// Lose all state of this machine at the next boot, but for what is kept, and provision it anew
    Reset(Reset),
    /// Fail if this boot is not to be called good (called by flagstone-health.service)
    Health,
    /// Draw the conclusions of a good boot (called by flagstone-settle.service)
    Settle,
    /// Restart if this boot was a trial that failed (called by flagstone-fall-back.service)
    FallBack,
}

impl Command {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        match self {
            Self::Install(install) => install.run(),
            Self::Update(update) => update.run(),
            Self::Poll => poll::run(),
            Self::Status(status) => status.run(),
            Self::Rollback(rollback) => rollback.run(),
            Self::Pin(pin) => pin.run(),
            Self::Unpin => unpin(),
            Self::Etc(etc) => etc.run(),
            Self::Reset(reset) => reset.run(),
            Self::Health => health(),
            Self::Settle => settled(),
            Self::FallBack => fall_back(),
        }
    }
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
