use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::lines::Lines;
use crate::public_key::in_file;
use crate::{KEYS_MAX, KeyId, PublicKey, SignatureError, TrustedKeys};

/// The file in a folder of trusted keys that says how many of them must sign.
pub const THRESHOLD_FILE: &str = "threshold";
/// The file in a folder of trusted keys that names those which are trusted no more.
pub const REVOKED_FILE: &str = "revoked";
const PUBLIC_EXTENSION: &str = "pub";
const REVOKED_MAGIC: &str = "flagstone revoked keys 1";
const REVOKED_MAX: usize = 64 << 10;
const THRESHOLD_MAX: usize = 4;

/// Reads a folder of trusted keys: every `*.pub`, `threshold` (a number and a line feed; may be
/// absent beside a single key) and, if it is there, `revoked`.
///
/// # Errors
/// Any [`SignatureError`]: one file that is wrong makes the whole set wrong.
pub fn read_trusted_keys(folder: &Path) -> Result<TrustedKeys, SignatureError> {
    let failed = |source| SignatureError::File { action: "read", path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == PUBLIC_EXTENSION) {
            paths.push(path);
        }
        if paths.len() > KEYS_MAX {
            return Err(SignatureError::TooManyKeys(KEYS_MAX));
        }
    }
    paths.sort();
    let keys = paths.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
    let threshold = read_threshold(&folder.join(THRESHOLD_FILE), keys.len())?;
    let revoked = read_revoked(&folder.join(REVOKED_FILE))?;
    TrustedKeys::new(keys, &revoked, threshold).map_err(|source| in_file(folder, source))
}

fn read_threshold(path: &Path, keys: usize) -> Result<usize, SignatureError> {
    let text = match read_file(path, "a threshold", THRESHOLD_MAX) {
        Err(SignatureError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return default_threshold(path, keys);
        }
        text => text?,
    };
    parse_threshold(&text).ok_or_else(|| {
        in_file(path, SignatureError::format("a threshold", 1, "it is a number from 1 to 64"))
    })
}

/// Returns how many of so many keys must sign where nothing says so: a single key alone. `path` is
/// where it would be said.
///
/// # Errors
/// [`SignatureError::NoThreshold`].
pub fn default_threshold(path: &Path, keys: usize) -> Result<usize, SignatureError> {
    match keys {
        0 | 1 => Ok(1),
        keys => Err(SignatureError::NoThreshold { path: path.to_owned(), keys }),
    }
}

fn parse_threshold(text: &[u8]) -> Option<usize> {
    let digits = str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|number| plain && (1..=KEYS_MAX).contains(number))
}

fn read_revoked(path: &Path) -> Result<BTreeSet<KeyId>, SignatureError> {
    match read_file(path, "a list of revoked keys", REVOKED_MAX) {
        Err(SignatureError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(BTreeSet::new())
        }
        text => TrustedKeys::parse_revoked(&text?).map_err(|source| in_file(path, source)),
    }
}

impl TrustedKeys {
    /// Reads a list of revoked keys: a first line that names the format, then an id a line.
    ///
    /// # Errors
    /// [`SignatureError::Format`], [`SignatureError::TooLong`].
    pub fn parse_revoked(text: &[u8]) -> Result<BTreeSet<KeyId>, SignatureError> {
        let mut lines = Lines::open("a list of revoked keys", text, REVOKED_MAX, REVOKED_MAGIC)?;
        let mut revoked = BTreeSet::new();
        while let Some(line) = lines.next()? {
            let id = line.parse().map_err(|_| lines.wrong("it is a key id"))?;
            revoked.insert(id);
        }
        Ok(revoked)
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_file(
    path: &Path,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, SignatureError> {
    let failed = |source| SignatureError::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    read_open(&file, what, limit).map_err(failed)?.map_err(|source| in_file(path, source))
}

/// Reads a file as [`read_file`] does, if only its owner can.
pub(crate) fn read_private(
    path: &Path,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, SignatureError> {
    let failed = |source| SignatureError::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(SignatureError::Exposed { path: path.to_owned() });
    }
    read_open(&file, what, limit).map_err(failed)?.map_err(|source| in_file(path, source))
}

fn read_open(
    file: &File,
    what: &'static str,
    limit: usize,
) -> io::Result<Result<Vec<u8>, SignatureError>> {
    let limit = limit as u64;
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text)?;
    let too_long = text.len() as u64 > limit;
    Ok(if too_long { Err(SignatureError::TooLong { what, limit }) } else { Ok(text) })
}

/// Writes a file that must not be there yet, whole or not at all.
pub(crate) fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), SignatureError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => SignatureError::Exists { path: path.to_owned() },
        _ => SignatureError::File { action: "write", path: path.to_owned(), source },
    };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // What is half a key is none.
        let _ = fs::remove_file(path);
        failed(source)
    })
}
