use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_payload::Signable;
use flagstone_signature::{PrivateKey, PublicKey, Signature};
use serde::Serialize;

use super::{Signer, print_json, publish, temporary};
use crate::report::{self, Hinted};

/// Arguments of `flagstone payload sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Payload
    file: PathBuf,

    /// Private key to sign with; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present_any = ["statements", "attach"])]
    key: Vec<PathBuf>,

    /// Write what keys on another machine have to sign into PREFIX.metadata and PREFIX.payload, and
    /// sign nothing here
    #[arg(long = "to-sign", value_name = "PREFIX", conflicts_with_all = ["key", "attach", "force"])]
    statements: Option<PathBuf>,

    /// Public key and the two times 64 bytes that it signed on another machine
    #[arg(long, value_name = "KEY.pub=METADATA,PAYLOAD")]
    attach: Vec<String>,

    /// Forget the signatures that are there
    #[arg(long)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The signatures of a key on another machine: for the metadata, then for the payload.
pub(super) type Attached = (PublicKey, [Signature; 2]);

#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    metadata_sha256: String,
    payload_sha256: String,
    slots: usize,
    signed_by: Vec<Signer>,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let context = || format!("failed to read {}", self.file.display());
        let mut payload = File::open(&self.file).with_context(context)?;
        if let Some(prefix) = &self.statements {
            write_statements(prefix, &Signable::read(&payload)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let keys = self.key.iter().map(|path| PrivateKey::read(path));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let attached = self.attach.iter().map(|text| attached(text)).collect::<Result<Vec<_>>>()?;
        let mut file = temporary(&self.file)?;
        io::copy(&mut payload, file.as_file_mut())
            .with_context(|| format!("failed to copy {}", self.file.display()))?;
        let signable = sign(file.path(), file.as_file(), &keys, &attached, self.force)?;
        publish(file, &self.file, true)?;
        let mut signers: Vec<PublicKey> = keys.iter().map(PrivateKey::public).collect();
        signers.extend(attached.into_iter().map(|(key, _)| key));
        let signed = Report {
            file: self.file.clone(),
            metadata_sha256: signable.metadata().digest().to_string(),
            payload_sha256: signable.payload().digest().to_string(),
            slots: signable.slots(),
            signed_by: Signer::all(&signers),
        };
        if self.json {
            print_json(&signed)?;
        } else {
            for signer in &signed.signed_by {
                report::say(&format!("signed {} with {}", self.file.display(), signer.line()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Signs a payload in place, and checks what was signed elsewhere. Returns what was signed.
pub(super) fn sign(
    path: &Path,
    file: &File,
    keys: &[PrivateKey],
    attached: &[Attached],
    forget: bool,
) -> Result<Signable> {
    // A file that was just written is read from its start by another handle.
    let read = File::open(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut signable = Signable::read(read)?;
    if forget {
        signable.clear();
    }
    let (metadata, payload) = (signable.metadata().clone(), signable.payload().clone());
    for key in keys {
        signable.add(key.public().id(), key.sign(&metadata), key.sign(&payload))?;
    }
    for (key, [for_metadata, for_payload]) in attached {
        key.verify(&metadata, for_metadata).context("the first file is no signature of it")?;
        key.verify(&payload, for_payload).context("the second file is no signature of it")?;
        signable.add(key.id(), *for_metadata, *for_payload)?;
    }
    signable.write(file)?;
    Ok(signable)
}

/// Writes what keys on another machine have to sign.
pub(super) fn write_statements(prefix: &Path, signable: &Signable) -> Result<()> {
    for (extension, statement) in
        [("metadata", signable.metadata()), ("payload", signable.payload())]
    {
        let mut path = prefix.as_os_str().to_owned();
        path.push(format!(".{extension}"));
        fs::write(&path, statement.to_sign())
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// Reads `KEY.pub=METADATA,PAYLOAD` and the files that it names.
fn attached(text: &str) -> Result<Attached> {
    let parts = text.split_once('=').and_then(|(key, files)| Some((key, files.split_once(',')?)));
    let (key, (metadata, payload)) = parts.ok_or_else(|| {
        let what = format!("{text:?} is not KEY.pub=METADATA,PAYLOAD");
        Hinted::new(what, "name a public key and two files of 64 bytes")
    })?;
    let signature = |file: &str| -> Result<Signature> {
        let data = fs::read(file).with_context(|| format!("failed to read {file}"))?;
        let bytes = <[u8; 64]>::try_from(data)
            .map_err(|data| anyhow::anyhow!("{file} has {} bytes, not 64", data.len()))?;
        Ok(Signature::from_bytes(bytes))
    };
    Ok((PublicKey::read(Path::new(key))?, [signature(metadata)?, signature(payload)?]))
}
