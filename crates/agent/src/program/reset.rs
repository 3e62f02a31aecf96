use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use flagstone_agent::reset::{KeptPath, ResetRequest};

use super::here::{restart, root};
use super::report::{Failure, say};

/// Arguments of `flagstone-agent reset`.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Keep this path, with all below it; may be given several times
    #[arg(long, value_name = "PATH", num_args = 1..)]
    keep: Vec<KeptPath>,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Leave the restart, and so the reset, to somebody else
    #[arg(long)]
    no_reboot: bool,

    /// Take a request back that was not carried out yet
    #[arg(long, conflicts_with_all = ["keep", "yes", "no_reboot"])]
    cancel: bool,
}

impl Reset {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        if self.cancel {
            let was_there = ResetRequest::take_back(root())?;
            say(if was_there { "nothing is reset" } else { "no reset was asked for" });
            return Ok(ExitCode::SUCCESS);
        }
        ResetRequest::check_root(root())?;
        for path in &self.keep {
            path.check(root())?;
        }
        let request = ResetRequest::new(self.keep.clone())?;
        if !self.yes && !confirm(&request)? {
            return Ok(ExitCode::from(2));
        }
        request.leave(root())?;
        say("the next boot resets this machine");
        if !self.no_reboot {
            restart()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks for a word, if there is somebody to ask.
fn confirm(request: &ResetRequest) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        say("error: nobody can be asked whether this machine may lose its state");
        say("hint: say --yes");
        return Ok(false);
    }
    say("This machine loses all of its state, and is provisioned anew. Kept:");
    for path in request.kept() {
        say(&format!("  {path}"));
    }
    if request.kept().is_empty() {
        say("  nothing");
    }
    let _ = write!(io::stderr(), "Type reset to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::output)?;
    Ok(answer.trim() == "reset")
}
