use std::collections::BTreeMap;

use flagstone_artifact::Sha256Digest;

use crate::{ControlError, Keyring, ReleaseError, Stanza, Stanzas, parse_date};

/// The most index files a release may list; Debian's main archive lists some 1,500.
const INDEX_FILES_MAX: usize = 100_000;

/// An index file as a release lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
}

/// What a suite's `Release` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `Suite`, such as `stable`; may be empty.
    pub suite: String,
    /// `Codename`, such as `trixie`; may be empty.
    pub codename: String,
    /// `Date`, in seconds since 1970-01-01 UTC.
    pub date: i64,
    /// `Valid-Until`, in seconds since 1970-01-01 UTC.
    pub valid_until: Option<i64>,
    /// `Architectures`
    pub architectures: Vec<String>,
    /// `Components`
    pub components: Vec<String>,
    /// Whether packages are meant to be chosen only when asked for by suite (`NotAutomatic`).
    pub not_automatic: bool,
    /// Whether index files can be had by their digest (`Acquire-By-Hash`).
    pub by_hash: bool,
    /// Whether the indices of an architecture hold the packages for all architectures as well.
    pub all_is_included: bool,
    /// The index files by their paths, relative to the release.
    pub files: BTreeMap<String, IndexFile>,
}

/// A release whose signature was found good. There is no other way to have one.
#[derive(Clone, Debug)]
pub struct VerifiedRelease {
    release: Release,
    sha256: Sha256Digest,
    signers: Vec<String>,
}

impl VerifiedRelease {
    /// Verifies an `InRelease` with trusted keys at a time, in seconds since 1970-01-01 UTC, and
    /// reads what is signed.
    ///
    /// # Errors
    /// If it is not trusted, or what was signed is malformed.
    pub fn open(document: &[u8], keyring: &Keyring, now: i64) -> Result<Self, ReleaseError> {
        let signed = keyring.verify(document, now)?;
        let release = parse(&signed.text)?;
        Ok(Self { release, sha256: Sha256Digest::of(document), signers: signed.signers })
    }

    /// Returns what the release says.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Returns the digest of the whole document, signatures included.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// Returns the keys whose signatures were good, for people.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

fn parse(text: &str) -> Result<Release, ControlError> {
    let mut stanzas = Stanzas::new(text);
    let stanza = stanzas.next().transpose()?.unwrap_or_default();
    if let Some(more) = stanzas.next().transpose()? {
        return Err(ControlError::new(more.line(), "a release has one paragraph"));
    }
    let words = |name| -> Vec<String> {
        let value = stanza.get(name).unwrap_or_default();
        value.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let no_support = stanza.get("No-Support-for-Architecture-all").unwrap_or_default();
    let architectures = words("Architectures");
    Ok(Release {
        suite: stanza.get("Suite").unwrap_or_default().to_owned(),
        codename: stanza.get("Codename").unwrap_or_default().to_owned(),
        date: date(&stanza, "Date")?
            .ok_or_else(|| ControlError::new(stanza.line(), "the field Date is missing"))?,
        valid_until: date(&stanza, "Valid-Until")?,
        components: words("Components"),
        not_automatic: stanza.get("NotAutomatic") == Some("yes"),
        by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
        all_is_included: !architectures.iter().any(|a| a == "all")
            || no_support.split_ascii_whitespace().any(|word| word == "Packages"),
        architectures,
        files: files(&stanza)?,
    })
}

fn date(stanza: &Stanza<'_>, name: &str) -> Result<Option<i64>, ControlError> {
    let Some(field) = stanza.field(name) else { return Ok(None) };
    let problem = || format!("{name} is not a date in UTC: {:?}", field.value);
    parse_date(field.value).map(Some).ok_or_else(|| ControlError::new(field.line, problem()))
}

/// Reads the list `SHA256`: digest, size and path a line.
fn files(stanza: &Stanza<'_>) -> Result<BTreeMap<String, IndexFile>, ControlError> {
    let Some(field) = stanza.field("SHA256") else {
        return Err(ControlError::new(stanza.line(), "the list SHA256 is missing"));
    };
    let mut files = BTreeMap::new();
    for (line, number) in field.value.lines().zip(field.line..) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let error = |problem: &str| ControlError::new(number, problem);
        let mut words = line.split_ascii_whitespace();
        let (Some(digest), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(error("a line of SHA256 is not digest, size and path"));
        };
        let sha256 = digest.parse().map_err(|_| error("not a SHA-256 digest"))?;
        let size = size.parse().map_err(|_| error("not a size in bytes"))?;
        if files.len() == INDEX_FILES_MAX {
            return Err(error("the list SHA256 is too long"));
        }
        if files.insert(path.to_owned(), IndexFile { size, sha256 }).is_some() {
            return Err(error("the list SHA256 names a file twice"));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{NOW, TestKey};

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(rest: &str) -> String {
        format!("Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n{rest}")
    }

    #[test]
    fn a_release_is_read_once_it_is_verified() {
        let key = TestKey::new("key");
        let text = text(&format!(
            "Valid-Until: Sat, 28 Nov 2026 09:15:44 UTC\nAcquire-By-Hash: yes\n\
             Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n\
             Components: main contrib\nSHA256:\n {DIGEST} 0 main/a\n {DIGEST} 12 main/b\n"
        ));
        let keyring = Keyring::parse(&key.binary()).unwrap();
        let document = key.sign(&text);
        let verified = VerifiedRelease::open(document.as_bytes(), &keyring, NOW).unwrap();
        assert_eq!(verified.sha256(), Sha256Digest::of(document.as_bytes()));
        let release = verified.release();
        assert_eq!((release.codename.as_str(), release.date), ("trixie", 1_795_252_544));
        assert_eq!(release.valid_until, Some(1_795_252_544 + 7 * 86_400));
        assert!(release.by_hash && release.all_is_included);
        assert_eq!(release.files["main/b"].size, 12);
        let error = VerifiedRelease::open(text.as_bytes(), &keyring, NOW).unwrap_err();
        assert_eq!(error, ReleaseError::Signature(crate::SignatureError::NotSigned));
    }

    #[test]
    fn malformed_releases_name_the_line() {
        for (rest, line, problem) in [
            ("", 1, "the list SHA256 is missing"),
            ("SHA256:\n x 0 a\n", 5, "digest"),
            (&format!("SHA256:\n {DIGEST} a a\n"), 5, "size"),
            (&format!("SHA256:\n {DIGEST} 1\n"), 5, "digest, size and path"),
            (&format!("SHA256:\n {DIGEST} 1 a b\n"), 5, "digest, size and path"),
            (&format!("SHA256:\n {DIGEST} 1 a\n {DIGEST} 1 a\n"), 6, "twice"),
            ("Valid-Until: tomorrow\nSHA256:\n", 4, "Valid-Until is not a date"),
            ("SHA256:\n\nMore: x\n", 6, "one paragraph"),
        ] {
            let error = parse(&text(rest)).unwrap_err();
            assert!(error.problem.contains(problem), "{error}");
            assert_eq!(error.line, line, "{rest:?}");
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn packages_for_all_architectures_may_have_their_own_index() {
        for (fields, included) in [
            ("Architectures: amd64\n", true),
            ("Architectures: all amd64\n", false),
            ("Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n", true),
        ] {
            let release = parse(&text(&format!("{fields}SHA256:\n"))).unwrap();
            assert_eq!(release.all_is_included, included, "{fields}");
        }
    }
}
