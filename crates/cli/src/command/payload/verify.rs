use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_payload::verify;
use serde::Serialize;

use super::{Signer, open, print_json, read_verified};

/// Arguments of `flagstone payload verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Payload, or `-` for standard input
    file: PathBuf,

    /// Folder of the trusted keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    verified: bool,
    release: String,
    root_hash: String,
    signed_by: Vec<Signer>,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut source = open(&self.file)?;
        let metadata = read_verified(&mut source, &self.keys)?;
        let signers = verify(&metadata, source, &mut |_| {})?;
        let release = &metadata.manifest().release;
        let report = Report {
            verified: true,
            release: release.image.to_string(),
            root_hash: release.root_hash.to_string(),
            signed_by: Signer::all(&signers),
        };
        if self.json {
            print_json(&report)?;
        } else {
            let mut out = io::stdout().lock();
            writeln!(out, "{} is whole, root hash {}", report.release, report.root_hash)?;
            for signer in &report.signed_by {
                writeln!(out, "signed by {}", signer.line())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
