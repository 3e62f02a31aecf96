use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_payload::{FileTarget, Sources, Targets, apply};
use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::{Signer, open, print_json, publish, read_verified, refuse_existing, temporary};
use crate::report::{self, Hinted};

/// Arguments of `flagstone payload apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Payload, or `-` for standard input
    file: PathBuf,

    /// Folder of the trusted keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,

    /// File or partition that becomes /usr
    #[arg(long, value_name = "TARGET")]
    usr: PathBuf,

    /// File that becomes the unified kernel image
    #[arg(long, value_name = "TARGET")]
    uki: PathBuf,

    /// File or partition that becomes the hash tree of /usr
    #[arg(long, value_name = "TARGET")]
    verity: Option<PathBuf>,

    /// The old usr image or partition, which a delta is made from
    #[arg(long, value_name = "FILE", requires = "old_uki")]
    old_usr: Option<PathBuf>,

    /// The old unified kernel image, which a delta is made from
    #[arg(long, value_name = "FILE", requires = "old_usr")]
    old_uki: Option<PathBuf>,

    /// Write to targets that are block devices, whatever they hold
    #[arg(long)]
    devices: bool,

    /// Replace targets that are files
    #[arg(long)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    release: String,
    root_hash: String,
    usr_bytes: u64,
    uki_bytes: u64,
    verity_bytes: u64,
    signed_by: Vec<Signer>,
}

impl Apply {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut source = open(&self.file)?;
        let metadata = read_verified(&mut source, &self.keys)?;
        let open_old = |path: &Path| {
            File::open(path).with_context(|| format!("failed to open {}", path.display()))
        };
        let old_usr = self.old_usr.as_deref().map(open_old).transpose()?;
        let old_uki = self.old_uki.as_deref().map(open_old).transpose()?;
        let old = old_usr.as_ref().zip(old_uki.as_ref()).map(|(usr, uki)| Sources { usr, uki });
        let [mut usr, mut uki] = [self.open(&self.usr)?, self.open(&self.uki)?];
        let mut verity = self.verity.as_ref().map(|path| self.open(path)).transpose()?;
        let mut targets = Targets {
            usr: &mut usr.target,
            uki: &mut uki.target,
            verity: verity.as_mut().map(|opened| &mut opened.target as _),
        };
        let applied = apply(&metadata, source, old, &mut targets, None, &mut |_| {})?;
        let named = [(Some(usr), Some(&self.usr)), (Some(uki), Some(&self.uki))];
        for (opened, path) in named.into_iter().chain([(verity, self.verity.as_ref())]) {
            if let (Some(Opened { file: Some(file), .. }), Some(path)) = (opened, path) {
                publish(file, path, self.force)?;
            }
        }
        let release = &metadata.manifest().release;
        let report = Report {
            release: release.image.to_string(),
            root_hash: release.root_hash.to_string(),
            usr_bytes: applied.usr_bytes,
            uki_bytes: applied.uki_bytes,
            verity_bytes: applied.verity_bytes,
            signed_by: Signer::all(&applied.signers),
        };
        if self.json {
            print_json(&report)?;
        } else {
            report::say(&format!("applied {}, root hash {}", report.release, report.root_hash));
            for signer in &report.signed_by {
                report::say(&format!("signed by {}", signer.line()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Opens a target: a block device as it is, a file under another name until all is well.
    fn open(&self, path: &Path) -> Result<Opened> {
        let context = || format!("failed to open {}", path.display());
        let is_device = path.metadata().is_ok_and(|m| m.file_type().is_block_device());
        if is_device && !self.devices {
            let what = format!("{} is a block device", path.display());
            return Err(Hinted::new(what, "say --devices to write to it").into());
        }
        if is_device {
            // With O_EXCL the kernel refuses a device that something holds (open(2)).
            let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
            let target = FileTarget::new(File::from(file.with_context(context)?));
            return Ok(Opened { target: target.with_context(context)?, file: None });
        }
        if path.exists() && !path.is_file() {
            anyhow::bail!("{} is neither a file nor a block device", path.display());
        }
        refuse_existing(path, self.force)?;
        let file = temporary(path)?;
        let target = FileTarget::new(file.reopen().with_context(context)?);
        Ok(Opened { target: target.with_context(context)?, file: Some(file) })
    }
}

/// A target, and the file that gets its name at the end.
struct Opened {
    target: FileTarget,
    file: Option<NamedTempFile>,
}
