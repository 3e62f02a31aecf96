use std::fmt;
use std::num::NonZeroUsize;

use bytes::Bytes;
use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_fetch::{FetchError, Fetcher, Progress, Url};

use crate::{
    ArchiveError, ArchiveId, Compression, IndexFile, Keyring, Mirrors, Origin, Release, Suite,
    Universe, VerifiedRelease,
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
    pub suites: &'a [SuiteRequest<'a>],
    /// The architecture.
    pub architecture: Architecture,
    /// The time, in seconds since 1970-01-01 UTC.
    pub now: i64,
}

/// One suite to load.
#[derive(Clone, Debug)]
pub struct SuiteRequest<'a> {
    /// The archive that has it.
    pub archive: ArchiveId,
    /// The suite.
    pub suite: Suite,
    /// The components, such as `main`.
    pub components: &'a [String],
    /// The keys that it is trusted by.
    pub keyring: &'a Keyring,
}

impl fmt::Display for SuiteRequest<'_> {
    /// Writes the suite as messages name it: `trixie`, `docker/trixie`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.archive {
            ArchiveId::Repository(name) => write!(f, "{name}/{}", self.suite),
            _ => self.suite.fmt(f),
        }
    }
}

/// The state of a suite that was loaded, for the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// The archive that has the suite.
    pub archive: ArchiveId,
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
    suite: &'a SuiteRequest<'a>,
    automatic: bool,
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
                archive: suite.archive.clone(),
                suite: suite.suite.clone(),
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
fn urls(
    mirrors: &Mirrors,
    suite: &SuiteRequest<'_>,
    paths: &[String],
) -> Result<Vec<Url>, ArchiveError> {
    let bases = mirrors.of(&suite.archive);
    if bases.is_empty() {
        let repository = match &suite.archive {
            ArchiveId::Repository(name) => Some(name.clone()),
            _ => None,
        };
        return Err(ArchiveError::NoMirror { suite: suite.to_string(), repository });
    }
    let mut urls = Vec::new();
    for base in bases {
        for path in paths {
            urls.push(base.join(&format!("dists/{}/{path}", suite.suite))?);
        }
    }
    Ok(urls)
}

fn load_release(
    fetcher: &Fetcher,
    request: &ArchiveRequest<'_>,
    suite: &SuiteRequest<'_>,
) -> Result<VerifiedRelease, ArchiveError> {
    let urls = urls(request.mirrors, suite, &["InRelease".to_owned()])?;
    let document = fetcher.document(&format!("{suite} InRelease"), &urls, IN_RELEASE_MAX)?;
    let release = VerifiedRelease::open(&document, suite.keyring, request.now)
        .map_err(|source| ArchiveError::Release { suite: suite.to_string(), source })?;
    check_release(release.release(), suite, request.now)?;
    Ok(release)
}

