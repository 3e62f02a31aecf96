use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_signature::{
    KeyId, PublicKey, REVOKED_FILE, THRESHOLD_FILE, TrustedKeys, read_trusted_keys,
};

use super::read;
use crate::report::{self, Hinted};

/// Arguments of `flagstone keys rotate`.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Folder of the keys that machines trust
    dir: PathBuf,

    /// Key to trust from now on; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present_any = ["revoke", "threshold"])]
    add: Vec<PathBuf>,

    /// Id of a key to trust no more; may be given several times
    #[arg(long, value_name = "ID")]
    revoke: Vec<KeyId>,

    /// How many keys must sign from now on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threshold: Option<u8>,
}

impl Rotate {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let added = self.add.iter().map(|file| Ok(read(file)?.0)).collect::<Result<Vec<_>>>()?;
        // The whole result is tried before any of it is there.
        let trial = tempfile::tempdir()?;
        for entry in fs::read_dir(&self.dir).with_context(|| failed("read", &self.dir))? {
            let path = entry?.path();
            let public = path.extension().is_some_and(|extension| extension == "pub");
            let name = path.file_name().unwrap_or_default();
            if public || name == THRESHOLD_FILE || name == REVOKED_FILE {
                fs::copy(&path, trial.path().join(name)).with_context(|| failed("read", &path))?;
            }
        }
        self.change(trial.path(), &added)?;
        let keys = read_trusted_keys(trial.path()).context("machines would trust nobody")?;
        self.change(&self.dir, &added)?;
        for key in &added {
            report::say(&format!("trusted: {} {}", key.id(), key.name()));
        }
        for id in &self.revoke {
            report::say(&format!("trusted no more: {id}"));
        }
        report::say(&format!("{} of {} keys must sign", keys.threshold(), keys.keys().count()));
        if !added.is_empty() {
            report::note(
                "machines know this with the next release, which the keys of before have to sign; revoke \
                 those only in a release after it",
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes what is new into a folder; what is trusted more first, so that no moment trusts nobody.
    fn change(&self, dir: &Path, added: &[PublicKey]) -> Result<()> {
        for key in added {
            let path = dir.join(format!("{}.pub", key.name()));
            if path.exists() && PublicKey::read(&path)?.id() != key.id() {
                let what = format!("{} is another key of the same name", path.display());
                return Err(Hinted::new(what, "give each key a name of its own").into());
            }
            replace(&path, key.to_text().as_bytes())?;
        }
        if let Some(threshold) = self.threshold {
            replace(&dir.join(THRESHOLD_FILE), format!("{threshold}\n").as_bytes())?;
        }
        if self.revoke.is_empty() {
            return Ok(());
        }
        let path = dir.join(REVOKED_FILE);
        let mut revoked = match fs::read(&path) {
            Ok(text) => TrustedKeys::parse_revoked(&text).with_context(|| failed("read", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(error).with_context(|| failed("read", &path)),
        };
        revoked.extend(&self.revoke);
        let mut text = format!("{REVOKED_MAGIC}\n");
        for id in &revoked {
            text.push_str(&id.to_string());
            text.push('\n');
        }
        replace(&path, text.as_bytes())
    }
}

/// The first line of a list of revoked keys.
const REVOKED_MAGIC: &str = "flagstone revoked keys 1";

/// Replaces a file by a whole one.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".flagstone-").tempfile_in(dir)?;
        io::Write::write_all(&mut file, content)?;
        file.as_file().sync_all()?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error)?;
        io::Result::Ok(())
    };
    write().with_context(|| failed("write", path))
}

fn failed(action: &str, path: &Path) -> String {
    format!("failed to {action} {}", path.display())
}
