use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flagstone_artifact::{DigestReader, Sha256Digest};
use flagstone_payload::{Metadata, Release, verify};
use flagstone_signature::TrustedKeys;

use super::PublishError;
use crate::TargetName;

/// What ends the name of a payload.
const EXTENSION: &str = ".payload";
/// How much of a payload is read at once.
const BUFFER: usize = 1 << 20;

/// A payload, every byte of which trusted keys have signed.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) name: TargetName,
    pub(super) release: Release,
    pub(super) size_bytes: u64,
    pub(super) sha256: Sha256Digest,
}

impl Candidate {
    /// Reads and verifies the payloads that are named, and all in the folders that are named.
    pub(super) fn read_all(
        paths: &[PathBuf],
        keys: &TrustedKeys,
    ) -> Result<Vec<Self>, PublishError> {
        let mut candidates = Vec::new();
        for path in paths {
            if path.is_dir() {
                let files = payloads_in(path)?;
                if files.is_empty() {
                    return Err(PublishError::NoPayload { path: path.clone() });
                }
                for file in files {
                    candidates.push(Self::read(&file, keys)?);
                }
            } else {
                candidates.push(Self::read(path, keys)?);
            }
        }
        Ok(candidates)
    }

    fn read(path: &Path, keys: &TrustedKeys) -> Result<Self, PublishError> {
        let failed =
            |source| PublishError::Payload { path: path.to_owned(), source: Box::new(source) };
        let file = File::open(path).map_err(|source| PublishError::File {
            action: "open",
            path: path.to_owned(),
            source,
        })?;
        let mut reader = DigestReader::new(BufReader::with_capacity(BUFFER, file));
        let metadata =
            Metadata::read(&mut reader).and_then(|read| read.verify(keys)).map_err(failed)?;
        verify(&metadata, &mut reader, &mut |_| {}).map_err(failed)?;
        let (size_bytes, sha256) = reader.finish();
        let release = metadata.manifest().release.clone();
        let name = name_of(path, &release).ok_or_else(|| PublishError::WrongName {
            path: path.to_owned(),
            actual: release.image.clone(),
        })?;
        Ok(Self { path: path.to_owned(), name, release, size_bytes, sha256 })
    }
}

/// Returns a payload's own name, if it is that of the release in it: `<image>.payload` for a full one,
/// `<image>.from_<version>.payload` for a delta.
fn name_of(path: &Path, release: &Release) -> Option<TargetName> {
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix(&release.image.to_string())?.strip_suffix(EXTENSION)?;
    let fits = match release.old_root_hash {
        None => rest.is_empty(),
        Some(_) => rest.strip_prefix(".from_").is_some_and(|version| !version.is_empty()),
    };
    fits.then(|| name.parse().ok())?
}

fn payloads_in(folder: &Path) -> Result<Vec<PathBuf>, PublishError> {
    let failed = |source| PublishError::File { action: "read", path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().ends_with(EXTENSION) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
