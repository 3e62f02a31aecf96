use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flagstone_disk::{
    DiskTable, GrownTable, PartitionName, TableEntry, read_table, rename_partitions,
};
use flagstone_payload::{FileTarget, Target};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::error::UpdateError;
use super::running::partition;

/// What an update needs of a disk. A trait, so that tests can let it fail at any point.
pub trait UpdateDisk {
    /// Reads the partition table.
    ///
    /// # Errors
    /// [`UpdateError::Table`].
    fn table(&mut self) -> Result<DiskTable, UpdateError>;

    /// Renames partitions; durable when it returns.
    ///
    /// # Errors
    /// [`UpdateError::Table`], [`UpdateError::WriteTable`]: one copy of the table then is the old or
    /// the new one.
    fn rename(&mut self, names: &[PartitionName]) -> Result<(), UpdateError>;

    /// Opens a partition for writing that nothing else uses.
    ///
    /// # Errors
    /// [`UpdateError::Open`].
    fn open(&mut self, entry: &TableEntry) -> Result<Box<dyn Target>, UpdateError>;

    /// Opens a partition for reading.
    ///
    /// # Errors
    /// [`UpdateError::Open`].
    fn read(&mut self, entry: &TableEntry) -> Result<File, UpdateError>;
}

/// A disk of this machine.
#[derive(Debug)]
pub struct SystemDisk {
    root: PathBuf,
    name: String,
}

impl SystemDisk {
    /// Names a disk as the kernel does; `root` is where `dev` and `sys` lie.
    pub fn new(root: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self { root: root.into(), name: name.into() }
    }

    /// Returns the device of a partition.
    ///
    /// # Errors
    /// [`UpdateError::Open`], [`UpdateError::Read`].
    pub fn partition(&self, number: u32) -> Result<PathBuf, UpdateError> {
        Ok(self.root.join("dev").join(partition(&self.root, &self.name, number)?))
    }

    /// Opens the disk and holds the lock by which udev leaves it alone.
    fn whole(&self, writes: bool) -> Result<File, UpdateError> {
        let path = self.root.join("dev").join(&self.name);
        let opened = File::options().read(true).write(writes).open(&path).and_then(|file| {
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        opened.map_err(|source| UpdateError::Read { path, source })
    }
}

impl UpdateDisk for SystemDisk {
    fn table(&mut self) -> Result<DiskTable, UpdateError> {
        read_table(&mut self.whole(false)?).map_err(|source| UpdateError::Table { source })
    }

    fn rename(&mut self, names: &[PartitionName]) -> Result<(), UpdateError> {
        let mut file = self.whole(true)?;
        let table = rename_partitions(&mut file, names);
        let table = table.map_err(|source| UpdateError::Table { source })?;
        write_table(&file, &table).map_err(|source| UpdateError::WriteTable { source })
    }

    fn open(&mut self, entry: &TableEntry) -> Result<Box<dyn Target>, UpdateError> {
        let path = self.partition(entry.number)?;
        let target = open_alone(&path).and_then(FileTarget::new);
        let target = target.map_err(|source| UpdateError::Open { number: entry.number, source })?;
        Ok(Box::new(target))
    }

    fn read(&mut self, entry: &TableEntry) -> Result<File, UpdateError> {
        let path = self.partition(entry.number)?;
        File::open(path).map_err(|source| UpdateError::Open { number: entry.number, source })
    }
}

/// Writes both copies of a table, the backup first: one of them is whole at any moment.
pub(super) fn write_table(file: &File, table: &GrownTable) -> io::Result<()> {
    // The protective MBR, without which no table is looked for, stays as it is.
    const MBR: usize = 512;
    file.write_all_at(&table.end, table.end_offset)?;
    file.sync_all()?;
    file.write_all_at(&table.start[MBR..], MBR as u64)?;
    file.sync_all()
}

/// Opens a device that nothing holds: no mount, no mapper (`O_EXCL` of open(2) for block devices).
fn open_alone(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}
