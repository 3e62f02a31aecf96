//! `flagstone payload`: update payloads.

mod apply;
mod create;
mod inspect;
mod sign;
mod verify;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use flagstone_payload::{Metadata, VerifiedMetadata};
use flagstone_signature::{KeyKind, PublicKey, read_trusted_keys};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::report::{self, Hinted};

/// How much of a payload is read at once.
const BUFFER: usize = 1 << 20;
/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Arguments of `flagstone payload`.
#[derive(Debug, Args)]
pub(crate) struct Payload {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the update payload of a build, and sign it
    Create(create::Create),
    /// Sign a payload, with keys here or on another machine
    Sign(sign::Sign),
    /// Show what a payload says about itself; nothing is verified
    Inspect(inspect::Inspect),
    /// Check every byte of a payload and who signed it
    Verify(verify::Verify),
    /// Write a payload to a slot, after checking who signed it
    Apply(apply::Apply),
}

impl Payload {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Sign(sign) => sign.run(),
            Action::Inspect(inspect) => inspect.run(),
            Action::Verify(verify) => verify.run(),
            Action::Apply(apply) => apply.run(),
        }
    }
}

/// A key that signed, as reports show it.
#[derive(Debug, Serialize)]
struct Signer {
    id: String,
    name: String,
    kind: &'static str,
}

impl Signer {
    fn of(key: &PublicKey) -> Self {
        let (id, name) = (key.id().to_string(), key.name().to_string());
        Self { id, name, kind: key.kind().words() }
    }

    fn all(keys: &[PublicKey]) -> Vec<Self> {
        for key in keys.iter().filter(|key| key.kind() == KeyKind::Development) {
            report::note(&format!("key {} ({}) is a development key", key.id(), key.name()));
        }
        keys.iter().map(Self::of).collect()
    }

    fn line(&self) -> String {
        format!("{} {} ({})", self.id, self.name, self.kind)
    }
}

/// Opens a payload, or standard input.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}

/// Reads the metadata of a payload and checks it against the keys of a folder.
fn read_verified(source: &mut impl Read, keys: &Path) -> Result<VerifiedMetadata> {
    let keys = read_trusted_keys(keys).map_err(|source| {
        let what = "there are no keys to check the payload with";
        anyhow::Error::new(source).context(what)
    })?;
    Ok(Metadata::read(source)?.verify(&keys)?)
}

/// Gives a temporary file its name, complete and durable.
fn publish(file: NamedTempFile, path: &Path, force: bool) -> Result<()> {
    let publish = || {
        // A temporary file is private; what it becomes is as readable as what it is made of.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        if force {
            file.persist(path).map_err(|error| error.error)?;
        } else {
            file.persist_noclobber(path).map_err(|error| error.error)?;
        }
        File::open(folder(path))?.sync_all()
    };
    publish().with_context(|| format!("failed to write {}", path.display()))
}

/// Makes a temporary file beside what it will be.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let made = tempfile::Builder::new().prefix(".flagstone-").tempfile_in(folder(path));
    made.with_context(|| format!("failed to write into {}", folder(path).display()))
}

/// Returns the folder that a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses to replace a file unless that was asked for.
fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    if force || !path.exists() {
        return Ok(());
    }
    let what = format!("{} is there already", path.display());
    Err(Hinted::new(what, "--force replaces it").into())
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a length as people read it.
fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
