use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use flagstone_compare::Release;
use flagstone_ignition::{CONFIG_MAX, Finding, LOOKED_INTO, Report, Shipped, check};
use serde_json::{Value, json};

use crate::report::Hinted;

/// Arguments of `flagstone ignition`.
#[derive(Debug, Args)]
pub(crate) struct Ignition {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell what the image's Ignition would refuse in configurations, and what would fail on a machine
    Check(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// Configurations in JSON; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

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

impl Ignition {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let Action::Check(check) = &self.action;
        check.run()
    }
}

impl Check {
    fn run(&self) -> Result<ExitCode> {
        let shipped = self.image.as_deref().map(shipped).transpose()?;
        let mut reports = Vec::new();
        for path in &self.files {
            let name = path.display().to_string();
            let data = read(path).with_context(|| format!("failed to read {name}"))?;
            let report = check(&name, &data, shipped.as_ref());
            reports.push((name, report));
        }
        let mut out = io::stdout().lock();
        if self.json {
            let files: Vec<Value> =
                reports.iter().map(|(name, report)| file(name, report)).collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "version": 1, "files": files }))?;
            writeln!(out)?;
        } else {
            for (name, report) in &reports {
                print(&mut out, name, report)?;
            }
        }
        out.flush()?;
        let bad = |report: &Report| report.errors > 0 || (self.strict && report.warnings > 0);
        let any = reports.iter().any(|(_, report)| bad(report));
        Ok(if any { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Reads a file, and one byte more than the longest, to tell that it is too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let limit = CONFIG_MAX as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut data)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut data)?;
    }
    Ok(data)
}

fn shipped(image: &Path) -> Result<Shipped> {
    let paths = Release::open(image)?.usr_paths(&LOOKED_INTO)?.ok_or_else(|| {
        let what = format!("{} has no /usr to look into", image.display());
        Hinted::new(what, "name the folder of a build, its disk image or its usr image")
    })?;
    Ok(Shipped::new(paths))
}

fn print(out: &mut impl io::Write, name: &str, report: &Report) -> io::Result<()> {
    for Finding { verdict, diagnostic } in &report.findings {
        let word = if verdict.is_error() { "error" } else { "warning" };
        writeln!(out, "{word}: {diagnostic}\n")?;
    }
    if report.left_out() > 0 {
        writeln!(out, "… and {} more\n", report.left_out())?;
    }
    let sum = match (report.errors, report.warnings) {
        (0, 0) => "nothing to complain of".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    writeln!(out, "{name}: {sum}")
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn file(name: &str, report: &Report) -> Value {
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
    json!({
        "path": name,
        "errors": report.errors,
        "warnings": report.warnings,
        "refused": report.refused,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
