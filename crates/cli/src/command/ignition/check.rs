use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_compare::Release;
use flagstone_ignition::{Finding, LOOKED_INTO, Shipped};
use serde_json::{Value, json};

use super::judgement::{Judgement, Reading, files_dir};
use crate::report::Hinted;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configurations in JSON or Butane; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Folder that Butane's `local` paths begin at; nothing outside of it is read
    #[arg(long, value_name = "DIR")]
    files_dir: Option<PathBuf>,

    /// Image that the configurations are for, to compare units, programs and defaults of /etc with: a
    /// manifest with its artefacts beside it, a folder with one, a disk image or a usr image
    #[arg(long, value_name = "IMAGE")]
    image: Option<PathBuf>,

    /// Exit with 1 for warnings, too
    #[arg(long)]
    strict: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let reading = Reading {
            files: files_dir(self.files_dir.as_deref())?,
            shipped: self.image.as_deref().map(shipped).transpose()?,
            pretty: false,
        };
        let judged = self.files.iter().map(|path| Judgement::of(path, &reading));
        let judged = judged.collect::<Result<Vec<_>>>()?;
        let mut out = io::stdout().lock();
        if self.json {
            let files: Vec<Value> = judged.iter().map(file).collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "version": 1, "files": files }))?;
            writeln!(out)?;
        } else {
            for judgement in &judged {
                judgement.print(&mut out)?;
                judgement.print_sum(&mut out)?;
            }
        }
        out.flush()?;
        let any = judged.iter().any(|judgement| judgement.is_bad(self.strict));
        Ok(if any { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn shipped(image: &Path) -> Result<Shipped> {
    let paths = Release::open(image)?.usr_paths(&LOOKED_INTO)?.ok_or_else(|| {
        let what = format!("{} has no /usr to look into", image.display());
        Hinted::new(what, "name the folder of a build, its disk image or its usr image")
    })?;
    Ok(Shipped::new(paths))
}

fn file(judgement: &Judgement) -> Value {
    let finding = |Finding { verdict, diagnostic }: &Finding| {
        json!({
            "severity": if verdict.is_error() { "error" } else { "warning" },
            "verdict": verdict,
            "line": diagnostic.position.map(|position| position.line),
            "column": diagnostic.position.map(|position| position.column),
            "message": diagnostic.message,
            "expected": diagnostic.expected,
            "found": diagnostic.found,
            "hint": diagnostic.hint,
        })
    };
    let report = &judgement.report;
    let translation = judgement.translation.as_ref();
    json!({
        "path": judgement.name,
        "language": if judgement.is_butane { "butane" } else { "ignition" },
        "stated": translation.map(|translation| &translation.stated),
        "errors": report.errors,
        "warnings": report.warnings,
        "refused": report.refused,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "note": judgement.note(),
    })
}
