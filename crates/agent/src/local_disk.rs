use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, ioctl_blksszget};
use rustix::io::Errno;

use crate::{Device, InstallError};

/// The size of sectors that images are made for, in bytes.
const SECTOR: u32 = 512;
/// How many zeros are written at a time.
const ZEROS: usize = 1 << 20;

/// A disk of this machine, or a regular file in place of one; opened for nobody else.
#[derive(Debug)]
pub struct LocalDisk {
    file: File,
    path: PathBuf,
    size_bytes: u64,
    is_block_device: bool,
    /// Whether the system can make ranges zero by itself.
    can_punch: bool,
    can_zero: bool,
}

impl LocalDisk {
    /// Opens a disk.
    ///
    /// # Errors
    /// [`InstallError::InUse`] if the kernel holds it, [`InstallError::OpenDisk`],
    /// [`InstallError::Sectors`] if its sectors are not those of the image.
    pub fn open(path: &Path) -> Result<Self, InstallError> {
        let failed = |source| InstallError::OpenDisk { disk: path.to_owned(), source };
        // On a block device, O_EXCL without O_CREAT asks that nothing else holds it: no mount, no
        // swap, no mapper, no partition that is one of these (open(2)).
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let mut file = File::from(opened.map_err(|error| match error {
            Errno::BUSY => InstallError::InUse {
                disk: path.to_owned(),
                reason: "the kernel says that something holds it".to_owned(),
            },
            error => failed(error.into()),
        })?);
        let kind = file.metadata().map_err(failed)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(InstallError::NoDisk { disk: path.to_owned() });
        }
        if kind.is_block_device() {
            let sector = ioctl_blksszget(&file).map_err(|error| failed(error.into()))?;
            if sector != SECTOR {
                return Err(InstallError::Sectors { disk: path.to_owned(), actual: sector });
            }
        }
        let size_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            size_bytes,
            is_block_device: kind.is_block_device(),
            can_punch: true,
            can_zero: true,
        })
    }

    /// Closes the disk and has the kernel read its partition table, with util-linux' `blockdev`.
    /// Returns whether it did; if not, the next boot will.
    pub fn close(self) -> bool {
        let Self { file, path, is_block_device, .. } = self;
        drop(file);
        let reread = || {
            let mut command = Command::new("blockdev");
            command.arg("--rereadpt").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        // Whoever watches disks looks at this one just now, and for a moment holds it.
        !is_block_device
            || (0..5).any(|n| {
                std::thread::sleep(std::time::Duration::from_millis(200 * n));
                reread()
            })
    }

    fn ask(&self, flags: FallocateFlags, offset: u64, len: u64) -> bool {
        fallocate(&self.file, flags | FallocateFlags::KEEP_SIZE, offset, len).is_ok()
    }
}

impl Device for LocalDisk {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    /// A hole is punched if that is certain to read as zeros: always in a file; on a disk, Linux
    /// refuses it unless the disk promises so (`BLKDEV_ZERO_NOFALLBACK`), unlike a plain discard. Else
    /// the kernel is asked to write zeros, and else they are written here.
    fn zero(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.can_punch = self.can_punch && self.ask(FallocateFlags::PUNCH_HOLE, offset, len);
        if self.can_punch {
            return Ok(());
        }
        self.can_zero = self.can_zero && self.ask(FallocateFlags::ZERO_RANGE, offset, len);
        if self.can_zero {
            return Ok(());
        }
        let zeros = vec![0; ZEROS];
        let (mut at, end) = (offset, offset.saturating_add(len));
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
            self.write_at(at, &zeros[..count])?;
            at += count as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}
