use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_disk::{GrownTable, TABLE_START_BYTES, TableEntry, grow_table};

use crate::oem::OEM_LABEL;
use crate::{Device, ImageSource, InstallError, OemFiles, Progress, Step};

/// How much is read and written at a time, and held back at the image's start.
const CHUNK: usize = 1 << 20;
const CHUNK_BYTES: u64 = CHUNK as u64;
/// The backup table at an image's end: 32 sectors of entries and the header.
const BACKUP_BYTES: u64 = 33 * 512;
/// What is written last, in one go: protective MBR, primary header, the first entries.
const LAST_BYTES: usize = 4096;
/// After how many bytes it is made sure that they are durable: what waits in memory stays bounded,
/// and a disk that fails does so while it is written.
const SYNC_BYTES: u64 = 256 << 20;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenImage {
    /// The length of the image.
    pub image_bytes: u64,
    /// Its digest.
    pub digest: Sha256Digest,
}

/// Writes an image to a disk in the order that the crate's documentation gives.
///
/// # Errors
/// [`InstallError::TooSmall`] and [`InstallError::ImageSize`] before anything is written. Everything
/// else is inside [`InstallError::Stopped`]: the disk then has no partition table.
pub fn write_image(
    device: &mut dyn Device,
    source: &mut dyn ImageSource,
    expected: Option<Sha256Digest>,
    oem: &OemFiles,
    progress: &dyn Progress,
) -> Result<WrittenImage, InstallError> {
    let (image_bytes, disk_bytes) = (source.len_bytes(), device.size_bytes());
    if image_bytes < 2 * CHUNK_BYTES || !image_bytes.is_multiple_of(512) {
        return Err(InstallError::ImageSize { image_bytes });
    }
    if disk_bytes < image_bytes {
        return Err(InstallError::TooSmall { image_bytes, disk_bytes });
    }
    let mut writer = Writer { device, progress, since_sync: 0 };
    let result = writer.write_all(source, expected, oem);
    result.map_err(|source| {
        let cleared = writer.clear().is_ok();
        InstallError::Stopped { cleared, source: Box::new(source) }
    })
}

struct Writer<'a> {
    device: &'a mut dyn Device,
    progress: &'a dyn Progress,
    since_sync: u64,
}

