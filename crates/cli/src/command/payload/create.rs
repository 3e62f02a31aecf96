use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_artifact::ImageVersion;
use flagstone_payload::{Compression, CreateOptions, ReleaseFolder, SLOTS_MAX, create};
use flagstone_signature::{PrivateKey, PublicKey};
use serde::Serialize;

use super::{Signer, mebibytes, print_json, publish, refuse_existing, sign, temporary};
use crate::report;

/// Arguments of `flagstone payload create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Folder of a build, with SHA256SUMS in it
    dir: PathBuf,

    /// Private key to sign with; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present = "statements")]
    key: Vec<PathBuf>,

    /// Sign nothing here, but write what keys on another machine have to sign into PREFIX.metadata and
    /// PREFIX.payload
    #[arg(long = "to-sign", value_name = "PREFIX", conflicts_with = "key")]
    statements: Option<PathBuf>,

    /// How many keys can sign it, now and later [default: as many as sign now, at least one]
    #[arg(long, value_name = "N")]
    slots: Option<usize>,

    /// Folder of an older build: write a delta, which only a machine that runs it can apply; given several
    /// times, a delta from each
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,

    /// File to write [default: `<id>_<version>_<architecture>.payload` in the folder, and with --from
    /// `<id>_<version>_<architecture>.from_<old version>.payload`]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Oldest version that machines may go back to once they run this one
    #[arg(long, value_name = "VERSION")]
    floor: Option<ImageVersion>,

    /// Compress with zstd in place of xz: faster to apply, but not every public reader knows it
    #[arg(long)]
    zstd: bool,

    /// Replace a payload that is there already
    #[arg(long)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Created {
    file: PathBuf,
    bytes: u64,
    release: String,
    root_hash: String,
    metadata_sha256: String,
    payload_sha256: String,
    slots: usize,
    signed_by: Vec<Signer>,
}

impl Create {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let keys = self.key.iter().map(|path| PrivateKey::read(path));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let slots = self.slots.unwrap_or(keys.len().max(1));
        if !(1..=SLOTS_MAX).contains(&slots) || slots < keys.len() {
            anyhow::bail!("--slots is a number from {} to {SLOTS_MAX}", keys.len().max(1));
        }
        if self.from.len() > 1 && (self.output.is_some() || self.statements.is_some()) {
            anyhow::bail!("--output and --to-sign name files of one payload: give --from once");
        }
        let mut folder = ReleaseFolder::open(&self.dir)?;
        folder.release.version_floor.clone_from(&self.floor);
        let old = self.from.iter().map(|dir| ReleaseFolder::open(dir));
        let old = old.collect::<Result<Vec<_>, _>>()?;
        let paths = self.paths(&folder, &old)?;
        let from = if old.is_empty() { vec![None] } else { old.iter().map(Some).collect() };
        let made = from.into_iter().zip(paths);
        let created = made.map(|(old, path)| self.create(&folder, old, path, slots, &keys));
        let created = created.collect::<Result<Vec<_>>>()?;
        match created.as_slice() {
            [one] if self.json => print_json(one)?,
            all if self.json => print_json(&all)?,
            all => all.iter().for_each(Created::report),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the file of each payload; none that is there already, and none twice.
    fn paths(&self, folder: &ReleaseFolder, old: &[ReleaseFolder]) -> Result<Vec<PathBuf>> {
        let release = &folder.release.image;
        let delta = |old: &ReleaseFolder| {
            let from = &old.release.image.version;
            self.dir.join(format!("{release}.from_{from}.payload"))
        };
        let paths: Vec<PathBuf> = match &self.output {
            Some(path) => vec![path.clone()],
            None if old.is_empty() => vec![self.dir.join(format!("{release}.payload"))],
            None => old.iter().map(delta).collect(),
        };
        let mut seen = BTreeSet::new();
        for path in &paths {
            refuse_existing(path, self.force)?;
            if !seen.insert(path) {
                anyhow::bail!(
                    "{} would be written twice: --from names a version twice",
                    path.display()
                );
            }
        }
        Ok(paths)
    }

    /// Writes one payload.
    fn create(
        &self,
        folder: &ReleaseFolder,
        old: Option<&ReleaseFolder>,
        path: PathBuf,
        slots: usize,
        keys: &[PrivateKey],
    ) -> Result<Created> {
        let compression = if self.zstd { Compression::Zstd } else { Compression::Xz };
        let file = temporary(&path)?;
        let spool = tempfile::tempfile_in(super::folder(&path))
            .with_context(|| format!("failed to write into {}", super::folder(&path).display()))?;
        let options = CreateOptions { compression, slots };
        create(folder, old, options, &spool, file.as_file())?;
        let signable = sign::sign(file.path(), file.as_file(), keys, &[], false)?;
        let bytes = file.as_file().metadata().map_or(0, |metadata| metadata.len());
        if let Some(prefix) = &self.statements {
            sign::write_statements(prefix, &signable)?;
        }
        publish(file, &path, self.force)?;
        let public: Vec<PublicKey> = keys.iter().map(PrivateKey::public).collect();
        Ok(Created {
            file: path,
            bytes,
            release: folder.release.image.to_string(),
            root_hash: folder.release.root_hash.to_string(),
            metadata_sha256: signable.metadata().digest().to_string(),
            payload_sha256: signable.payload().digest().to_string(),
            slots: signable.slots(),
            signed_by: Signer::all(&public),
        })
    }
}

impl Created {
    fn report(&self) {
        report::say(&format!("wrote {} ({})", self.file.display(), mebibytes(self.bytes)));
        for signer in &self.signed_by {
            report::say(&format!("signed with {}", signer.line()));
        }
        if self.signed_by.is_empty() {
            report::note("nobody has signed it yet: use `flagstone payload sign --attach`");
        }
    }
}
