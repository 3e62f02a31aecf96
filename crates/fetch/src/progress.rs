/// How a file came to be in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Cached,
    /// It was fetched, wholly or its rest.
    Fetched,
}

/// Hears what a [`Fetcher`](crate::Fetcher) does; called from several threads.
pub trait Progress: Sync {
    /// A file of `size` bytes is being fetched; `present` of them are there from an earlier run.
    fn started(&self, name: &str, size: u64, present: u64) {
        let _ = (name, size, present);
    }

    /// More bytes of a file came.
    fn received(&self, name: &str, bytes: u64) {
        let _ = (name, bytes);
    }

    /// What came was of no use, and the file starts over at its first byte.
    fn restarted(&self, name: &str) {
        let _ = name;
    }

    /// A try failed, and another one follows.
    fn retrying(&self, name: &str, reason: &dyn std::error::Error) {
        let _ = (name, reason);
    }

    /// A file is in the cache.
    fn finished(&self, name: &str, outcome: Outcome) {
        let _ = (name, outcome);
    }
}

/// Hears nothing.
impl Progress for () {}
