use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use flagstone_artifact::Sha256Digest;
use flagstone_fetch::Transport;
use serde::Serialize;

use crate::download::read_short;
use crate::{
    DiskFacts, Download, IGNITION_MAX, IgnitionConfig, InstallError, LocalDisk, Location, Machine,
    OemFiles, Patience, PlatformId, Progress, Signer, Trust, VerifiedImage, write_image,
};

/// What to install, and where.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The disk, or a regular file in place of one.
    pub disk: PathBuf,
    /// The disk image.
    pub image: Location,
    /// What is believed about it.
    pub trust: Trust,
    /// The machine's Ignition file.
    pub ignition: Option<Location>,
    /// The digest that it must have.
    pub ignition_digest: Option<Sha256Digest>,
    /// What the machine is.
    pub platform: Option<PlatformId>,
    /// How often broken connections are made again.
    pub patience: Patience,
}

/// What was installed.
#[derive(Clone, Debug, Serialize)]
pub struct InstallReport {
    /// The disk.
    pub disk: PathBuf,
    /// Its size.
    pub disk_bytes: u64,
    /// The image.
    pub image: String,
    /// Its length.
    pub image_bytes: u64,
    /// Its digest.
    pub image_sha256: Sha256Digest,
    /// Who vouches for it; nobody if no signature was asked for.
    pub signed_by: Vec<Signer>,
    /// The digest of the Ignition file, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignition_sha256: Option<Sha256Digest>,
    /// What the machine is, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Whether the kernel knows the new partitions already.
    pub partitions_read: bool,
    /// How long writing took.
    pub seconds: f64,
}

impl Installation {
    /// Checks the disk: `None` for a regular file. Does not write to the disk.
    ///
    /// # Errors
    /// As [`Machine::check`]; [`InstallError::NoDisk`].
    pub fn check_disk(&self, machine: &Machine) -> Result<Option<DiskFacts>, InstallError> {
        let disk = resolved(&self.disk)?;
        let failed = |source| InstallError::OpenDisk { disk: self.disk.clone(), source };
        let metadata = fs::metadata(&disk).map_err(failed)?;
        if metadata.is_file() {
            return Ok(None);
        }
        if !metadata.file_type().is_block_device() {
            return Err(InstallError::NoDisk { disk: self.disk.clone() });
        }
        let number = metadata.rdev();
        let number = (rustix::fs::major(number), rustix::fs::minor(number));
        machine.check(&self.disk, number).map(Some)
    }

    /// Installs: verifies who vouches for the image, checks all that can be checked, then writes.
    ///
    /// # Errors
    /// Any [`InstallError`]; the disk is untouched unless it is [`InstallError::Stopped`].
    pub fn run(
        &self,
        machine: &Machine,
        transport: &dyn Transport,
        progress: &dyn Progress,
    ) -> Result<InstallReport, InstallError> {
        let image = VerifiedImage::find(
            self.image.clone(),
            &self.trust,
            transport,
            self.patience,
            progress,
        )?;
        let oem = self.oem_files(transport, progress)?;
        let mut source = Download::open(&image.location, transport, self.patience, progress)?;
        // Once more: a question to a person may lie between the first time and this.
        self.check_disk(machine)?;
        let mut disk = LocalDisk::open(&resolved(&self.disk)?)?;
        let begin = Instant::now();
        let disk_bytes = crate::Device::size_bytes(&disk);
        let written = write_image(&mut disk, &mut source, image.digest, &oem, progress)?;
        let seconds = begin.elapsed().as_secs_f64();
        let partitions_read = disk.close();
        if !partitions_read {
            progress.warn("the kernel still has the old partition table: restart before using it");
        }
        Ok(InstallReport {
            disk: self.disk.clone(),
            disk_bytes,
            image: image.location.to_string(),
            image_bytes: written.image_bytes,
            image_sha256: written.digest,
            signed_by: image.signers,
            ignition_sha256: oem.ignition.as_ref().map(IgnitionConfig::digest),
            platform: oem.platform.as_ref().map(ToString::to_string),
            partitions_read,
            seconds,
        })
    }

    fn oem_files(
        &self,
        transport: &dyn Transport,
        progress: &dyn Progress,
    ) -> Result<OemFiles, InstallError> {
        let mut files = OemFiles { ignition: None, platform: self.platform.clone() };
        if let Some(location) = &self.ignition {
            let data = read_short(location, transport, IGNITION_MAX, self.patience, progress)?
                .ok_or_else(|| InstallError::Missing { location: location.clone() })?;
            files.ignition = Some(IgnitionConfig::new(data, self.ignition_digest)?);
        }
        Ok(files)
    }
}

/// Follows links such as those below `/dev/disk`.
fn resolved(disk: &Path) -> Result<PathBuf, InstallError> {
    fs::canonicalize(disk)
        .map_err(|source| InstallError::OpenDisk { disk: disk.to_owned(), source })
}
