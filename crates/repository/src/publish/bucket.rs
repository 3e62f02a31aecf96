//! A repository in an object store that speaks S3.

mod credentials;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use flagstone_artifact::{DigestReader, ParseError, Sha256Digest};
use flagstone_fetch::{Answer, Body, HttpTransport, Transport, TransportError, Url};

use super::PublishError;
use super::store::Store;
use crate::{Role, TargetName, UtcTime};
use credentials::Signable;

pub use credentials::Credentials;

/// The longest metadata that are read at once, in bytes.
const METADATA_MAX: u64 = 64 << 20;

/// A place in an object store, such as `s3://bucket/folder`.
///
/// Nothing can be locked there. What keeps two publishers apart are conditions: metadata with a version in
/// their name are only made where there is nothing of that name, and `timestamp.json` only replaces the
/// one that was read. A store that passes over conditions is found out and refused.
#[derive(Debug)]
pub struct Bucket {
    /// What it is called in messages.
    place: PathBuf,
    base: Url,
    credentials: Credentials,
    transport: HttpTransport,
    /// What the store calls the `timestamp.json` that was read last.
    timestamp: Mutex<Option<String>>,
}

/// Whether an object may be replaced.
enum Condition {
    /// It may: its name has the digest of its content.
    None,
    /// There is none of this name.
    Absent,
    /// It is the one that the store called so.
    Same(String),
}

impl Bucket {
    /// The beginning of a place's text.
    pub const SCHEME: &str = "s3://";

