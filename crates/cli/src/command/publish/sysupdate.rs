use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use clap::Args;
use flagstone_sysupdate::{Addition, SIGNATURE};
use serde::Serialize;

use crate::report::{self, Hinted};

/// Arguments of `flagstone publish sysupdate`.
#[derive(Debug, Args)]
pub(super) struct Sysupdate {
    /// Folder of a build, with SHA256SUMS in it
    release: PathBuf,

    /// Folder that machines are to read, which may have other versions; made if it is not there
    folder: PathBuf,

    /// Sign the list by gpg with this key, which is a fingerprint or what else gpg knows it by [default: the
    /// list stays unsigned, and machines refuse it]
    #[arg(long, value_name = "KEY")]
    gpg_key: Option<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The result, as programs read it.
#[derive(Debug, Serialize)]
struct Report {
    release: String,
    files: Vec<String>,
    signed: bool,
}

impl Sysupdate {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let addition = Addition::prepare(&self.release, &self.folder)?;
        let signature = self.gpg_key.as_deref().map(|key| sign(key, addition.list()));
        let signature = signature.transpose()?;
        let result = Report {
            release: addition.image().to_string(),
            files: addition.files().to_vec(),
            signed: signature.is_some() || addition.is_signed(),
        };
        addition.finish(signature.as_deref())?;
        self.report(&result)
    }

    fn report(&self, result: &Report) -> Result<ExitCode> {
        if self.json {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, result)?;
            writeln!(out)?;
            return Ok(ExitCode::SUCCESS);
        }
        report::say(&format!("{} is in {}", result.release, self.folder.display()));
        for name in &result.files {
            report::say(&format!("  {name}"));
        }
        if !result.signed {
            let list = self.folder.join("SHA256SUMS");
            report::note(&format!(
                "SHA256SUMS is not signed, and machines refuse it: gpg --detach-sign --output {} {}",
                self.folder.join(SIGNATURE).display(),
                list.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Has gpg, and its agent, sign a list.
fn sign(key: &str, list: &[u8]) -> Result<Vec<u8>> {
    let mut gpg = Command::new("gpg")
        .args(["--batch", "--local-user", key, "--detach-sign"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start gpg")?;
    // It is too short a text for both to wait for each other: gpg says nothing before it has all of it.
    let written = gpg.stdin.take().map(|mut stdin| stdin.write_all(list));
    let output = gpg.wait_with_output().context("failed to wait for gpg")?;
    if !output.status.success() || output.stdout.is_empty() {
        let hint =
            "nothing has changed for machines; `gpg --list-secret-keys` tells which keys are here";
        return Err(Hinted::new(format!("gpg did not sign with {key}"), hint).into());
    }
    written.transpose().context("failed to write to gpg")?;
    Ok(output.stdout)
}
