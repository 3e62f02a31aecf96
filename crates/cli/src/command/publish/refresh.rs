use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Common;

/// Arguments of `flagstone publish refresh`.
#[derive(Debug, Args)]
pub(super) struct Refresh {
    #[command(flatten)]
    common: Common,
}

impl Refresh {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let keys = self.common.signing_keys()?;
        let published = self.common.open()?.refresh(&keys, self.common.terms())?;
        self.common.report(&published)
    }
}
