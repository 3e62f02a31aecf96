use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use crate::{Body, Transport, TransportError, Url};

/// Reads `file:` URLs, for mirrors on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileTransport;

impl Transport for FileTransport {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        let path = url.to_path().ok_or(TransportError::UnsupportedScheme)?;
        let mut file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => TransportError::NotFound,
            _ => TransportError::Read(error),
        })?;
        let metadata = file.metadata().map_err(TransportError::Read)?;
        if !metadata.is_file() {
            return Err(TransportError::NotFound);
        }
        let offset = if offset <= metadata.len() { offset } else { 0 };
        file.seek(SeekFrom::Start(offset)).map_err(TransportError::Read)?;
        Ok(Body { offset, total: Some(metadata.len()), reader: Box::new(file) })
    }
}
