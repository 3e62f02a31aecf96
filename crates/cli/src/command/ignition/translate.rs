use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::judgement::{Judgement, Reading, files_dir};
use crate::report::Hinted;
use crate::whole_file::write_whole;

#[derive(Debug, Args)]
pub(super) struct Translate {
    /// Configuration in Butane; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Folder that `local` paths begin at; nothing outside of it is read
    #[arg(long, value_name = "DIR")]
    files_dir: Option<PathBuf>,

    /// Write one key a line
    #[arg(long)]
    pretty: bool,

    /// Write nothing if there are warnings
    #[arg(long)]
    strict: bool,
}

impl Translate {
    pub(super) fn run(&self) -> Result<ExitCode> {
        if let Some(output) = self.output.as_deref().filter(|output| is_same(output, &self.file)) {
            let what = format!("{} would replace what it is made of", output.display());
            return Err(Hinted::new(what, "name another file as --output").into());
        }
        let reading = Reading {
            files: files_dir(self.files_dir.as_deref())?,
            shipped: None,
            pretty: self.pretty,
        };
        let judgement = Judgement::of(&self.file, &reading)?;
        if !judgement.is_butane {
            let what = format!("{} is no Butane: it has no `variant`", judgement.name);
            let hint = "Ignition's JSON needs no translation: `flagstone ignition check` reads it";
            return Err(Hinted::new(what, hint).into());
        }
        let mut err = io::stderr().lock();
        judgement.print(&mut err)?;
        if !judgement.report.findings.is_empty() {
            judgement.print_sum(&mut err)?;
        }
        // What would fail on a machine is of no use to it.
        let Some(translation) = judgement.usable(self.strict) else {
            return Ok(ExitCode::FAILURE);
        };
        let json = translation.json.as_bytes();
        if let Some(output) = &self.output {
            let context = || format!("failed to write {}", output.display());
            write_whole(output, json).with_context(context)?;
        } else {
            let mut out = io::stdout().lock();
            out.write_all(json)?;
            out.flush()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}
