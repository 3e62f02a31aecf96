use std::io::Read as _;

use flagstone_artifact::Sha256Digest;
use flagstone_fetch::{Transport, TransportError, Url};

use crate::RepositoryError;

/// Reads a file of at most `limit` bytes; none if it is not there. `file` names it in messages.
pub(crate) fn download(
    transport: &dyn Transport,
    url: &Url,
    file: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, RepositoryError> {
    let unreachable =
        |source| RepositoryError::Unreachable { file: file.to_owned(), url: url.clone(), source };
    let body = match transport.open(url, 0) {
        Err(TransportError::NotFound) => return Ok(None),
        body => body.map_err(unreachable)?,
    };
    let mut bytes = Vec::new();
    let read = body.reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| unreachable(TransportError::Read(error)))?;
    let actual = bytes.len() as u64;
    if actual > limit {
        return Err(RepositoryError::TooLong { file: file.to_owned(), limit });
    }
    match body.total {
        Some(expected) if actual < expected => {
            Err(unreachable(TransportError::Truncated { expected, actual }))
        }
        _ => Ok(Some(bytes)),
    }
}

/// Refuses bytes that are not what metadata say.
pub(crate) fn check(
    file: &str,
    bytes: &[u8],
    length: Option<u64>,
    sha256: Option<Sha256Digest>,
) -> Result<(), RepositoryError> {
    let (file, actual) = (file.to_owned(), bytes.len() as u64);
    if let Some(expected) = length.filter(|length| *length != actual) {
        return Err(RepositoryError::WrongSize { file, expected, actual });
    }
    let actual = Sha256Digest::of(bytes);
    match sha256.filter(|expected| *expected != actual) {
        Some(expected) => Err(RepositoryError::WrongDigest { file, expected, actual }),
        None => Ok(()),
    }
}
