use std::io;
use std::path::PathBuf;

use flagstone_disk::DiskError;

/// Why a disk cannot be tortured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TortureError {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log of writes is none.
    #[error("the log of writes is wrong at byte {offset}: {rule}")]
    Log {
        /// Where.
        offset: u64,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The disk has no table before anything was written.
    #[error("the disk cannot be used as it was before the first write")]
    Disk {
        /// Why.
        #[source]
        source: DiskError,
    },
    /// The disk does not boot what it should before anything was written.
    #[error("before the first write the disk boots {actual}, not the old version")]
    Start {
        /// What it boots.
        actual: String,
    },
}
