use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::FetchError;

/// The longest URL that is accepted, in bytes; servers commonly stop at 8 KiB.
const URL_MAX: usize = 4096;

/// An absolute `http:`, `https:` or `file:` URL, without query, fragment or credentials, and
/// without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(String);

impl Url {
    /// Returns the URL's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URL of a path below this one.
    ///
    /// The path is relative, its segments are plain names: an index on a mirror cannot point
    /// elsewhere.
    ///
    /// # Errors
    /// [`FetchError::InvalidUrl`] for an empty, absolute or escaping path, and for characters that
    /// have no place in a file name of an archive.
    pub fn join(&self, path: &str) -> Result<Self, FetchError> {
        let invalid = |reason| FetchError::InvalidUrl { text: path.to_owned(), reason };
        if self.0.len() + path.len() >= URL_MAX {
            return Err(invalid("it is too long"));
        }
        if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(invalid("it is not a plain relative path"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+~^:=@,%/".contains(&b);
        if !path.bytes().all(plain) {
            return Err(invalid("it holds a character that archives do not use"));
        }
        // A server decodes "%3a"; the file's name holds it literally.
        let path = if self.is_file() {
            path.to_owned()
        } else {
            path.replace('%', "%25").replace('^', "%5E")
        };
        Ok(Self(format!("{}/{path}", self.0)))
    }

    /// Tells whether this names a local file.
    pub fn is_file(&self) -> bool {
        self.0.starts_with("file:")
    }

    /// Returns the local path of a `file:` URL.
    pub fn to_path(&self) -> Option<PathBuf> {
        self.0.strip_prefix("file://").map(|path| Path::new(path).to_path_buf())
    }

    /// Returns the last segment of the path, for messages.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Url {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let text = text.trim_end_matches('/');
        check(text).map_err(|reason| FetchError::InvalidUrl {
            // What may be a password stays out of messages.
            text: text.rsplit_once('@').map_or(text, |(_, rest)| rest).chars().take(200).collect(),
            reason,
        })?;
        let lower = text.split_once("://").map(|(scheme, rest)| (scheme.to_lowercase(), rest));
        let (scheme, rest) = lower.unwrap_or_default();
        let rest = if scheme == "file" { rest.trim_start_matches("localhost") } else { rest };
        Ok(Self(format!("{scheme}://{rest}")))
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it does not start with \"http://\", \"https://\" or \"file://\"");
    };
    if text.len() > URL_MAX {
        return Err("it is too long");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("it holds blanks or characters beyond ASCII");
    }
    if text.contains(['?', '#']) {
        return Err("it has a query or a fragment");
    }
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err("it carries credentials, which are not supported");
    }
    match scheme.to_lowercase().as_str() {
        "http" | "https" if host.is_empty() => Err("it names no host"),
        "http" | "https" => Ok(()),
        "file" if matches!(host, "" | "localhost") && rest.contains('/') => Ok(()),
        "file" => Err("a file URL needs an absolute path: file:///…"),
        _ => Err("its scheme is not http, https or file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_normalised_and_odd_ones_refused() {
        for (text, expected) in [
            ("http://mirror.test/debian/", Some("http://mirror.test/debian")),
            ("HTTPS://mirror.test", Some("https://mirror.test")),
            ("http://[::1]:8080/x", Some("http://[::1]:8080/x")),
            ("file:///srv/mirror", Some("file:///srv/mirror")),
            ("file://localhost/srv", Some("file:///srv")),
            ("file://srv/mirror", None),
            ("http:///debian", None),
            ("ftp://mirror.test/", None),
            ("mirror.test/debian", None),
            ("http://mirror.test/?a", None),
            ("http://mirror.test/a b", None),
            ("", None),
        ] {
            let url = text.parse::<Url>().ok();
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{text}");
        }
    }

    #[test]
    fn a_password_never_reaches_a_message() {
        let error = "http://user:secret@mirror.test/".parse::<Url>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn joined_paths_stay_below_the_base() {
        let http: Url = "http://mirror.test/debian".parse().unwrap();
        let file: Url = "file:///srv".parse().unwrap();
        assert_eq!(http.join("a/b_1%3a2+c~d.deb").unwrap().file_name(), "b_1%253a2+c~d.deb");
        assert_eq!(http.join("a_1^p").unwrap().file_name(), "a_1%5Ep");
        assert_eq!(file.join("a%3a").unwrap().to_path().unwrap(), Path::new("/srv/a%3a"));
        for bad in ["", "/a", "a//b", "../a", "a/..", "a/./b", "a?b", "a#b", "a b", "a\nb", "é"] {
            assert!(http.join(bad).is_err(), "{bad}");
        }
    }
}
