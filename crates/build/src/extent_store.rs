use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_image::erofs::{ExtentCache, ExtentKey};
use flagstone_store::{Pack, PackWriter, Record, Shelf, StoreError};

use crate::work_cache::{Sort, WorkCache, key};

/// What a pack of compressed contents is.
const EXTENTS: &str = "compressed contents";

/// A pack of which a build used less than one part of so many of all it used is copied into the
/// build's own pack, so that packs do not become more with every build.
const SMALL_SHARE: u64 = 16;

/// Compressed contents in packs.
///
/// Each build looks into the packs of those before, the last one first, and leaves one pack of what it had to
/// compress itself.
pub(crate) struct ExtentStore<'a> {
    cache: &'a WorkCache,
    shelf: &'a Shelf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Open>,
    /// Packs that have not been needed yet.
    closed: VecDeque<PathBuf>,
    new: Option<PackWriter>,
    /// The keys in the new pack.
    added: Vec<Sha256Digest>,
    /// Whether writing has failed, so that it is not tried again.
    failed: bool,
}

struct Open {
    pack: Arc<Pack>,
    used: BTreeMap<Sha256Digest, Record>,
    damaged: bool,
}

impl<'a> ExtentStore<'a> {
    /// Opens the packs of a cache, if it has a place for them.
    pub(crate) fn open(cache: &'a WorkCache) -> Option<Self> {
        let shelf = cache.shelf(Sort::Extents)?;
        let state = State { closed: shelf.list().into(), ..State::default() };
        Some(Self { cache, shelf, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a value, opening packs until one has it.
    fn find(&self, key: &Sha256Digest) -> Option<(usize, Arc<Pack>, Record)> {
        let mut state = self.state();
        let mut next = 0;
        loop {
            if let Some(open) = state.open.get(next) {
                let record = open.pack.find(key).copied().filter(|_| !open.damaged);
                if let Some(record) = record {
                    return Some((next, open.pack.clone(), record));
                }
                next += 1;
                continue;
            }
            let path = state.closed.pop_front()?;
            if let Some(pack) = self.shelf.open_pack(&path) {
                let (pack, used) = (Arc::new(pack), BTreeMap::new());
                state.open.push(Open { pack, used, damaged: false });
            }
        }
    }

    /// Completes the new pack, if there is to be one, and marks the others that were of use.
    pub(crate) fn finish(self) {
        let Self { cache, shelf, state } = self;
        let State { open, new, added, failed, .. } =
            state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (damaged, sound): (Vec<Open>, Vec<Open>) =
            open.into_iter().partition(|open| open.damaged);
        for open in damaged {
            shelf.discard(open.pack.path());
        }
        let total: u64 = sound.iter().map(Open::used_bytes).sum();
        let used = sound.into_iter().filter(|open| !open.used.is_empty());
        let (small, large): (Vec<Open>, Vec<Open>) =
            used.partition(|open| open.used_bytes() < total / SMALL_SHARE);
        // One small pack by itself may stay: copying it would gain nothing.
        let copied =
            if failed || small.len() + usize::from(new.is_some()) < 2 { &[] } else { &small[..] };
        for open in large.iter().chain(&small[copied.len()..]) {
            shelf.touch(&open.pack);
        }
        if let Err(error) = complete(shelf, new, added, copied) {
            cache.report(&error);
        }
    }
}

impl Open {
    fn used_bytes(&self) -> u64 {
        self.used.values().map(|record| record.len).sum()
    }
}

/// Adds what was used of small packs to the new one, and gives it a name made of its keys.
fn complete(
    shelf: &Shelf,
    new: Option<PackWriter>,
    mut added: Vec<Sha256Digest>,
    copied: &[Open],
) -> Result<(), StoreError> {
    let mut new = match new {
        Some(new) => new,
        None if copied.is_empty() => return Ok(()),
        None => shelf.create()?,
    };
    for open in copied {
        for (key, record) in &open.used {
            if let Ok(value) = open.pack.read(record) {
                new.put(*key, &value)?;
                added.push(*key);
            }
        }
    }
    let mut hasher = Sha256Hasher::new();
    added.sort_unstable();
    for key in &added {
        hasher.update(key.as_bytes());
    }
    shelf.keep(new, &key(EXTENTS, &hasher.finish())).map(drop)
}

impl ExtentCache for ExtentStore<'_> {
    fn get(&self, key: &ExtentKey) -> Option<Bytes> {
        let (index, pack, record) = self.find(key.digest())?;
        let value = pack.read(&record);
        let mut state = self.state();
        let open = state.open.get_mut(index)?;
        let Ok(value) = value else {
            open.damaged = true;
            return None;
        };
        open.used.insert(record.key, record);
        Some(value)
    }

    fn put(&self, key: &ExtentKey, value: &[u8]) {
        let mut state = self.state();
        if state.failed {
            return;
        }
        let written = match &mut state.new {
            Some(new) => new.put(*key.digest(), value),
            none => self.shelf.create().and_then(|new| none.insert(new).put(*key.digest(), value)),
        };
        match written {
            Ok(()) => state.added.push(*key.digest()),
            Err(error) => {
                state.failed = true;
                state.new = None;
                self.cache.report(&error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use flagstone_image::erofs::{self, Compression, Options};
    use flagstone_tree::{Inode, Metadata, Mtime, Tree};

    use super::*;

    const META: Metadata = Metadata::root(0o644, Mtime::from_seconds(0));

    /// Bytes that do not compress.
    fn noise(len: usize, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn however_many_builds_there_were_few_packs_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let build = |tree: &Tree| {
            let work = WorkCache::open(dir.path());
            let store = ExtentStore::open(&work).unwrap();
            let options =
                Options { compression: Compression::Zstd { level: 1 }, ..Options::default() };
            erofs::write_cached(tree, &options, Some(&store), &mut Cursor::new(Vec::new()))
                .unwrap();
            store.finish();
            assert!(work.take_trouble().is_empty());
            work.shelf(Sort::Extents).unwrap().list()
        };
        let mut tree = Tree::new(META);
        tree.insert("large", Inode::file(META, noise(8 << 20, 1))).unwrap();
        for n in 0..12 {
            tree.insert(format!("small{n}"), Inode::file(META, noise(300 << 10, 2 * n + 3)))
                .unwrap();
            let packs = build(&tree);
            assert!(packs.len() > 1 || n == 0);
        }
        let packs = build(&tree);
        for path in &packs[4..] {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(build(&tree).len(), 4, "the packs used last have everything");
    }
}