impl Writer<'_> {
    fn write_all(
        &mut self,
        source: &mut dyn ImageSource,
        expected: Option<Sha256Digest>,
        oem: &OemFiles,
    ) -> Result<WrittenImage, InstallError> {
        self.progress.step(Step::Clearing);
        self.clear()?;
        self.progress.step(Step::Writing);
        let image_bytes = source.len_bytes();
        let (mut start, digest) = self.write_body(source)?;
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(InstallError::WrongDigest { expected, actual: digest });
        }
        self.progress.step(Step::Finishing);
        let table = grow_table(&start, self.device.size_bytes())
            .map_err(|source| InstallError::Table { source })?;
        check_partitions(&table, image_bytes)?;
        if !oem.is_empty() {
            self.write_oem(oem, &table)?;
        }
        start[..TABLE_START_BYTES].copy_from_slice(&table.start);
        self.write_table(&start, &table)?;
        Ok(WrittenImage { image_bytes, digest })
    }

    /// Writes zeros to the first and the last mebibyte: partition tables, boot sectors, and what file
    /// systems, RAID and LVM are known by.
    fn clear(&mut self) -> Result<(), InstallError> {
        let end = self.device.size_bytes();
        let zeros = vec![0; CHUNK];
        self.write(0, &zeros)?;
        self.write(end.saturating_sub(CHUNK_BYTES), &zeros)?;
        self.sync()
    }

    /// Writes the image but for its first chunk, which is returned, and its backup table.
    fn write_body(
        &mut self,
        source: &mut dyn ImageSource,
    ) -> Result<(Vec<u8>, Sha256Digest), InstallError> {
        let image_bytes = source.len_bytes();
        let body_end = image_bytes - BACKUP_BYTES;
        let mut hasher = Sha256Hasher::new();
        let mut start = vec![0; CHUNK];
        fill_whole(source, &mut start)?;
        hasher.update(&start);
        let mut chunk = vec![0; CHUNK];
        let mut at = CHUNK_BYTES;
        // Zeros that are not written yet end at `at`.
        let mut zeros = 0;
        while at < image_bytes {
            let len = usize::try_from(image_bytes - at).unwrap_or(CHUNK).min(CHUNK);
            let data = &mut chunk[..len];
            fill_whole(source, data)?;
            hasher.update(data);
            let kept = usize::try_from(body_end.saturating_sub(at)).unwrap_or(CHUNK).min(len);
            data[kept..].fill(0);
            if is_zero(data) {
                zeros += len as u64;
            } else {
                self.zero(at - zeros, zeros)?;
                zeros = 0;
                self.write(at, data)?;
            }
            at += len as u64;
            self.progress.written(at, image_bytes);
        }
        self.zero(at - zeros, zeros)?;
        let mut more = [0];
        if source.fill(&mut more)? != 0 {
            return Err(InstallError::Length { expected: image_bytes, actual: None });
        }
        Ok((start, hasher.finish()))
    }

    fn write_oem(&mut self, oem: &OemFiles, table: &GrownTable) -> Result<(), InstallError> {
        let partition = table.table.entries.iter().find(|entry| entry.label == OEM_LABEL);
        let partition = partition.ok_or(InstallError::NoOem)?;
        let image = oem.build(partition).map_err(|source| InstallError::OemContent { source })?;
        self.zero(partition.offset_bytes, partition.size_bytes)?;
        for (offset, data) in image.extents() {
            self.write(partition.offset_bytes + offset, data)?;
        }
        Ok(())
    }

    /// Makes the disk one with partitions, in the last of its writes.
    fn write_table(&mut self, start: &[u8], table: &GrownTable) -> Result<(), InstallError> {
        let (last, rest) = start.split_at(LAST_BYTES);
        self.write(LAST_BYTES as u64, rest)?;
        self.write(table.end_offset, &table.end)?;
        self.sync()?;
        self.write(0, last)?;
        self.sync()
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), InstallError> {
        let written = self.device.write_at(offset, data);
        written.map_err(|source| InstallError::Write { offset, source })?;
        self.count(data.len() as u64)
    }

    fn zero(&mut self, offset: u64, len: u64) -> Result<(), InstallError> {
        if len == 0 {
            return Ok(());
        }
        let written = self.device.zero(offset, len);
        written.map_err(|source| InstallError::Write { offset, source })?;
        self.count(len)
    }

    fn count(&mut self, bytes: u64) -> Result<(), InstallError> {
        self.since_sync += bytes;
        if self.since_sync < SYNC_BYTES { Ok(()) } else { self.sync() }
    }

    fn sync(&mut self) -> Result<(), InstallError> {
        self.since_sync = 0;
        self.device.sync().map_err(|source| InstallError::Sync { source })
    }
}

/// Fills the buffer, of which the source has promised to have as much.
fn fill_whole(source: &mut dyn ImageSource, buffer: &mut [u8]) -> Result<(), InstallError> {
    match source.fill(buffer)? {
        count if count == buffer.len() => Ok(()),
        count => {
            let expected = source.len_bytes();
            Err(InstallError::Length { expected, actual: Some(count as u64) })
        }
    }
}

fn is_zero(data: &[u8]) -> bool {
    // Blocks without an early exit inside are what compilers turn into wide instructions.
    data.chunks(4096).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Refuses a table that has a partition where the image's backup table is, which is not written.
fn check_partitions(table: &GrownTable, image_bytes: u64) -> Result<(), InstallError> {
    let end = image_bytes - BACKUP_BYTES;
    let beyond = |entry: &&TableEntry| entry.offset_bytes + entry.size_bytes > end;
    match table.table.entries.iter().find(beyond) {
        None => Ok(()),
        Some(entry) => Err(InstallError::Beyond { label: entry.label.clone() }),
    }
}

#[cfg(test)]
#[path = "write_image_tests.rs"]
mod tests;
