use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use flagstone_artifact::{DigestReader, Sha256Digest};

use super::PublishError;
use super::candidate::Candidate;
use crate::TargetName;

/// What ends the name of a system extension.
const ENDING: &str = ".sysext.raw";

/// A system extension of a release that is published with it. Who may merge it is said by its own signature.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) path: PathBuf,
    pub(super) name: TargetName,
    pub(super) size_bytes: u64,
    pub(super) sha256: Sha256Digest,
}

impl Extension {
    /// Reads an extension, whose name has to be that of one of the releases, a dot, its id and the ending.
    pub(super) fn read(path: &Path, candidates: &[Candidate]) -> Result<Self, PublishError> {
        let other = || PublishError::OtherExtension { path: path.to_owned() };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(other)?;
        let fits = candidates.iter().any(|candidate| {
            let id = name.strip_prefix(&candidate.release.image.to_string());
            let id = id.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(ENDING));
            id.is_some_and(|id| !id.is_empty() && !id.contains('.'))
        });
        let name = name.parse().ok().filter(|_| fits).ok_or_else(other)?;
        let failed = |source| PublishError::File { action: "read", path: path.to_owned(), source };
        let mut reader = DigestReader::new(BufReader::new(File::open(path).map_err(failed)?));
        io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
        let (size_bytes, sha256) = reader.finish();
        Ok(Self { path: path.to_owned(), name, size_bytes, sha256 })
    }
}
