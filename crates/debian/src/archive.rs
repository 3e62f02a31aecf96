use std::num::NonZeroUsize;

use bytes::Bytes;
use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_fetch::{FetchError, Fetcher, Progress, Url};

use crate::{
    ArchiveError, ArchiveKind, Compression, IndexFile, Keyring, Mirrors, Release, Suite, Universe,
    VerifiedRelease,
};

/// How long an `InRelease` may be; Debian's longest has 150 KiB.
const IN_RELEASE_MAX: u64 = 16 << 20;
/// How long an index may be, compressed or not; Debian's longest has 57 MiB.
const INDEX_MAX: u64 = 1 << 30;
/// How many indices are fetched at once.
const JOBS: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// What to load.
#[derive(Clone, Debug)]
pub struct ArchiveRequest<'a> {
    /// Where the archives can be had.
    pub mirrors: &'a Mirrors,
    /// The suites; of equal versions the first one's is taken.
    pub suites: &'a [Suite],
    /// The components, such as `main`.
    pub components: &'a [String],
    /// The architecture.
    pub architecture: Architecture,
    /// The keys that are trusted.
    pub keyring: &'a Keyring,
    /// The time, in seconds since 1970-01-01 UTC.
    pub now: i64,
}

/// The state of a suite that was loaded, for the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// The suite.
    pub suite: Suite,
    /// The digest of its `InRelease`.
    pub sha256: Sha256Digest,
    /// Its `Date`, in seconds since 1970-01-01 UTC.
    pub date: i64,
    /// Its `Valid-Until`, in seconds since 1970-01-01 UTC.
    pub valid_until: Option<i64>,
    /// The keys that signed it, for people.
    pub signers: Vec<String>,
}

/// What the archives offer at one time.
#[derive(Debug)]
pub struct Archive {
    /// All packages.
    pub universe: Universe,
    /// The suites' states, in the order of the request.
    pub releases: Vec<ReleaseRecord>,
}

/// One index to fetch.
struct Index<'a> {
    suite: &'a Suite,
    path: String,
    compression: Compression,
    /// The decompressed index.
    plain: IndexFile,
    request: flagstone_fetch::Request,
}

impl Archive {
    /// Loads the state of some suites: `InRelease`, verified and not expired, then the indices it
    /// lists, from the cache where their digests are there already.
    ///
    /// # Errors
    /// If anything is missing, not trusted, out of date, or malformed.
    pub fn load(
        fetcher: &Fetcher,
        request: &ArchiveRequest<'_>,
        progress: &dyn Progress,
    ) -> Result<Self, ArchiveError> {
        let mut releases = Vec::new();
        let mut indices = Vec::new();
        for suite in request.suites {
            let release = load_release(fetcher, request, suite)?;
            indices.extend(find_indices(request, suite, release.release())?);
            releases.push(ReleaseRecord {
                suite: suite.clone(),
                sha256: release.sha256(),
                date: release.release().date,
                valid_until: release.release().valid_until,
                signers: release.signers().to_vec(),
            });
        }
        let requests: Vec<_> = indices.iter().map(|index| index.request.clone()).collect();
        fetcher.fetch_all(&requests, JOBS, progress)?;
        let mut universe = Universe::new(request.architecture.debian());
        for index in &indices {
            let data = fetcher.load(&index.request, progress)?;
            add_index(&mut universe, index, &data)?;
        }
        Ok(Self { universe, releases })
    }
}

/// Returns the URLs of a path of a suite on all its mirrors.
fn urls(mirrors: &Mirrors, suite: &Suite, paths: &[String]) -> Result<Vec<Url>, ArchiveError> {
    let bases = mirrors.of(suite.archive());
    if bases.is_empty() {
        return Err(ArchiveError::NoMirror { suite: suite.to_string() });
    }
    let mut urls = Vec::new();
    for base in bases {
        for path in paths {
            urls.push(base.join(&format!("dists/{suite}/{path}"))?);
        }
    }
    Ok(urls)
}

fn load_release(
    fetcher: &Fetcher,
    request: &ArchiveRequest<'_>,
    suite: &Suite,
) -> Result<VerifiedRelease, ArchiveError> {
    let urls = urls(request.mirrors, suite, &["InRelease".to_owned()])?;
    let document = fetcher.document(&format!("{suite} InRelease"), &urls, IN_RELEASE_MAX)?;
    let release = VerifiedRelease::open(&document, request.keyring, request.now)
        .map_err(|source| ArchiveError::Release { suite: suite.to_string(), source })?;
    check_release(release.release(), suite, request.now)?;
    Ok(release)
}

