use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flagstone_disk::PartitionType;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::disk::{SystemDisk, UpdateDisk};
use super::error::UpdateError;

/// The EFI system partition, mounted for as long as this lives, in a place of its own: where else it is
/// mounted, and whether, does not matter.
#[derive(Debug)]
pub struct Esp {
    folder: PathBuf,
}

impl Esp {
    /// Mounts the EFI system partition of a disk.
    ///
    /// # Errors
    /// [`UpdateError::Mount`], [`UpdateError::Slots`] if there is none.
    pub fn mount(disk: &mut SystemDisk, folder: &Path) -> Result<Self, UpdateError> {
        let failed = |source: io::Error| UpdateError::Mount { source };
        let table = disk.table()?;
        let kind = PartitionType::Esp.guid();
        let entry = table.entries.iter().find(|entry| entry.type_guid == kind);
        let entry = entry.ok_or(UpdateError::Slots { rule: "there is an EFI system partition" })?;
        let device = disk.partition(entry.number)?;
        fs::create_dir_all(folder).map_err(failed)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let options = c"umask=0077,errors=remount-ro";
        mount(&device, folder, "vfat", flags, options).map_err(|error| failed(error.into()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Esp {
    fn drop(&mut self) {
        // What matters was made durable by whoever wrote it.
        let _ = unmount(&self.folder, UnmountFlags::empty());
    }
}
