use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::str::FromStr;

use flagstone_fetch::{Body, Transport, TransportError, Url};

use crate::InstallError;

/// Where a file is: a URL (`http:`, `https:`, `file:`) or a path on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A URL.
    Url(Url),
    /// A path.
    Path(PathBuf),
}

impl Location {
    /// Returns the file's name, if it has one that is text.
    pub fn file_name(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url.file_name()),
            Self::Path(path) => path.file_name()?.to_str(),
        }
    }

    /// Returns where another file of the same folder is.
    ///
    /// # Errors
    /// If a URL has no folder: it names a server alone.
    pub fn sibling(&self, name: &str) -> Result<Self, InstallError> {
        match self {
            Self::Path(path) => Ok(Self::Path(path.with_file_name(name))),
            Self::Url(url) => {
                let folder = url.as_str().rsplit_once('/').map(|(folder, _)| folder);
                let sibling = folder.and_then(|text| text.parse::<Url>().ok()?.join(name).ok());
                sibling.map(Self::Url).ok_or_else(|| InstallError::NoFolder { url: url.clone() })
            }
        }
    }

    /// Opens the file at an offset.
    pub(crate) fn open(
        &self,
        transport: &dyn Transport,
        offset: u64,
    ) -> Result<Body, TransportError> {
        let path = match self {
            Self::Url(url) => return transport.open(url, offset),
            Self::Path(path) => path,
        };
        let mut file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => TransportError::NotFound,
            _ => TransportError::Read(error),
        })?;
        let metadata = file.metadata().map_err(TransportError::Read)?;
        if !metadata.is_file() {
            return Err(TransportError::Read(io::Error::other("it is not a regular file")));
        }
        file.seek(SeekFrom::Start(offset)).map_err(TransportError::Read)?;
        Ok(Body { offset, total: Some(metadata.len()), reader: Box::new(file) })
    }

    /// Tells whether what failed once may work the next time.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Url(url) if !url.is_file())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Location {
    type Err = InstallError;

    fn from_str(text: &str) -> Result<Self, InstallError> {
        if text.contains("://") {
            let url = text.parse().map_err(|source| InstallError::Url { source })?;
            return Ok(Self::Url(url));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_lie_in_the_same_folder() {
        for (text, sibling) in [
            ("http://server.test/a/b.raw", Some("http://server.test/a/SHA256SUMS")),
            ("http://server.test:8080/b.raw", Some("http://server.test:8080/SHA256SUMS")),
            ("http://server.test", None),
            ("file:///srv/b.raw", Some("file:///srv/SHA256SUMS")),
            ("a/b c.raw", Some("a/SHA256SUMS")),
            ("b.raw", Some("SHA256SUMS")),
        ] {
            let found = text.parse::<Location>().unwrap().sibling("SHA256SUMS").ok();
            assert_eq!(found.map(|found| found.to_string()).as_deref(), sibling, "{text}");
        }
    }
}
