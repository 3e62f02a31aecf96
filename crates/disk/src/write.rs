use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::table::write_table;
use crate::{Content, DiskError, Layout, Partition, Role, SparseImage};

/// How much is read from a stream at a time, in bytes.
const CHUNK: usize = 1 << 20;
/// Zeros are left out in pieces of this size, in bytes: the block size of common file systems.
const HOLE: usize = 4096;
const ZEROS: [u8; HOLE] = [0; HOLE];

/// Writes a disk: the partition table and the contents of the partitions; zeros are skipped.
///
/// The disk must read as zeros wherever it is not written: it is a fresh file (which this makes as
/// long as the layout says, with holes) or a discarded device.
///
/// # Errors
/// [`DiskError::ContentTooLong`] before anything is written; [`DiskError::Read`],
/// [`DiskError::ContentLength`], [`DiskError::Write`], [`DiskError::WriteTable`].
pub fn write_disk<D: Read + Write + Seek>(
    layout: &Layout,
    contents: BTreeMap<Role, Content<'_>>,
    disk: &mut D,
) -> Result<(), DiskError> {
    check_lengths(layout, &contents)?;
    write_table(&layout.table(), layout.size_bytes(), disk)?;
    for (role, content) in contents {
        let partition = layout.partition(role);
        match content {
            Content::Sparse(image) => write_sparse(partition, image, disk)?,
            Content::Stream { reader, len_bytes } => {
                write_stream(partition, reader, len_bytes, disk)?;
            }
        }
    }
    disk.flush().map_err(|source| DiskError::Write { offset: layout.size_bytes(), source })
}

/// Refuses contents that are longer than their partitions.
pub(crate) fn check_lengths(
    layout: &Layout,
    contents: &BTreeMap<Role, Content<'_>>,
) -> Result<(), DiskError> {
    for (&role, content) in contents {
        let (len_bytes, size_bytes) = (content.len_bytes(), layout.partition(role).size_bytes);
        if len_bytes > size_bytes {
            return Err(DiskError::ContentTooLong { role, len_bytes, size_bytes });
        }
    }
    Ok(())
}

fn write_sparse<D: Write + Seek>(
    partition: &Partition,
    image: &SparseImage,
    disk: &mut D,
) -> Result<(), DiskError> {
    for (offset, data) in image.extents() {
        write_at(partition.offset_bytes + offset, data, disk)?;
    }
    Ok(())
}

fn write_stream<D: Write + Seek>(
    partition: &Partition,
    mut reader: impl Read,
    expected_bytes: u64,
    disk: &mut D,
) -> Result<(), DiskError> {
    let role = partition.role;
    let read_error = |source| DiskError::Read { role, source };
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    while done < expected_bytes {
        let wanted = usize::try_from(expected_bytes - done).unwrap_or(CHUNK).min(CHUNK);
        let filled = fill(&mut reader, &mut chunk[..wanted]).map_err(read_error)?;
        write_without_zeros(partition.offset_bytes + done, &chunk[..filled], disk)?;
        done += filled as u64;
        if filled < wanted {
            return Err(DiskError::ContentLength { role, expected_bytes, actual_bytes: done });
        }
    }
    if fill(&mut reader, &mut chunk[..1]).map_err(read_error)? != 0 {
        return Err(DiskError::ContentLength { role, expected_bytes, actual_bytes: done + 1 });
    }
    Ok(())
}

/// Writes the runs of blocks that are not all zeros, each run in one piece.
fn write_without_zeros<D: Write + Seek>(
    offset: u64,
    data: &[u8],
    disk: &mut D,
) -> Result<(), DiskError> {
    let mut run = 0..0;
    for block in data.chunks(HOLE) {
        if block == &ZEROS[..block.len()] {
            write_at(offset + run.start as u64, &data[run.clone()], disk)?;
            run = run.end + block.len()..run.end + block.len();
        } else {
            run.end += block.len();
        }
    }
    write_at(offset + run.start as u64, &data[run], disk)
}

fn write_at<D: Write + Seek>(offset: u64, data: &[u8], disk: &mut D) -> Result<(), DiskError> {
    if data.is_empty() {
        return Ok(());
    }
    disk.seek(SeekFrom::Start(offset))
        .and_then(|_| disk.write_all(data))
        .map_err(|source| DiskError::Write { offset, source })
}

/// Reads until the buffer is full or the source ends; returns how much it read.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn only_blocks_with_data_are_written() {
        let mut data = vec![0; 5 * HOLE + 10];
        data[HOLE] = 1;
        data[3 * HOLE - 1] = 2;
        data[5 * HOLE + 9] = 3;
        let mut disk = Recorder::default();
        write_without_zeros(100, &data, &mut disk).unwrap();
        let hole = HOLE as u64;
        assert_eq!(disk.writes, [(100 + hole, 2 * HOLE), (100 + 5 * hole, 10)]);
    }

    #[test]
    fn a_source_that_lies_about_its_length_is_refused() {
        let partition = Partition {
            role: Role::Oem,
            label: String::new(),
            kind: crate::PartitionType::LinuxGeneric,
            guid: uuid::Uuid::nil(),
            attributes: 0,
            offset_bytes: 0,
            size_bytes: 1 << 20,
        };
        for (promised, actual) in [(10, 5), (5, 6), (0, 1)] {
            let mut disk = Cursor::new(Vec::new());
            let error = write_stream(&partition, &[1_u8; 6][..actual], promised, &mut disk);
            let Err(DiskError::ContentLength { actual_bytes, .. }) = error else {
                panic!("{promised} were promised, {actual} given: {error:?}");
            };
            assert_eq!(actual_bytes, actual as u64);
        }
    }

    /// Remembers where it was written, and how much.
    #[derive(Default)]
    struct Recorder {
        at: u64,
        writes: Vec<(u64, usize)>,
    }

    impl Write for Recorder {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.writes.push((self.at, data.len()));
            self.at += data.len() as u64;
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Recorder {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let SeekFrom::Start(at) = to else { panic!("only absolute seeks are needed") };
            self.at = at;
            Ok(at)
        }
    }
}