    /// Names a place in the store at an address. Nothing is asked of the store.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn new(
        text: &str,
        endpoint: &Url,
        credentials: Credentials,
        transport: HttpTransport,
    ) -> Result<Self, ParseError> {
        let wrong = || ParseError {
            text: text.chars().take(80).collect(),
            what: "a place in an object store",
            rule: "it is s3://BUCKET/FOLDER, with letters, digits and \"._-\", and no part begins with a dot",
        };
        let path = text.strip_prefix(Self::SCHEME).ok_or_else(wrong)?.trim_end_matches('/');
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let part =
            |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        if !path.split('/').all(part) {
            return Err(wrong());
        }
        let base = endpoint.join(path).map_err(|_| wrong())?;
        let place = PathBuf::from(format!("{}{path}", Self::SCHEME));
        Ok(Self { place, base, credentials, transport, timestamp: Mutex::default() })
    }

    fn remote(&self, action: &'static str, name: &str, source: TransportError) -> PublishError {
        PublishError::Store { action, place: self.place.join(name), source }
    }

    fn url(&self, name: &str) -> Result<Url, TransportError> {
        self.base.join(name).map_err(|_| TransportError::Protocol("a name that is none"))
    }

    fn sign<'a>(
        &self,
        method: &'a str,
        url: &'a Url,
        headers: &'a [(&'a str, String)],
        body: Sha256Digest,
    ) -> Vec<(&'a str, String)> {
        let rest = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(slash);
        let now = UtcTime::of(SystemTime::now());
        self.credentials.sign(&Signable { method, host, path, headers, body, now })
    }

    /// Gets an object that there has to be.
    fn get(&self, name: &str) -> Result<Answer, TransportError> {
        let url = self.url(name)?;
        let headers = self.sign("GET", &url, &[], Sha256Digest::of(b""));
        let answer = self.transport.get_with(&url, &headers)?;
        match answer.status {
            200 => Ok(answer),
            404 => Err(TransportError::NotFound),
            status => Err(TransportError::Status(status)),
        }
    }

    /// Puts an object; tells whether the condition held.
    fn put(
        &self,
        name: &str,
        condition: Condition,
        sha256: Sha256Digest,
        body: &mut dyn Read,
        length_bytes: u64,
    ) -> Result<bool, TransportError> {
        let url = self.url(name)?;
        let condition = match condition {
            Condition::None => None,
            Condition::Absent => Some(("if-none-match", "*".to_owned())),
            Condition::Same(etag) => Some(("if-match", etag)),
        };
        let conditional = condition.is_some();
        let headers = self.sign("PUT", &url, condition.as_slice(), sha256);
        match self.transport.put_with(&url, &headers, body, length_bytes)?.status {
            200 => Ok(true),
            // Another one was faster, or is at it right now.
            409 | 412 if conditional => Ok(false),
            status => Err(TransportError::Status(status)),
        }
    }

    fn put_bytes(
        &self,
        name: &str,
        condition: Condition,
        bytes: &[u8],
    ) -> Result<bool, PublishError> {
        let put =
            self.put(name, condition, Sha256Digest::of(bytes), &mut &*bytes, bytes.len() as u64);
        put.map_err(|source| self.remote("write", name, source))
    }

    fn timestamp(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.timestamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Bucket {
    fn place(&self) -> &Path {
        &self.place
    }

    /// Makes sure that the store keeps to conditions: it has to refuse what is there already.
    fn check(&self, first_root: &[u8]) -> Result<(), PublishError> {
        if self.put_bytes("metadata/1.root.json", Condition::Absent, first_root)? {
            return Err(PublishError::Unconditional { place: self.place.clone() });
        }
        Ok(())
    }

    fn read_metadata(&self, name: &str) -> Result<Option<Vec<u8>>, PublishError> {
        let name = format!("metadata/{name}");
        let failed = |source| self.remote("read", &name, source);
        let answer = match self.get(&name) {
            Err(TransportError::NotFound) => return Ok(None),
            answer => answer.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        let read = answer.reader.take(METADATA_MAX).read_to_end(&mut bytes);
        read.map_err(|error| failed(TransportError::Read(error)))?;
        Ok(Some(bytes))
    }

    fn put_metadata(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let path = format!("metadata/{name}");
        if name == Role::Timestamp.file() {
            let condition = self.timestamp().clone().map_or(Condition::Absent, Condition::Same);
            let written = self.put_bytes(&path, condition, bytes)?;
            return if written {
                Ok(())
            } else {
                Err(PublishError::Busy { path: self.place.clone() })
            };
        }
        let written = self.put_bytes(&path, Condition::Absent, bytes)?;
        if written { Ok(()) } else { Err(PublishError::Taken { place: self.place.join(path) }) }
    }

    fn put_target(&self, name: &TargetName, bytes: &[u8]) -> Result<(), PublishError> {
        let path = format!("targets/{}", name.path(Sha256Digest::of(bytes)));
        self.put_bytes(&path, Condition::None, bytes).map(drop)
    }

    fn copy_target(
        &self,
        name: &TargetName,
        from: &Path,
        size_bytes: u64,
        sha256: Sha256Digest,
    ) -> Result<(), PublishError> {
        let read = |source| PublishError::File { action: "read", path: from.to_owned(), source };
        let mut file = DigestReader::new(File::open(from).map_err(read)?.take(size_bytes));
        let path = format!("targets/{}", name.path(sha256));
        // The digest is signed, and the store compares it with what it gets.
        let put = self.put(&path, Condition::None, sha256, &mut file, size_bytes);
        if file.finish() != (size_bytes, sha256) && put.is_ok() {
            return Err(read(io::Error::other("it changed while it was read")));
        }
        put.map(drop).map_err(|source| self.remote("write", &path, source))
    }
}

/// The place as a machine would see it: `file:///` stands for it, whatever it is called.
impl Transport for Bucket {
    fn open(&self, url: &Url, _: u64) -> Result<Body, TransportError> {
        let path = url.to_path().ok_or(TransportError::UnsupportedScheme)?;
        let below = path.strip_prefix("/").ok().and_then(Path::to_str);
        let name = below.ok_or(TransportError::NotFound)?;
        let is_timestamp = name.strip_prefix("metadata/") == Some(Role::Timestamp.file());
        let answer = match self.get(name) {
            Ok(answer) => answer,
            Err(error) => {
                if is_timestamp {
                    *self.timestamp() = None;
                }
                return Err(error);
            }
        };
        if is_timestamp {
            self.timestamp().clone_from(&answer.etag);
        }
        Ok(Body { offset: 0, total: answer.length_bytes, reader: answer.reader })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let place = |text: &str| {
            let credentials = Credentials {
                key_id: String::new(),
                secret: String::new(),
                session_token: None,
                region: String::new(),
            };
            let endpoint = "http://127.0.0.1:1".parse().unwrap();
            Bucket::new(text, &endpoint, credentials, HttpTransport::new())
                .map(|bucket| (bucket.base.to_string(), bucket.place.display().to_string()))
        };
        assert_eq!(
            place("s3://edge/updates/a/").unwrap(),
            ("http://127.0.0.1:1/edge/updates/a".to_owned(), "s3://edge/updates/a".to_owned())
        );
        assert_eq!(place("s3://edge").unwrap().0, "http://127.0.0.1:1/edge");
        for bad in ["s3://", "edge", "s3://a//b", "s3://../b", "s3://a/b?c", "s3://a/é"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
