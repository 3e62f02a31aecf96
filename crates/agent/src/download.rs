use std::fmt;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use flagstone_fetch::{Body, Transport, TransportError};

use crate::{InstallError, Location, Progress};

/// The longest wait between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How many bytes must come for a connection to count as one that worked.
const WORKED_BYTES: u64 = 1 << 20;

/// How often a broken connection is made again, and how long to wait before.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries in a row without a mebibyte of progress.
    pub tries: u32,
    /// Tries in all.
    pub all_tries: u32,
    /// The wait after the first failure; it doubles with each further one, up to half a minute.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 6, all_tries: 200, pause: Duration::from_secs(1) }
    }
}

/// An image that comes piece by piece.
pub trait ImageSource {
    /// Returns the length that it is said to have, in bytes.
    fn len_bytes(&self) -> u64;

    /// Fills the buffer, or as much of it as is left, and returns how much that was.
    ///
    /// # Errors
    /// If the image cannot be had to its end.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, InstallError>;
}

/// A file that is read once from its start to its end, over as many connections as it takes.
pub struct Download<'a> {
    location: &'a Location,
    transport: &'a dyn Transport,
    patience: Patience,
    progress: &'a dyn Progress,
    body: Option<Body>,
    offset: u64,
    total: u64,
    /// Where the offset was when the last connection was made that counted.
    worked_at: u64,
    failures: u32,
    all_failures: u32,
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Download({} at {} of {})", self.location, self.offset, self.total)
    }
}

impl<'a> Download<'a> {
    /// Opens a file whose length the other side says.
    ///
    /// # Errors
    /// [`InstallError::Fetch`], [`InstallError::NoLength`].
    pub fn open(
        location: &'a Location,
        transport: &'a dyn Transport,
        patience: Patience,
        progress: &'a dyn Progress,
    ) -> Result<Self, InstallError> {
        let mut download = Self {
            location,
            transport,
            patience,
            progress,
            body: None,
            offset: 0,
            total: 0,
            worked_at: 0,
            failures: 0,
            all_failures: 0,
        };
        let body = loop {
            match location.open(transport, 0) {
                Ok(body) => break body,
                Err(error) => download.pause_after(error)?,
            }
        };
        download.total =
            body.total.ok_or_else(|| InstallError::NoLength { location: location.clone() })?;
        download.body = Some(body);
        Ok(download)
    }

    /// Goes on at another place of the file.
    pub fn continue_at(&mut self, offset: u64) {
        let offset = offset.min(self.total);
        if offset != self.offset {
            (self.offset, self.worked_at, self.body) = (offset, offset, None);
        }
    }

    /// Waits before another try, or gives up.
    fn pause_after(&mut self, error: TransportError) -> Result<(), InstallError> {
        self.body = None;
        if self.offset.saturating_sub(self.worked_at) >= WORKED_BYTES {
            (self.worked_at, self.failures) = (self.offset, 0);
        }
        self.failures += 1;
        self.all_failures += 1;
        let Patience { tries, all_tries, pause } = self.patience;
        let again = self.location.is_remote()
            && error.is_transient()
            && self.failures < tries
            && self.all_failures < all_tries;
        if !again {
            return Err(InstallError::Fetch { location: self.location.clone(), source: error });
        }
        self.progress.retrying(&error);
        let doubled = pause.saturating_mul(1 << (self.failures - 1).min(8));
        thread::sleep(doubled.min(PAUSE_MAX));
        Ok(())
    }

    /// Opens the file again where reading stopped.
    fn reopen(&mut self) -> Result<Body, TransportError> {
        let mut body = self.location.open(self.transport, self.offset)?;
        if body.total != Some(self.total) {
            return Err(TransportError::Protocol("the file has another length than before"));
        }
        // A server without ranges starts over: what is known is passed over.
        let known = self.offset.saturating_sub(body.offset);
        let passed = io::copy(&mut (&mut body.reader).take(known), &mut io::sink())
            .map_err(TransportError::Read)?;
        if passed < known {
            return Err(TransportError::Truncated { expected: self.total, actual: passed });
        }
        Ok(body)
    }

    /// Reads some bytes of the current connection; 0 at its end.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, TransportError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.reopen()?,
        };
        let count = body.reader.read(buffer).map_err(read_error)?;
        if count == 0 {
            return Err(TransportError::Truncated { expected: self.total, actual: self.offset });
        }
        self.body = Some(body);
        Ok(count)
    }
}

impl ImageSource for Download<'_> {
    fn len_bytes(&self) -> u64 {
        self.total
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, InstallError> {
        let left = usize::try_from(self.total - self.offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut filled = 0;
        while filled < wanted {
            match self.read_some(&mut buffer[filled..wanted]) {
                Ok(count) => {
                    filled += count;
                    self.offset += count as u64;
                }
                Err(TransportError::Read(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.pause_after(error)?,
            }
        }
        Ok(filled)
    }
}

/// Reads a short file whole; `None` if there is none.
pub(crate) fn read_short(
    location: &Location,
    transport: &dyn Transport,
    limit: u64,
    patience: Patience,
    progress: &dyn Progress,
) -> Result<Option<Vec<u8>>, InstallError> {
    let mut failures = 0;
    loop {
        let error = match read_once(location, transport, limit) {
            Ok(data) if data.len() as u64 > limit => {
                return Err(InstallError::TooLong { location: location.clone(), limit });
            }
            Ok(data) => return Ok(Some(data)),
            Err(TransportError::NotFound) => return Ok(None),
            Err(error) => error,
        };
        failures += 1;
        if !location.is_remote() || !error.is_transient() || failures >= patience.tries {
            return Err(InstallError::Fetch { location: location.clone(), source: error });
        }
        progress.retrying(&error);
        thread::sleep(patience.pause.saturating_mul(1 << (failures - 1).min(8)).min(PAUSE_MAX));
    }
}

fn read_once(
    location: &Location,
    transport: &dyn Transport,
    limit: u64,
) -> Result<Vec<u8>, TransportError> {
    let body = location.open(transport, 0)?;
    let mut data = Vec::new();
    body.reader.take(limit + 1).read_to_end(&mut data).map_err(read_error)?;
    let actual = data.len() as u64;
    match body.total {
        Some(expected) if actual < expected && actual <= limit => {
            Err(TransportError::Truncated { expected, actual })
        }
        _ => Ok(data),
    }
}

fn read_error(error: io::Error) -> TransportError {
    match error.kind() {
        io::ErrorKind::TimedOut => TransportError::TimedOut,
        _ => TransportError::Read(error),
    }
}
