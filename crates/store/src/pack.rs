use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;

use crate::checksum::{self, Running};
use crate::record::{FOOTER_SIZE, FORMAT_VERSION, Footer, RECORD_SIZE, Record};

/// How much is read at once where a value is only checked.
const PIECE: usize = 256 << 10;

/// A complete file of values. It stays readable when its name is removed.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    file: File,
    /// By key.
    records: Vec<Record>,
}

/// Why a file is not a pack that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// The end of the file is not that of a pack: it was cut off, or is something else.
    #[error("it does not end as a pack does")]
    Footer,
    /// It has another format.
    #[error("it has version {0} of the format, and this program knows version {FORMAT_VERSION}")]
    Version(u32),
    /// It is sound, but another pack, which was put in this one's place.
    #[error("it is the pack {0}, under another name")]
    Name(Sha256Digest),
    /// Its length or its list of values is wrong.
    #[error("its list of values is damaged")]
    Index,
    /// A value is not what it was.
    #[error("the value {0} is damaged")]
    Value(Sha256Digest),
}

impl Pack {
    pub(crate) fn new(path: PathBuf, file: File, records: Vec<Record>) -> Self {
        Self { path, file, records }
    }

    /// Opens a file, which has to have the name that it was given; checks all but the values.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn open(path: &Path) -> Result<Self, Damage> {
        let file = File::open(path).map_err(Damage::Read)?;
        let len = file.metadata().map_err(Damage::Read)?.len();
        let mut footer = [0; FOOTER_SIZE];
        let tail = len.checked_sub(FOOTER_SIZE as u64).ok_or(Damage::Footer)?;
        file.read_exact_at(&mut footer, tail).map_err(Damage::Read)?;
        let footer = Footer::decode(&footer).ok_or(Damage::Footer)?;
        if footer.version != FORMAT_VERSION {
            return Err(Damage::Version(footer.version));
        }
        let name = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if name != Some(footer.name) {
            return Err(Damage::Name(footer.name));
        }
        let index_len = footer.count.checked_mul(RECORD_SIZE as u64).ok_or(Damage::Index)?;
        if footer.values_len.checked_add(index_len) != Some(tail) {
            return Err(Damage::Index);
        }
        let mut index = vec![0; usize::try_from(index_len).map_err(|_| Damage::Index)?];
        file.read_exact_at(&mut index, footer.values_len).map_err(Damage::Read)?;
        if checksum::of(&index) != footer.index_checksum {
            return Err(Damage::Index);
        }
        let (records, _) = index.as_chunks();
        let records: Vec<Record> = records.iter().map(Record::decode).collect();
        let within = |record: &Record| {
            record.offset.checked_add(record.len).is_some_and(|end| end <= footer.values_len)
        };
        if !records.is_sorted_by(|a, b| a.key < b.key) || !records.iter().all(within) {
            return Err(Damage::Index);
        }
        Ok(Self::new(path.to_owned(), file, records))
    }

    /// Returns where the file is, or was.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the values in the order of their keys.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the value with this key, if it is here.
    pub fn find(&self, key: &Sha256Digest) -> Option<&Record> {
        let at = self.records.binary_search_by_key(key, |record| record.key).ok()?;
        self.records.get(at)
    }

    /// Reads a value and checks it.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn read(&self, record: &Record) -> Result<Bytes, Damage> {
        let damaged = || Damage::Value(record.key);
        let mut data = vec![0; usize::try_from(record.len).map_err(|_| damaged())?];
        self.read_exact_at(&mut data, record.offset).map_err(Damage::Read)?;
        if checksum::of(&data) == record.checksum { Ok(data.into()) } else { Err(damaged()) }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn check(&self, record: &Record) -> Result<(), Damage> {
        let mut running = Running::new();
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < record.len {
            let left = usize::try_from(record.len - at).unwrap_or(PIECE);
            buffer.resize(left.min(PIECE), 0);
            self.read_exact_at(&mut buffer, record.offset + at).map_err(Damage::Read)?;
            running.update(&buffer);
            at += buffer.len() as u64;
        }
        let sound = running.finish() == record.checksum;
        if sound { Ok(()) } else { Err(Damage::Value(record.key)) }
    }

    /// Checks all values.
    ///
    /// # Errors
    /// [`Damage`] for the first that is not what it was.
    pub fn check_all(&self) -> Result<(), Damage> {
        // In the order of the file, which disks like.
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_unstable_by_key(|record| record.offset);
        records.into_iter().try_for_each(|record| self.check(record))
    }

    /// Fills the buffer from a position of the file; nothing is checked.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}