/// Checks that a release is the one that was asked for, and still valid.
fn check_release(
    release: &Release,
    suite: &SuiteRequest<'_>,
    now: i64,
) -> Result<(), ArchiveError> {
    let name = suite.suite.as_str();
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
    suite: &'a SuiteRequest<'a>,
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
    for component in suite.components {
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
    suite: &'a SuiteRequest<'a>,
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
    Ok(Index {
        suite,
        automatic: !release.not_automatic,
        path,
        compression,
        plain: *plain,
        request,
    })
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
    let origin = Origin {
        archive: index.suite.archive.clone(),
        suite: index.suite.suite.to_string(),
        automatic: index.automatic,
    };
    let result = match std::str::from_utf8(&plain) {
        Ok(text) => universe.add(text, &origin),
        Err(_) => Err(crate::ControlError::new(0, "it is not UTF-8 text")),
    };
    result.map_err(|source| ArchiveError::Index { suite, path, source })
}

impl Mirrors {
    /// Returns where a package's file can be had.
    ///
    /// # Errors
    /// If the path is not one that belongs into an archive.
    pub fn locate(&self, archive: &ArchiveId, filename: &str) -> Result<Vec<Url>, FetchError> {
        self.of(archive).iter().map(|base| base.join(filename)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use flagstone_fetch::{Cache, FileTransport};

    use super::*;
    use crate::codec::tests::compress;
    use crate::test_keys::{NOW, TestKey};

    fn stanza(name: &str, version: &str, architecture: &str) -> String {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
             Filename: pool/{name}_{version}.deb\nSize: 7\nSHA256: {}\n\n",
            "0".repeat(64)
        )
    }

    type Lie = fn(&Mirror);

    /// A mirror in a folder, with a key that signs it.
    struct Mirror {
        dir: tempfile::TempDir,
        key: TestKey,
    }

    impl Mirror {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap(), key: TestKey::new("test archive") }
        }

        fn dists(&self, suite: &str) -> std::path::PathBuf {
            let base = match Suite::new(suite).unwrap().archive() {
                ArchiveId::Security => "debian-security",
                _ => "debian",
            };
            self.dir.path().join(base).join("dists").join(suite)
        }

        /// Publishes a suite with one index of `main` in some compressions.
        fn publish(&self, suite: &str, index: &str, fields: &str, packed: &[Compression]) {
            let folder = self.dists(suite).join("main/binary-amd64");
            fs::create_dir_all(&folder).unwrap();
            let mut list = line(index.as_bytes(), "main/binary-amd64/Packages");
            for compression in packed {
                let data = compress(*compression, index.as_bytes());
                let name = format!("Packages{}", compression.extension());
                fs::write(folder.join(&name), &data).unwrap();
                list += &line(&data, &format!("main/binary-amd64/{name}"));
            }
            let prefix = if suite.ends_with("-security") { "updates/" } else { "" };
            let release = format!(
                "Codename: {suite}\nDate: Sat, 01 Feb 2025 00:00:00 UTC\nArchitectures: amd64\n\
                 Components: {prefix}main\n{fields}SHA256:\n{list}"
            );
            fs::write(self.dists(suite).join("InRelease"), self.key.sign(&release)).unwrap();
        }

        fn publish_all(&self) {
            let packed = [Compression::Gzip, Compression::Xz];
            let main = stanza("aa", "1", "amd64") + &stanza("bb", "1", "all");
            self.publish("trixie", &main, "", &packed);
            self.publish("trixie-updates", &stanza("bb", "2", "all"), "", &packed);
            let security = stanza("aa", "1", "amd64") + &stanza("aa", "1+deb13u1", "amd64");
            self.publish("trixie-security", &security, "", &packed);
        }

        fn load(&self, now: i64) -> Result<Archive, ArchiveError> {
            self.load_from(now, &self.dir.path().join("cache"))
        }

        fn load_from(&self, now: i64, cache: &Path) -> Result<Archive, ArchiveError> {
            let base = format!("file://{}/debian", self.dir.path().display());
            let fetcher = Fetcher::new(Cache::open(cache).unwrap(), Arc::new(FileTransport));
            let (keyring, components) =
                (Keyring::parse(&self.key.binary()).unwrap(), ["main".to_owned()]);
            let suites = Suite::family("trixie").unwrap().map(|suite| SuiteRequest {
                archive: suite.archive(),
                suite,
                components: &components,
                keyring: &keyring,
            });
            let request = ArchiveRequest {
                mirrors: &Mirrors::beside(base.parse().unwrap()),
                suites: &suites,
                architecture: Architecture::X86_64,
                now,
            };
            Archive::load(&fetcher, &request, &())
        }

        fn refusal(&self) -> String {
            let error = self.load(NOW).unwrap_err();
            assert!(error.hint().is_some(), "{error}");
            let mut chain = vec![error.to_string()];
            let mut cause = error.source();
            while let Some(error) = cause {
                chain.push(error.to_string());
                cause = error.source();
            }
            let distinct: std::collections::BTreeSet<_> = chain.iter().collect();
            assert_eq!(distinct.len(), chain.len(), "{chain:?}");
            chain.join(" <- ")
        }
    }

    fn line(data: &[u8], path: &str) -> String {
        format!(" {} {} {path}\n", Sha256Digest::of(data), data.len())
    }

    #[test]
    fn a_family_of_suites_becomes_one_universe() {
        let mirror = Mirror::new();
        mirror.publish_all();
        let archive = mirror.load(NOW).unwrap();
        let offers = |name| -> Vec<_> {
            let versions = archive.universe.versions(name);
            versions.map(|c| (c.version().to_owned(), c.archive().clone())).collect()
        };
        assert_eq!(
            offers("aa"),
            [("1+deb13u1".into(), ArchiveId::Security), ("1".into(), ArchiveId::Main)]
        );
        assert_eq!(offers("bb").len(), 2);
        let suites: Vec<_> = archive.releases.iter().map(|r| r.suite.to_string()).collect();
        assert_eq!(suites, ["trixie", "trixie-updates", "trixie-security"]);
        let in_release = fs::read(mirror.dists("trixie").join("InRelease")).unwrap();
        assert_eq!(archive.releases[0].sha256, Sha256Digest::of(&in_release));
    }

    #[test]
    fn an_index_is_had_by_its_digest_if_the_archive_offers_that() {
        let mirror = Mirror::new();
        mirror.publish_all();
        mirror.publish(
            "trixie",
            &stanza("cc", "1", "all"),
            "Acquire-By-Hash: yes\n",
            &[Compression::Xz],
        );
        let folder = mirror.dists("trixie").join("main/binary-amd64");
        let data = fs::read(folder.join("Packages.xz")).unwrap();
        fs::create_dir_all(folder.join("by-hash/SHA256")).unwrap();
        let by_hash = folder.join("by-hash/SHA256").join(Sha256Digest::of(&data).to_string());
        fs::rename(folder.join("Packages.xz"), &by_hash).unwrap();
        assert!(mirror.load(NOW).is_ok());
        // A mirror without them serves the plain name.
        fs::rename(&by_hash, folder.join("Packages.xz")).unwrap();
        assert!(mirror.load_from(NOW, &mirror.dir.path().join("other")).is_ok());
    }

    #[test]
    fn indices_come_from_the_cache_when_nothing_changed() {
        let mirror = Mirror::new();
        mirror.publish_all();
        mirror.load(NOW).unwrap();
        fs::remove_dir_all(mirror.dists("trixie").join("main")).unwrap();
        mirror.load(NOW).unwrap();
    }

    #[test]
    fn an_expired_release_is_refused() {
        let mirror = Mirror::new();
        mirror.publish_all();
        let fields = "Valid-Until: Mon, 03 Feb 2025 00:00:00 UTC\n";
        mirror.publish("trixie-updates", "", fields, &[Compression::Xz]);
        assert!(mirror.load(1_738_540_799).is_ok());
        let error = mirror.load(1_738_540_800).unwrap_err();
        assert_eq!(
            error.to_string(),
            "trixie-updates: the mirror's state expired on 2025-02-03 00:00:00 UTC"
        );
    }

    #[test]
    fn lying_mirrors_are_refused() {
        let lies: [(&str, Lie); 7] = [
            ("wrong digest", |mirror| {
                let path = mirror.dists("trixie").join("main/binary-amd64/Packages.xz");
                let mut data = fs::read(&path).unwrap();
                data[20] ^= 1;
                fs::write(path, data).unwrap();
            }),
            ("wrong size", |mirror| {
                let path = mirror.dists("trixie").join("main/binary-amd64/Packages.xz");
                fs::write(path, b"short").unwrap();
            }),
            ("is not on the mirror any more", |mirror| {
                fs::remove_file(mirror.dists("trixie").join("InRelease")).unwrap();
            }),
            ("the signature by", |mirror| {
                let path = mirror.dists("trixie").join("InRelease");
                let text = fs::read_to_string(&path).unwrap().replace("2025", "2026");
                fs::write(path, text).unwrap();
            }),
            ("trixie: the mirror serves \"trixie-updates\"", |mirror| {
                let other = mirror.dists("trixie-updates").join("InRelease");
                fs::copy(other, mirror.dists("trixie").join("InRelease")).unwrap();
            }),
            ("unknown keys only", |mirror| {
                let text = TestKey::new("other").sign("Codename: trixie\n");
                fs::write(mirror.dists("trixie").join("InRelease"), text).unwrap();
            }),
            ("trixie: the release lists no package index main/binary-amd64/Packages", |mirror| {
                mirror.publish("trixie", "", "", &[]);
                let text = "Codename: trixie\nDate: Sat, 01 Feb 2025 00:00:00 UTC\n\
                            Architectures: amd64\nComponents: main\nSHA256:\n";
                let text = mirror.key.sign(text);
                fs::write(mirror.dists("trixie").join("InRelease"), text).unwrap();
            }),
        ];
        for (expected, lie) in lies {
            let mirror = Mirror::new();
            mirror.publish_all();
            lie(&mirror);
            let text = mirror.refusal();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn malformed_indices_name_suite_index_and_line() {
        for (index, expected) in [
            ("Package: aa\n", "line 1: the field Architecture is missing"),
            (&stanza("aa", "1", "arm64"), "a package for arm64 in the index for amd64"),
            (&stanza("AA", "1", "all"), "is not a package name"),
            (&stanza("aa", "x", "all"), "line 2: \"x\" is not a version"),
            (&stanza("aa", "1", "all").replace("Size: 7", "Size: -7"), "Size is not a number"),
            (&stanza("aa", "1", "all").replace("000", "0"), "is not a SHA-256 digest"),
            (&stanza("aa", "1", "all").replace("Size", "Provides: a b\nSize"), "aa: "),
        ] {
            let mirror = Mirror::new();
            mirror.publish_all();
            mirror.publish("trixie", index, "", &[Compression::Xz]);
            let text = mirror.refusal();
            assert!(text.starts_with("trixie: main/binary-amd64/Packages is malformed"), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn files_are_looked_for_in_their_archive() {
        let mirrors = Mirrors::beside("http://m.test/debian".parse().unwrap());
        let urls = mirrors.locate(&ArchiveId::Security, "pool/updates/main/a/aa.deb").unwrap();
        assert_eq!(urls[0].as_str(), "http://m.test/debian-security/pool/updates/main/a/aa.deb");
        assert!(mirrors.locate(&ArchiveId::Main, "../../etc/passwd").is_err());
    }
}
