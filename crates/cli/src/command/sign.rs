use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_artifact::{DigestWriter, Sha256Sums};
use flagstone_signature::{PrivateKey, PublicKey, Purpose, Signature, Signatures, Statement};
use serde::Serialize;

use crate::report::{self, Hinted};

/// Arguments of `flagstone sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Folder of a build, with SHA256SUMS in it
    dir: PathBuf,

    /// Private key to sign with; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present_any = ["statement", "attach"])]
    key: Vec<PathBuf>,

    /// Write the bytes that a key on another machine has to sign, and sign nothing here
    #[arg(long = "to-sign", value_name = "FILE", conflicts_with_all = ["key", "attach"])]
    statement: Option<PathBuf>,

    /// Public key and the 64 bytes that it signed on another machine
    #[arg(long, value_name = "KEY.pub=FILE")]
    attach: Vec<String>,

    /// Keep the signatures of other keys that are there already
    #[arg(long)]
    add: bool,

    /// Replace the signatures that are there already
    #[arg(long, conflicts_with = "add")]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct SignReport {
    file: PathBuf,
    sha256sums_sha256: String,
    files: usize,
    signed_by: Vec<String>,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let sums_path = self.dir.join(Sha256Sums::FILE_NAME);
        let (text, sums) = read_sums(&sums_path)?;
        check_files(&self.dir, &sums)?;
        let statement = Statement::about(Purpose::sha256sums(), &text);
        if let Some(path) = &self.statement {
            write_whole(path, &statement.to_sign())?;
            return Ok(ExitCode::SUCCESS);
        }
        let path = self.dir.join(Sha256Sums::SIGNATURES_NAME);
        let mut signatures = self.present(&path)?;
        let mut signed_by = Vec::new();
        for (key, signature) in self.new_signatures(&statement)? {
            key.verify(&statement, &signature)?;
            signatures.add(key.id(), signature)?;
            signed_by.push(format!("{} {} ({})", key.id(), key.name(), key.kind()));
        }
        write_whole(&path, signatures.to_text().as_bytes())?;
        let files = sums.iter().count();
        if self.json {
            let sha256sums_sha256 = statement.digest().to_string();
            let signed = SignReport { file: path, sha256sums_sha256, files, signed_by };
            serde_json::to_writer_pretty(io::stdout(), &signed)?;
            writeln!(io::stdout())?;
        } else {
            for signer in &signed_by {
                report::say(&format!("signed {files} files with {signer}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the signatures that stay.
    fn present(&self, path: &Path) -> Result<Signatures> {
        if self.force || !path.exists() {
            return Ok(Signatures::new(Purpose::sha256sums()));
        }
        if !self.add {
            let hint = "--add keeps the signatures in it, --force replaces them";
            return Err(Hinted::new(format!("{} is there already", path.display()), hint).into());
        }
        let signatures = Signatures::read(path)?;
        anyhow::ensure!(
            *signatures.purpose() == Purpose::sha256sums(),
            "{} is for {}",
            path.display(),
            signatures.purpose()
        );
        Ok(signatures)
    }

    fn new_signatures(&self, statement: &Statement) -> Result<Vec<(PublicKey, Signature)>> {
        let mut signatures = Vec::new();
        for path in &self.key {
            let key = PrivateKey::read(path)?;
            signatures.push((key.public(), key.sign(statement)));
        }
        for pair in &self.attach {
            let (key, file) = pair.split_once('=').ok_or_else(|| {
                Hinted::new(format!("{pair:?} is not KEY.pub=FILE"), "name a public key and a file")
            })?;
            let data = fs::read(file).with_context(|| format!("failed to read {file}"))?;
            let bytes = <[u8; 64]>::try_from(data)
                .map_err(|data| anyhow::anyhow!("{file} has {} bytes, not 64", data.len()))?;
            signatures.push((PublicKey::read(Path::new(key))?, Signature::from_bytes(bytes)));
        }
        Ok(signatures)
    }
}

fn read_sums(path: &Path) -> Result<(Vec<u8>, Sha256Sums)> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("there is no {}", path.display());
            return Err(Hinted::new(what, "name the folder that `flagstone build` wrote").into());
        }
        text => text.with_context(|| format!("failed to read {}", path.display()))?,
    };
    let sums = Sha256Sums::parse(&text)
        .with_context(|| format!("failed to understand {}", path.display()))?;
    Ok((text, sums))
}

/// Checks that every file that is listed is what the list says: what is signed is what lies there, and stays
/// there whatever happens to the power.
fn check_files(dir: &Path, sums: &Sha256Sums) -> Result<()> {
    for (name, expected) in sums.iter() {
        let path = dir.join(name);
        let context = || format!("failed to read {}", path.display());
        let mut file = File::open(&path).with_context(context)?;
        let mut digest = DigestWriter::new(io::sink());
        io::copy(&mut file, &mut digest).with_context(context)?;
        let (_, _, actual) = digest.finish();
        if actual != expected {
            let what = format!(
                "{} has the wrong digest: expected sha256 {expected}, got {actual}",
                path.display()
            );
            return Err(Hinted::new(what, "build anew: nothing was signed").into());
        }
        file.sync_all().with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// Writes a file whole, or leaves what was there.
fn write_whole(path: &Path, data: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".flagstone-").tempfile_in(dir)?;
        file.write_all(data)?;
        // A temporary file is private; what it becomes is as readable as what it is about.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}
