use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Arguments of the entry into a build's tree, which a build starts itself with.
#[derive(Debug, Args)]
pub(crate) struct Inside {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Inside {
    pub(crate) fn run(&self) -> ExitCode {
        flagstone_sandbox::enter(&self.arguments)
    }
}
