use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_compare::{Comparison, HtmlReport, Release, TextReport};

use crate::report::{self, Hinted};
use crate::whole_file::{folder_of, write_whole};

/// How many lines of each list are shown unless all are asked for.
const SHORT: usize = 10;

/// Arguments of `flagstone diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The old release: a disk image, a usr image, a kernel image, a manifest (artefacts beside it
    /// are looked into), a folder with one manifest, or a lock
    #[arg(value_name = "A")]
    old: PathBuf,

    /// The new release
    #[arg(value_name = "B")]
    new: PathBuf,

    /// Show every line of every list
    #[arg(long)]
    all: bool,

    /// Print JSON, which is always complete
    #[arg(long, conflicts_with = "all")]
    json: bool,

    /// Write a page of HTML, complete and without need of anything else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Exit with 1 if anything differs; otherwise differences exit with 0, too
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let folder = self.html.as_deref().map(folder_of).filter(|folder| !folder.is_dir());
        if let Some(folder) = folder {
            let what = format!("there is no folder {} for the page", folder.display());
            return Err(Hinted::new(what, "name a file in a folder that is there").into());
        }
        let (old, new) = rayon::join(|| Release::open(&self.old), || Release::open(&self.new));
        let comparison = Comparison::between(&old?, &new?)?;
        if let Some(path) = &self.html {
            let page = HtmlReport { comparison: &comparison }.to_string();
            write_whole(path, page.as_bytes())
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &comparison)?;
            writeln!(out)?;
        } else {
            let limit = if self.all { None } else { Some(SHORT) };
            let text = TextReport { comparison: &comparison, limit };
            write!(out, "{text}")?;
            out.flush()?;
            if text.is_cut() {
                report::say("--all shows every line, --html FILE makes a page of them");
            }
        }
        let differs = self.exit_code && !comparison.identical;
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
