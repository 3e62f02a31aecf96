use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_build::{Acceptance, ScriptEntry, ScriptsReport};
use flagstone_recipe::{DiskReader, Recipe, lock_path};
use serde::Serialize;

use super::locking;
use crate::arguments::{DEFAULT_RECIPE, SourceArguments};
use crate::progress::Reporter;
use crate::report;
use crate::sources::Sources;

/// Arguments of `flagstone scripts`.
#[derive(Debug, Args)]
pub(crate) struct Scripts {
    /// Path of a recipe, or the name of a shipped one
    #[arg(default_value = DEFAULT_RECIPE)]
    recipe: String,

    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

/// One script in the output.
#[derive(Debug, Serialize)]
struct Script {
    package: String,
    #[serde(rename = "script")]
    name: String,
    sha256: String,
    /// `none`, `accepted` or `changed`.
    acceptance: &'static str,
    /// Why the script could not be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    commands: Vec<Command>,
}

/// One command in the output.
#[derive(Debug, Serialize)]
struct Command {
    line: u32,
    #[serde(rename = "command")]
    text: String,
    /// `covered`, `needless` or `unknown`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finisher: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Scripts {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let recipe = Recipe::load_for(&self.recipe, self.sources.arch, &DiskReader)?;
        let sources = Sources::find(&self.sources)?;
        let progress = Reporter::new();
        let path = lock_path(&self.recipe, recipe.retarget);
        let report = if let Some(lock) = locking::read(&path)? {
            lock.check(&recipe)?;
            locking::survey(&recipe, &lock, &sources, &progress)?
        } else {
            let shown = path.display();
            report::say(&format!("there is no lock {shown}: looking at what it would be"));
            locking::make(&recipe, None, locking::moves(None), &sources, &progress)?.1
        };
        progress.finish();
        let scripts = listed(&report);
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &scripts)?;
            writeln!(out)?;
        } else {
            for script in &scripts {
                print(&mut out, script)?;
            }
        }
        summarise(&report);
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(report: &ScriptsReport) -> Vec<Script> {
    let scripts = report.scripts.iter().map(|((package, name), script)| {
        let ScriptEntry { sha256, findings, acceptance } = script;
        let commands = findings.commands.iter().map(|finding| {
            let rule = finding.verdict.rule();
            Command {
                line: finding.line,
                text: finding.command.clone(),
                verdict: finding.verdict.name(),
                finisher: rule
                    .and_then(|rule| rule.finisher)
                    .map(flagstone_scripts::Finisher::name),
                reason: rule.map(|rule| rule.reason),
            }
        });
        Script {
            package: package.to_string(),
            name: name.to_string(),
            sha256: sha256.to_string(),
            acceptance: match acceptance {
                Acceptance::None => "none",
                Acceptance::Accepted => "accepted",
                Acceptance::Changed(_) => "changed",
            },
            error: findings.error.as_ref().map(ToString::to_string),
            commands: commands.collect(),
        }
    });
    scripts.collect()
}

fn print(out: &mut impl std::io::Write, script: &Script) -> std::io::Result<()> {
    let accepted = if script.acceptance == "accepted" { ", accepted" } else { "" };
    writeln!(out, "{} {}{accepted}", script.package, script.name)?;
    if let Some(error) = &script.error {
        writeln!(out, "  unknown   all of it: {error}")?;
    }
    for command in &script.commands {
        writeln!(out, "  {:<9} {:>4}: {}", command.verdict, command.line, command.text)?;
        match (command.finisher, command.reason) {
            (Some(finisher), Some(reason)) => writeln!(out, "{:18}{finisher}: {reason}", "")?,
            (None, Some(reason)) => writeln!(out, "{:18}{reason}", "")?,
            _ => {}
        }
    }
    Ok(())
}

/// Says how many scripts need a person's eyes.
fn summarise(report: &ScriptsReport) {
    report.notes().iter().for_each(|note| report::note(note));
    let all = report.scripts.len();
    let open = report.scripts.values().filter(|script| script.is_open()).count();
    let accepted = report.accepted().len();
    report::say(&format!(
        "{all} scripts: {} fully classified, {accepted} accepted, {open} open",
        report.scripts.values().filter(|script| script.findings.is_classified()).count()
    ));
}
