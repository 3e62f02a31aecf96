use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_build::{Absence, LockRequest, Moves, Wanted, why_not};
use flagstone_debian::Keyring;
use flagstone_recipe::{DiskReader, Recipe, lock_path};

use super::locking;
use crate::arguments::{DEFAULT_RECIPE, SourceArguments};
use crate::progress::Reporter;
use crate::sources::{self, Sources};

/// Arguments of `flagstone why-not`.
#[derive(Debug, Args)]
pub(crate) struct WhyNot {
    /// The package that is missed, perhaps in a version: `openssl`, `openssl=3.6*`
    package: Wanted,

    /// Path of a recipe, or the name of a shipped one
    #[arg(default_value = DEFAULT_RECIPE)]
    recipe: String,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

impl WhyNot {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let recipe = Recipe::load_for(&self.recipe, self.sources.arch, &DiskReader)?;
        let lock = locking::read(&lock_path(&self.recipe, recipe.retarget))?;
        let sources = Sources::find(&self.sources)?;
        let request = LockRequest {
            recipe: &recipe,
            old: lock.as_ref(),
            moves: Moves::Needed,
            mirrors: &sources.mirrors,
            keyring: &Keyring::debian(),
            now: sources::now(),
        };
        let progress = Reporter::new();
        let absence = why_not(&sources.fetcher, &request, &self.package, &progress)?;
        progress.finish();
        let mut out = std::io::stdout();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &json(&self.package, &absence))?;
            writeln!(out)?;
        } else {
            write!(out, "{}", text(&self.package, &absence))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(wanted: &Wanted, absence: &Absence) -> String {
    let name = &wanted.name;
    match absence {
        Absence::Present { version } => format!("{name} {version} is there: ask `flagstone why`\n"),
        Absence::Excluded { needed_by } if needed_by.is_empty() => {
            format!("the recipe excludes {name}; nothing would need it\n")
        }
        Absence::Excluded { needed_by } => {
            let by: Vec<&str> = needed_by.iter().map(AsRef::as_ref).collect();
            format!("the recipe excludes {name}, though {} would need it\n", by.join(", "))
        }
        Absence::NotOffered { offers } => {
            format!("no archive has that version of {name}; there are {}\n", offers.join(", "))
        }
        Absence::Impossible(error) => {
            let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            format!("{name} cannot be added: {error}\n{hint}")
        }
        Absence::OtherVersion { locked, offered, changes } => format!(
            "{name} is there as {locked}; {offered} would fit{}\n",
            with_changes(", and bring", changes)
        ),
        Absence::NotAsked { offered, recommended_by, changes } => {
            let by: Vec<&str> = recommended_by.iter().map(AsRef::as_ref).collect();
            let by = match by.as_slice() {
                [] => String::new(),
                by => format!(" ({} would like it: recommended only)", by.join(", ")),
            };
            format!(
                "nothing asks for {name}{by}; adding it would bring {offered}{}\n",
                with_changes(" and", changes)
            )
        }
    }
}

/// One line a change, after a word that leads to them.
fn with_changes(lead: &str, changes: &[String]) -> String {
    if changes.is_empty() {
        return ", and change nothing else".to_owned();
    }
    changes.iter().fold(format!("{lead}:"), |text, change| text + "\n  " + change)
}

fn json(wanted: &Wanted, absence: &Absence) -> serde_json::Value {
    let (why, rest) = match absence {
        Absence::Present { version } => ("present", serde_json::json!({ "version": version })),
        Absence::Excluded { needed_by } => {
            let by: Vec<&str> = needed_by.iter().map(AsRef::as_ref).collect();
            ("excluded", serde_json::json!({ "needed_by": by }))
        }
        Absence::NotOffered { offers } => ("not-offered", serde_json::json!({ "offers": offers })),
        Absence::Impossible(error) => {
            ("impossible", serde_json::json!({ "error": error.to_string(), "hint": error.hint() }))
        }
        Absence::OtherVersion { locked, offered, changes } => (
            "other-version",
            serde_json::json!({ "locked": locked, "offered": offered, "changes": changes }),
        ),
        Absence::NotAsked { offered, recommended_by, changes } => {
            let by: Vec<&str> = recommended_by.iter().map(AsRef::as_ref).collect();
            let rest = serde_json::json!({
                "offered": offered, "recommended_by": by, "changes": changes,
            });
            ("not-asked", rest)
        }
    };
    let mut json = serde_json::json!({ "package": wanted.name.to_string(), "why_not": why });
    if let (Some(json), Some(rest)) = (json.as_object_mut(), rest.as_object()) {
        json.extend(rest.clone());
    }
    json
}
