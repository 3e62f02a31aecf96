use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use flagstone_artifact::Sha256Digest;
use tempfile::NamedTempFile;

use crate::checksum::{self, Running};
use crate::record::{FORMAT_VERSION, Footer};
use crate::{Pack, Record, StoreError};

/// A pack that grows; it has no name, and vanishes if it is dropped before it is complete.
pub struct PackWriter {
    out: BufWriter<NamedTempFile>,
    records: Vec<Record>,
    at: u64,
    value: Running,
    value_start: u64,
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter")
            .field("path", &self.out.get_ref().path())
            .finish_non_exhaustive()
    }
}

impl PackWriter {
    pub(crate) fn new(file: NamedTempFile) -> Self {
        Self {
            out: BufWriter::with_capacity(256 << 10, file),
            records: Vec::new(),
            at: 0,
            value: Running::new(),
            value_start: 0,
        }
    }

    /// Adds bytes to the value at hand.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be written.
    pub fn write(&mut self, data: &[u8]) -> Result<(), StoreError> {
        let written = self.out.write_all(data);
        written.map_err(|source| self.error(source))?;
        self.value.update(data);
        self.at += data.len() as u64;
        Ok(())
    }

    /// Ends the value at hand and gives it a key. A key that comes again names the first value.
    pub fn end_value(&mut self, key: Sha256Digest) {
        let value = std::mem::replace(&mut self.value, Running::new());
        let (offset, len) = (self.value_start, self.at - self.value_start);
        self.records.push(Record { key, offset, len, checksum: value.finish() });
        self.value_start = self.at;
    }

    /// Adds a whole value.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn put(&mut self, key: Sha256Digest, value: &[u8]) -> Result<(), StoreError> {
        self.write(value)?;
        self.end_value(key);
        Ok(())
    }

    /// Returns how many values have been added.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Completes the pack and gives it its name.
    pub(crate) fn finish(mut self, path: &Path, name: &Sha256Digest) -> Result<Pack, StoreError> {
        // Stable: of equal keys the first value stays the first.
        self.records.sort_by_key(|record| record.key);
        self.records.dedup_by_key(|record| record.key);
        let mut tail = Vec::new();
        self.records.iter().for_each(|record| record.encode(&mut tail));
        let footer = Footer {
            version: FORMAT_VERSION,
            count: self.records.len() as u64,
            values_len: self.at,
            index_checksum: checksum::of(&tail),
            name: *name,
        };
        tail.extend(footer.encode());
        let written = self.out.write_all(&tail).and_then(|()| self.out.flush());
        written.map_err(|source| self.error(source))?;
        let failed = StoreError::new("write", path);
        let (file, _) = self.out.into_parts();
        let file: File = match file.persist(path) {
            Ok(file) => file,
            Err(error) => return Err(failed(error.error)),
        };
        Ok(Pack::new(path.to_owned(), file, self.records))
    }

    fn error(&self, source: std::io::Error) -> StoreError {
        StoreError::new("write", self.out.get_ref().path())(source)
    }
}
