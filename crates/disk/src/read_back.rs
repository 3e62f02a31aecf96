use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use fatfs::{FileSystem, FsOptions};

use crate::{EspPath, FatError, SparseImage};

/// Reads every file of an EFI system partition back through another implementation of FAT, the
/// crate `fatfs`, and compares.
///
/// Firmware has one try at this file system, so the build does not take its own word for it. Does
/// not write to the image.
///
/// # Errors
/// [`FatError::ReadBack`] with what did not come back as it went in.
pub fn read_back(esp: &SparseImage, files: &[(EspPath, Bytes)]) -> Result<(), FatError> {
    let error = |path: &str| {
        let path = path.to_owned();
        move |error: io::Error| FatError::ReadBack { path, reason: error.to_string() }
    };
    let image = ReadOnly { image: esp, at: 0 };
    let options = FsOptions::new().update_accessed_date(false);
    let volume = FileSystem::new(image, options).map_err(error(""))?;
    let root = volume.root_dir();
    for (path, expected) in files {
        let compare = || -> io::Result<()> {
            let mut actual = Vec::with_capacity(expected.len());
            let limit = expected.len() as u64 + 1;
            root.open_file(path.as_str())?.take(limit).read_to_end(&mut actual)?;
            if actual == *expected { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
        };
        compare().map_err(error(path.as_str()))?;
    }
    Ok(())
}

/// A sparse image as a disk that takes no writes.
struct ReadOnly<'a> {
    image: &'a SparseImage,
    at: u64,
}

impl Read for ReadOnly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.image.len().saturating_sub(self.at)).unwrap_or(usize::MAX);
        let extents = self.image.extents();
        let next = extents.partition_point(|(offset, data)| offset + data.len() as u64 <= self.at);
        let mut count = buffer.len().min(left);
        match extents.get(next) {
            Some((offset, data)) if *offset <= self.at => {
                let skip = usize::try_from(self.at - offset).map_err(io::Error::other)?;
                count = count.min(data.len() - skip);
                buffer[..count].copy_from_slice(&data[skip..skip + count]);
            }
            hole => {
                let end = hole.map_or(self.image.len(), |(offset, _)| *offset);
                count = count.min(usize::try_from(end - self.at).unwrap_or(usize::MAX));
                buffer[..count].fill(0);
            }
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for ReadOnly<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.image.len().checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for ReadOnly<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EspOptions, build_esp};

    fn sample() -> (SparseImage, Vec<(EspPath, Bytes)>) {
        let files: Vec<(EspPath, Bytes)> = [
            ("EFI/BOOT/BOOTX64.EFI", vec![1; 5000]),
            ("EFI/Linux/base_0.1.0+3.efi", (0..=255).cycle().take(300_000).collect()),
            ("loader/loader.conf", b"timeout 0\n".to_vec()),
            ("loader/empty", Vec::new()),
        ]
        .into_iter()
        .map(|(path, data)| (path.parse().unwrap(), Bytes::from(data)))
        .collect();
        let options = EspOptions {
            size_bytes: 64 << 20,
            volume_id: 7,
            label: "ESP".to_owned(),
            source_date: 1_700_000_000,
        };
        (build_esp(&files, &options).unwrap(), files)
    }

    #[test]
    fn another_implementation_reads_what_was_written() {
        let (esp, files) = sample();
        read_back(&esp, &files).unwrap();
    }

    #[test]
    fn a_file_that_differs_or_is_missing_is_found() {
        let (esp, mut files) = sample();
        files[1].1 = Bytes::from_static(b"other");
        assert!(matches!(read_back(&esp, &files), Err(FatError::ReadBack { .. })));
        files[1] = ("EFI/Linux/none.efi".parse().unwrap(), Bytes::new());
        assert!(matches!(read_back(&esp, &files), Err(FatError::ReadBack { .. })));
        let broken = SparseImage::new(esp.len(), Vec::new()).unwrap();
        assert!(matches!(read_back(&broken, &files), Err(FatError::ReadBack { .. })));
    }
}
