use std::process::ExitCode;

use clap::Args;
use flagstone_agent::update::{Running, StateFolder, roll_back};
use flagstone_artifact::ImageVersion;

use super::here::{Here, load, restart, root, state_folder};
use super::report::{Failure, say};

/// Arguments of `flagstone-agent pin`.
#[derive(Debug, Args)]
pub(crate) struct Pin {
    /// The version [default: the one that runs]
    version: Option<ImageVersion>,
}

/// Arguments of `flagstone-agent rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Restart into the version before
    #[arg(long)]
    reboot: bool,
}

impl Pin {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => Running::find(root())?.image.version,
        };
        pin(Some(version.clone()))?;
        say(&format!("this machine stays with version {version}, or goes to it"));
        Ok(ExitCode::SUCCESS)
    }
}

/// `flagstone-agent unpin`.
pub(crate) fn unpin() -> Result<ExitCode, Failure> {
    pin(None)?;
    say("this machine follows its channel");
    Ok(ExitCode::SUCCESS)
}

fn pin(version: Option<ImageVersion>) -> Result<(), Failure> {
    let folder: StateFolder = state_folder();
    let _lock = folder.lock()?;
    let mut state = load(&folder)?;
    state.pin = version;
    Ok(folder.save(&state)?)
}

impl Rollback {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut here = Here::open()?;
        let esp = here.esp.folder().to_owned();
        let next = roll_back(&here.running, &esp, &here.folder, &mut here.state)?;
        drop(here);
        say(&format!("version {next} is started next"));
        if self.reboot {
            restart()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
