use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use flagstone_agent::etc::{Attributes, EtcDiff, RootFolder, compare};

use super::report::Failure;

/// Where the image has its defaults.
const DEFAULTS: &str = "/usr/share/flagstone/etc";

/// Arguments of `flagstone-agent etc`.
#[derive(Debug, Args)]
pub(crate) struct Etc {
    #[command(subcommand)]
    command: EtcCommand,
}

#[derive(Debug, Subcommand)]
enum EtcCommand {
    /// Show how this machine's /etc differs from the image's defaults
    Diff(Diff),
}

/// Arguments of `flagstone-agent etc diff`.
#[derive(Debug, Args)]
struct Diff {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Exit with 1 if anything differs; otherwise differences exit with 0, too
    #[arg(long)]
    exit_code: bool,

    /// Folder of the defaults
    #[arg(long, value_name = "DIR", default_value = DEFAULTS)]
    defaults: PathBuf,

    /// Upper layer of /etc [default: that of this machine, which takes root to read]
    #[arg(long, value_name = "DIR")]
    upper: Option<PathBuf>,
}

impl Etc {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let EtcCommand::Diff(diff) = &self.command;
        diff.run()
    }
}

impl Diff {
    fn run(&self) -> Result<ExitCode, Failure> {
        let diff = self.compare()?;
        let mut out = io::stdout();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut out, &diff)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            out.write_all(diff.text().as_bytes())
        };
        written.map_err(Failure::output)?;
        let differs = self.exit_code && !diff.is_empty();
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn compare(&self) -> Result<EtcDiff, Failure> {
        let with = |upper: &Path| compare(&self.defaults, upper, Attributes::Trusted);
        if let Some(upper) = &self.upper {
            return Ok(with(upper)?);
        }
        let root = RootFolder::open()?;
        Ok(with(&root.path().join("etc"))?)
    }
}
