use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_index::IndexCache;
use flagstone_store::{Damage, Shelf, StoreError, Usage, prune, usage};

/// What a build does again only if what it was made from has changed: unpacking packages, compressing
/// contents and initrds, reading kernel modules, making the hardware database.
///
/// Everything in it is found by a digest of all that it was made from, so a build gives the same
/// bytes with it, without it, and with a part of it. A folder that cannot be used costs time and
/// memory, and is told by a note.
#[derive(Debug)]
pub struct WorkCache {
    shelves: Vec<(Sort, Shelf)>,
    /// What kept the cache from being used, the first of each kind.
    trouble: Mutex<Vec<String>>,
}

/// What a shelf is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Packages, decompressed and taken apart.
    Unpacked,
    /// Compressed parts of files, for the usr image.
    Extents,
    /// Compressed initrds.
    Initrds,
    /// What kernel modules say about themselves, and hardware databases.
    Indices,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unpacked, Self::Extents, Self::Initrds, Self::Indices];

    /// Returns the folder's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpacked => "unpacked",
            Self::Extents => "extents",
            Self::Initrds => "initrds",
            Self::Indices => "indices",
        }
    }

    /// Returns the folder within a cache.
    pub fn dir(self, cache: &Path) -> PathBuf {
        cache.join(self.name())
    }
}

impl WorkCache {
    /// Opens the cache in a folder, and makes what is missing.
    pub fn open(cache: &Path) -> Self {
        let mut opened = Self { shelves: Vec::new(), trouble: Mutex::new(Vec::new()) };
        for sort in Sort::ALL {
            match Shelf::open(sort.dir(cache)) {
                Ok(shelf) => opened.shelves.push((sort, shelf)),
                Err(error) => opened.report(&error),
            }
        }
        opened
    }

    pub(crate) fn shelf(&self, sort: Sort) -> Option<&Shelf> {
        self.shelves.iter().find(|(one, _)| *one == sort).map(|(_, shelf)| shelf)
    }

    /// Returns a value that has a pack of its own, every byte of which has been checked.
    pub(crate) fn get(&self, of: Sort, name: &Sha256Digest) -> Option<Bytes> {
        let place = self.shelf(of)?;
        let pack = place.find(name)?;
        let value = pack.find(name).and_then(|record| pack.read(record).ok());
        if value.is_none() {
            place.discard(pack.path());
        }
        value
    }

    /// Keeps a value in a pack of its own.
    pub(crate) fn keep(&self, of: Sort, name: &Sha256Digest, value: &[u8]) {
        let Some(place) = self.shelf(of) else { return };
        let keep = || {
            let mut pack = place.create()?;
            pack.put(*name, value)?;
            place.keep(pack, name)
        };
        if let Err(error) = keep() {
            self.report(&error);
        }
    }

    /// Remembers that something could not be kept.
    pub(crate) fn report(&self, error: &StoreError) {
        // The name of a file that grows tells nobody anything.
        let name = error.path.file_name().unwrap_or_default().as_encoded_bytes();
        let folder = error.path.parent().filter(|_| name.starts_with(b"."));
        let text = format!(
            "cache: failed to {}{} {} ({}); the build goes on without it",
            error.action,
            if folder.is_some() { " a file in" } else { "" },
            folder.unwrap_or(&error.path).display(),
            error.source.kind()
        );
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !trouble.contains(&text) {
            trouble.push(text);
        }
    }

    /// Returns what kept the cache from being used, once.
    pub(crate) fn take_trouble(&self) -> Vec<String> {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut *trouble)
    }

    /// Returns how much a cache holds of each sort.
    pub fn usage(cache: &Path) -> Vec<(Sort, Usage)> {
        Sort::ALL.into_iter().map(|sort| (sort, usage(&[&sort.dir(cache)]))).collect()
    }

    /// Removes what has not been used for the longest time, until at most `limit` bytes are left.
    ///
    /// # Errors
    /// [`StoreError`] for what cannot be removed.
    pub fn prune(cache: &Path, limit: u64) -> Result<Usage, StoreError> {
        let dirs = Sort::ALL.map(|sort| sort.dir(cache));
        prune(&dirs.each_ref().map(PathBuf::as_path), limit)
    }

    /// Checks every byte, and removes the files that are damaged; returns these, and why.
    ///
    /// # Errors
    /// [`StoreError`] for a damaged file that cannot be removed.
    pub fn verify(cache: &Path) -> Result<Vec<(PathBuf, Damage)>, StoreError> {
        use rayon::prelude::*;
        let files = Sort::ALL.into_iter().filter_map(|sort| {
            let dir = sort.dir(cache);
            dir.is_dir().then(|| Shelf::open(dir).map(|shelf| shelf.list()))
        });
        let files: Vec<PathBuf> = files.collect::<Result<Vec<_>, _>>()?.concat();
        let check = |path: &PathBuf| {
            let damage = flagstone_store::Pack::open(path).and_then(|pack| pack.check_all()).err();
            damage.map(|damage| (path.clone(), damage))
        };
        let damaged: Vec<_> = files.par_iter().with_max_len(1).filter_map(check).collect();
        for (path, _) in &damaged {
            flagstone_store::remove(path)?;
        }
        Ok(damaged)
    }
}

impl IndexCache for WorkCache {
    fn get(&self, name: &Sha256Digest) -> Option<Bytes> {
        self.get(Sort::Indices, name)
    }

    fn put(&self, name: &Sha256Digest, value: &[u8]) {
        self.keep(Sort::Indices, name, value);
    }
}

/// Returns the name of something that is kept: a digest of what it is, with the version of the code
/// that makes it, and of what it was made from.
pub(crate) fn key(what: &str, from: &Sha256Digest) -> Sha256Digest {
    let mut hasher = Sha256Hasher::new();
    hasher
        .update(format!("flagstone {what}, pack {}\n", flagstone_store::FORMAT_VERSION).as_bytes());
    hasher.update(from.as_bytes());
    hasher.finish()
}