/// Checks that a release is the one that was asked for, and still valid.
fn check_release(release: &Release, suite: &Suite, now: i64) -> Result<(), ArchiveError> {
    let name = suite.as_str();
    if release.codename != name && release.suite != name {
        let actual = format!("{:?} ({:?})", release.codename, release.suite);
        return Err(ArchiveError::OtherSuite { suite: suite.to_string(), actual });
    }
    match release.valid_until {
        Some(valid_until) if valid_until <= now => {
            Err(ArchiveError::Expired { suite: suite.to_string(), valid_until })
        }
        _ => Ok(()),
    }
}

/// Returns the indices of the components and the architecture.
fn find_indices<'a>(
    request: &ArchiveRequest<'_>,
    suite: &'a Suite,
    release: &Release,
) -> Result<Vec<Index<'a>>, ArchiveError> {
    let missing = |what, name: &str, available: &[String]| ArchiveError::Missing {
        suite: suite.to_string(),
        what,
        name: name.to_owned(),
        available: available.to_vec(),
    };
    let architecture = request.architecture.debian();
    if !release.architectures.iter().any(|a| a == architecture) {
        return Err(missing("architecture", architecture, &release.architectures));
    }
    let mut indices = Vec::new();
    for component in request.components {
        // The security archive calls it "updates/main", and has it in the folder "main".
        let named = |c: &String| c.rsplit('/').next() == Some(component);
        if !release.components.iter().any(named) {
            return Err(missing("component", component, &release.components));
        }
        let own = format!("{component}/binary-{architecture}/Packages");
        indices.push(find_index(request, suite, release, own)?);
        if !release.all_is_included {
            let all = format!("{component}/binary-all/Packages");
            indices.push(find_index(request, suite, release, all)?);
        }
    }
    Ok(indices)
}

/// Returns how to have an index: in the smallest compression there is, by its digest if possible.
fn find_index<'a>(
    request: &ArchiveRequest<'_>,
    suite: &'a Suite,
    release: &Release,
    path: String,
) -> Result<Index<'a>, ArchiveError> {
    let packed = Compression::ALL.into_iter().find_map(|compression| {
        let packed = format!("{path}{}", compression.extension());
        Some((compression, *release.files.get(&packed)?, packed))
    });
    let (Some((compression, file, packed)), Some(plain)) = (packed, release.files.get(&path))
    else {
        return Err(ArchiveError::NoIndex { suite: suite.to_string(), path });
    };
    let IndexFile { size, sha256 } = file;
    for length in [size, plain.size] {
        if length > INDEX_MAX {
            let source = crate::CodecError::TooLong { limit: INDEX_MAX };
            return Err(ArchiveError::Codec { suite: suite.to_string(), path, source });
        }
    }
    let mut paths = Vec::new();
    if release.by_hash {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        paths.push(format!("{folder}/by-hash/SHA256/{sha256}"));
    }
    paths.push(packed);
    let urls = urls(request.mirrors, suite, &paths)?;
    let request = flagstone_fetch::Request { name: format!("{suite} {path}"), urls, size, sha256 };
    Ok(Index { suite, path, compression, plain: *plain, request })
}

fn add_index(universe: &mut Universe, index: &Index<'_>, data: &Bytes) -> Result<(), ArchiveError> {
    let (suite, path) = (index.suite.to_string(), index.path.clone());
    let IndexFile { size, sha256: expected } = index.plain;
    let plain = match index.compression.decompress(data, size, size) {
        Ok(plain) => plain,
        Err(source) => return Err(ArchiveError::Codec { suite, path, source }),
    };
    let actual = Sha256Digest::of(&plain);
    if actual != expected {
        return Err(ArchiveError::WrongDigest { suite, path, expected, actual });
    }
    let result = match std::str::from_utf8(&plain) {
        Ok(text) => universe.add(text, index.suite.archive()),
        Err(_) => Err(crate::ControlError::new(0, "it is not UTF-8 text")),
    };
    result.map_err(|source| ArchiveError::Index { suite, path, source })
}

impl Mirrors {
    /// Returns where a package's file can be had.
    ///
    /// # Errors
    /// If the path is not one that belongs into an archive.
    pub fn locate(&self, archive: ArchiveKind, filename: &str) -> Result<Vec<Url>, FetchError> {
        self.of(archive).iter().map(|base| base.join(filename)).collect()
    }
}
