use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::partial::{BUFFER, Partial};
use crate::{Body, Cache, FetchError, Outcome, Progress, Request, Transport, TransportError, Url};

/// How often a failing place is tried, and how long to wait in between.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries at one URL.
    pub tries: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 3, pause: Duration::from_millis(500) }
    }
}

/// Brings files into the cache.
#[derive(Clone)]
pub struct Fetcher {
    cache: Cache,
    transport: Option<Arc<dyn Transport>>,
    patience: Patience,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("cache", &self.cache)
            .field("offline", &self.transport.is_none())
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Creates a fetcher.
    pub fn new(cache: Cache, transport: Arc<dyn Transport>) -> Self {
        Self { cache, transport: Some(transport), patience: Patience::default() }
    }

    /// Creates a fetcher that has only what the cache holds.
    pub fn offline(cache: Cache) -> Self {
        Self { cache, transport: None, patience: Patience::default() }
    }

    /// Sets how failures are retried.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Returns the cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Tells whether only the cache is used.
    pub fn is_offline(&self) -> bool {
        self.transport.is_none()
    }

    /// Brings one file into the cache, and returns its path.
    ///
    /// A cached file is recognised by its length; [`Self::load`] checks the digest too.
    ///
    /// # Errors
    /// If no place delivers the file: the first failure that is not "not found", else
    /// [`FetchError::NotFound`].
    pub fn fetch(&self, request: &Request, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        if let Some(path) = self.cache.find(&request.sha256, request.size) {
            progress.finished(&request.name, Outcome::Cached);
            return Ok(path);
        }
        let transport = self.transport(&request.name)?;
        let Some(mut partial) = Partial::open(&self.cache, &request.sha256, request.size)? else {
            progress.finished(&request.name, Outcome::Cached);
            return Ok(self.cache.path(&request.sha256));
        };
        progress.started(&request.name, request.size, partial.len());
        let mut download = Download { transport, request, progress, partial: &mut partial };
        self.try_all(&request.name, &request.urls, progress, |url| download.run(url))?;
        partial.finish(&self.cache, &request.sha256)?;
        progress.finished(&request.name, Outcome::Fetched);
        Ok(self.cache.path(&request.sha256))
    }

    /// Returns a file's bytes, checked against its digest; a damaged cache entry is fetched again.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn load(&self, request: &Request, progress: &dyn Progress) -> Result<Bytes, FetchError> {
        if let Some(data) = self.cache.read(&request.sha256, request.size)? {
            return Ok(data);
        }
        let path = self.fetch(request, progress)?;
        self.cache.read(&request.sha256, request.size)?.ok_or_else(|| FetchError::Cache {
            action: "read back",
            path,
            source: io::Error::other("the file changed after it was written"),
        })
    }

    /// Brings many files into the cache, `jobs` at a time, and returns their paths in order.
    ///
    /// # Errors
    /// The failure of the first request in order among those that failed; requests that were not
    /// begun by then are left out. Offline, one error names all that is missing.
    pub fn fetch_all(
        &self,
        requests: &[Request],
        jobs: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<Vec<PathBuf>, FetchError> {
        if self.is_offline() {
            self.require_all(requests)?;
        }
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let results = Mutex::new(Vec::with_capacity(requests.len()));
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else { break };
                let result = self.fetch(request, progress);
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
            }
        };
        thread::scope(|scope| {
            for _ in 1..jobs.get().min(requests.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn require_all(&self, requests: &[Request]) -> Result<(), FetchError> {
        let absent = |r: &&Request| self.cache.find(&r.sha256, r.size).is_none();
        let missing: Vec<_> = requests.iter().filter(absent).map(|r| r.name.clone()).collect();
        if missing.is_empty() { Ok(()) } else { Err(FetchError::Offline { missing }) }
    }

    /// Returns a document whose digest is not known, of at most `limit` bytes.
    ///
    /// The caller is the one who must check it; nothing of it is kept.
    ///
    /// # Errors
    /// As [`Self::fetch`], and [`FetchError::TooLong`].
    pub fn document(&self, name: &str, urls: &[Url], limit: u64) -> Result<Bytes, FetchError> {
        let transport = self.transport(name)?;
        self.try_all(name, urls, &(), |url| {
            let failed = |source| transport_failed(name, url, source);
            let body = transport.open(url, 0).map_err(failed)?;
            let too_long =
                || FetchError::TooLong { name: name.to_owned(), url: url.clone(), limit };
            if body.total.is_some_and(|total| total > limit) {
                return Err(too_long());
            }
            let mut data = Vec::new();
            let mut reader = body.reader.take(limit.saturating_add(1));
            reader.read_to_end(&mut data).map_err(|error| failed(read_error(error)))?;
            let actual = data.len() as u64;
            match body.total {
                _ if actual > limit => Err(too_long()),
                Some(expected) if expected != actual => {
                    Err(failed(TransportError::Truncated { expected, actual }))
                }
                _ => Ok(data.into()),
            }
        })
    }

    fn transport(&self, name: &str) -> Result<&dyn Transport, FetchError> {
        self.transport
            .as_deref()
            .ok_or_else(|| FetchError::Offline { missing: vec![name.to_owned()] })
    }

    /// Tries each place as often as patience allows, until one succeeds.
    fn try_all<T>(
        &self,
        name: &str,
        urls: &[Url],
        progress: &dyn Progress,
        mut attempt: impl FnMut(&Url) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let mut failure = None;
        for url in urls {
            let mut pause = self.patience.pause;
            for left in (0..self.patience.tries.max(1)).rev() {
                match attempt(url) {
                    Ok(value) => return Ok(value),
                    Err(error @ FetchError::Cache { .. }) => return Err(error),
                    Err(error) if left > 0 && error.is_transient() => {
                        progress.retrying(name, &error);
                        thread::sleep(pause);
                        pause = pause.saturating_mul(2);
                    }
                    Err(error) => {
                        // "not found" says less than any other failure.
                        if matches!(failure, None | Some(FetchError::NotFound { .. })) {
                            failure = Some(error);
                        }
                        break;
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| FetchError::NoSource { name: name.to_owned() }))
    }
}

/// One file on its way into the cache.
struct Download<'a> {
    transport: &'a dyn Transport,
    request: &'a Request,
    progress: &'a dyn Progress,
    partial: &'a mut Partial,
}

impl Download<'_> {
    /// Completes the partial file from `url`; if what was there before does not fit, from zero.
    fn run(&mut self, url: &Url) -> Result<(), FetchError> {
        let resumed = self.partial.len() > 0;
        match self.complete(url) {
            Err(FetchError::WrongDigest { .. } | FetchError::WrongSize { .. }) if resumed => {
                self.complete(url)
            }
            result => result,
        }
    }

    fn complete(&mut self, url: &Url) -> Result<(), FetchError> {
        if self.partial.len() < self.request.size || self.request.size == 0 {
            self.receive(url)?;
        }
        let actual = self.partial.digest();
        if actual == self.request.sha256 {
            return Ok(());
        }
        self.restart()?;
        let (name, url, expected) = (self.request.name.clone(), url.clone(), self.request.sha256);
        Err(FetchError::WrongDigest { name, url, expected, actual })
    }

    /// Appends what is missing to the partial file; on return it has its full length.
    fn receive(&mut self, url: &Url) -> Result<(), FetchError> {
        let expected = self.request.size;
        let failed = |source| transport_failed(&self.request.name, url, source);
        let offset = self.partial.len();
        let Body { offset: start, total, mut reader } =
            self.transport.open(url, offset).map_err(failed)?;
        if start != offset {
            self.restart()?;
        }
        if start != offset && start != 0 {
            return Err(failed(TransportError::Protocol("an offset that was not asked for")));
        }
        if let Some(actual) = total.filter(|total| *total != expected) {
            return Err(self.wrong_size(url, actual, false)?);
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(read_error(error))),
            };
            let actual = self.partial.len() + count as u64;
            if actual > expected {
                return Err(self.wrong_size(url, actual, true)?);
            }
            if count == 0 {
                break;
            }
            self.partial.append(&buffer[..count])?;
            self.progress.received(&self.request.name, count as u64);
        }
        let actual = self.partial.len();
        if actual < expected {
            return Err(failed(TransportError::Truncated { expected, actual }));
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.progress.restarted(&self.request.name);
        self.partial.restart()
    }

    /// Drops what came, and returns the error to report.
    fn wrong_size(
        &mut self,
        url: &Url,
        actual: u64,
        at_least: bool,
    ) -> Result<FetchError, FetchError> {
        self.restart()?;
        let (name, url, expected) = (self.request.name.clone(), url.clone(), self.request.size);
        Ok(FetchError::WrongSize { name, url, expected, actual, at_least })
    }
}

fn transport_failed(name: &str, url: &Url, source: TransportError) -> FetchError {
    let (name, url) = (name.to_owned(), url.clone());
    match source {
        TransportError::NotFound => FetchError::NotFound { name, url },
        source => FetchError::Transport { name, url, source },
    }
}

fn read_error(error: io::Error) -> TransportError {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportError::TimedOut,
        _ => TransportError::Read(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs;

    use flagstone_artifact::Sha256Digest;

    use super::*;

    /// What the scripted server does with one request.
    enum Act {
        /// Serves these bytes, honouring the offset.
        Serve(&'static [u8]),
        /// Serves these bytes from the start, whatever was asked for, without a length.
        Whole(&'static [u8]),
        /// Serves up to this many bytes of the file, then the connection breaks.
        Break(&'static [u8], usize),
        /// Says that the file has this length.
        Announce(u64),
        Fail(TransportError),
        /// Never stops.
        Endless,
    }

    /// Plays its script, then says "not found"; records (URL, offset).
    #[derive(Default)]
    struct Script {
        acts: Mutex<VecDeque<Act>>,
        seen: Mutex<Vec<(String, u64)>>,
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    impl Transport for Script {
        fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
            self.seen.lock().unwrap().push((url.file_name().to_owned(), offset));
            let from = usize::try_from(offset).unwrap();
            match self.acts.lock().unwrap().pop_front() {
                None => Err(TransportError::NotFound),
                Some(Act::Fail(error)) => Err(error),
                Some(Act::Serve(data)) => {
                    let reader = Box::new(&data[from..]);
                    Ok(Body { offset, total: Some(data.len() as u64), reader })
                }
                Some(Act::Whole(data)) => {
                    Ok(Body { offset: 0, total: None, reader: Box::new(data) })
                }
                Some(Act::Break(data, at)) => {
                    let reader = Box::new(data[from..at].chain(Broken));
                    Ok(Body { offset, total: None, reader })
                }
                Some(Act::Announce(total)) => {
                    Ok(Body { offset: 0, total: Some(total), reader: Box::new(io::empty()) })
                }
                Some(Act::Endless) => {
                    Ok(Body { offset: 0, total: None, reader: Box::new(io::repeat(b'x')) })
                }
            }
        }
    }

    const DATA: &[u8] = b"the file as it was locked";
    const OTHER: &[u8] = b"the file, quite different";
    const PATIENCE: Patience = Patience { tries: 3, pause: Duration::ZERO };

    fn request(urls: &[&str]) -> Request {
        Request {
            name: "file.deb".into(),
            urls: urls.iter().map(|u| format!("http://m.test/{u}").parse().unwrap()).collect(),
            size: DATA.len() as u64,
            sha256: Sha256Digest::of(DATA),
        }
    }

    fn fetcher(acts: Vec<Act>) -> (tempfile::TempDir, Arc<Script>, Fetcher) {
        let dir = tempfile::tempdir().unwrap();
        let script = Arc::new(Script { acts: Mutex::new(acts.into()), ..Script::default() });
        let cache = Cache::open(dir.path().join("cache")).unwrap();
        let fetcher = Fetcher::new(cache, script.clone()).with_patience(PATIENCE);
        (dir, script, fetcher)
    }

    fn seen(script: &Script) -> Vec<(String, u64)> {
        std::mem::take(&mut script.seen.lock().unwrap())
    }

    fn at(places: &[(&str, u64)]) -> Vec<(String, u64)> {
        places.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect()
    }

    #[test]
    fn a_file_is_fetched_once_and_then_found() {
        let (_dir, script, fetcher) = fetcher(vec![Act::Serve(DATA)]);
        for _ in 0..2 {
            let path = fetcher.fetch(&request(&["a"]), &()).unwrap();
            assert_eq!(fs::read(path).unwrap(), DATA);
        }
        assert_eq!(seen(&script), at(&[("a", 0)]));
        assert_eq!(fetcher.load(&request(&[]), &()).unwrap(), DATA);
    }

    #[test]
    fn a_broken_connection_is_continued_where_it_broke() {
        let (_dir, script, fetcher) = fetcher(vec![Act::Break(DATA, 7), Act::Serve(DATA)]);
        fetcher.fetch(&request(&["a"]), &()).unwrap();
        assert_eq!(seen(&script), at(&[("a", 0), ("a", 7)]));
    }

    #[test]
    fn the_next_run_continues_what_the_last_one_left() {
        let broken = || Act::Break(DATA, 9);
        let (_dir, script, fetcher) = fetcher(vec![broken(), broken(), broken()]);
        let error = fetcher.fetch(&request(&["a"]), &()).unwrap_err();
        assert!(matches!(error, FetchError::Transport { .. }), "{error}");
        seen(&script);
        script.acts.lock().unwrap().push_back(Act::Serve(DATA));
        assert_eq!(fetcher.load(&request(&["a"]), &()).unwrap(), DATA);
        assert_eq!(seen(&script), at(&[("a", 9)]));
    }

    #[test]
    fn a_truncated_body_is_continued() {
        let (_dir, script, fetcher) = fetcher(vec![Act::Whole(&DATA[..5]), Act::Serve(DATA)]);
        assert_eq!(fetcher.load(&request(&["a"]), &()).unwrap(), DATA);
        assert_eq!(seen(&script), at(&[("a", 0), ("a", 5)]));
    }

    #[test]
    fn a_partial_file_that_does_not_fit_is_started_over_once() {
        for (name, left) in [("wrong", &b"wrong"[..]), ("wrong and whole", OTHER)] {
            let (_dir, script, fetcher) = fetcher(vec![Act::Serve(DATA), Act::Serve(DATA)]);
            let wanted = request(&["a"]);
            fs::write(fetcher.cache().partial(&wanted.sha256).unwrap(), left).unwrap();
            assert_eq!(fetcher.load(&wanted, &()).unwrap(), DATA, "{name}");
            assert_eq!(seen(&script).last(), at(&[("a", 0)]).last(), "{name}");
        }
    }

    #[test]
    fn a_server_that_ignores_the_offset_is_understood() {
        let (_dir, _, fetcher) = fetcher(vec![Act::Break(DATA, 7), Act::Whole(DATA)]);
        assert_eq!(fetcher.load(&request(&["a"]), &()).unwrap(), DATA);
    }

    #[test]
    fn a_whole_partial_file_needs_no_server() {
        let (_dir, script, fetcher) = fetcher(vec![]);
        let wanted = request(&["a"]);
        fs::write(fetcher.cache().partial(&wanted.sha256).unwrap(), DATA).unwrap();
        assert_eq!(fetcher.load(&wanted, &()).unwrap(), DATA);
        assert_eq!(seen(&script), []);
    }

    #[test]
    fn lying_mirrors_are_named_and_leave_nothing_behind() {
        let cases = [
            ("wrong digest", Act::Serve(OTHER)),
            ("wrong size: expected 25 bytes, got 7", Act::Announce(7)),
            ("wrong size: expected 25 bytes, got at least ", Act::Endless),
            (
                "wrong size: expected 25 bytes, got at least 35",
                Act::Whole(b"the file as it was locked, and more"),
            ),
            ("is not on the mirror", Act::Fail(TransportError::NotFound)),
            ("failed to fetch", Act::Fail(TransportError::Status(403))),
        ];
        for (text, act) in cases {
            let (_dir, script, fetcher) = fetcher(vec![act]);
            let wanted = request(&["a"]);
            let error = fetcher.fetch(&wanted, &()).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert!(error.to_string().contains("file.deb"), "{error}");
            assert!(error.hint().is_some());
            assert_eq!(seen(&script).len(), 1, "{text} is not worth another try");
            assert!(!fetcher.cache().path(&wanted.sha256).exists(), "{text}");
            assert_eq!(fs::read(fetcher.cache().partial(&wanted.sha256).unwrap()).unwrap(), b"");
        }
    }

    #[test]
    fn the_next_mirror_helps_and_the_telling_failure_is_reported() {
        let (_dir, script, fetcher) = fetcher(vec![Act::Serve(OTHER), Act::Serve(DATA)]);
        fetcher.fetch(&request(&["a", "b"]), &()).unwrap();
        assert_eq!(seen(&script), at(&[("a", 0), ("b", 0)]));

        let gone = || Act::Fail(TransportError::NotFound);
        let (_dir, _, fetcher) = self::fetcher(vec![gone(), Act::Serve(OTHER), gone()]);
        let error = fetcher.fetch(&request(&["a", "b", "c"]), &()).unwrap_err();
        assert!(matches!(error, FetchError::WrongDigest { .. }), "{error}");
    }

    #[test]
    fn transient_failures_are_tried_three_times() {
        let slow = || Act::Fail(TransportError::TimedOut);
        let (_dir, script, fetcher) = fetcher(vec![slow(), slow(), slow(), Act::Serve(DATA)]);
        let error = fetcher.fetch(&request(&["a"]), &()).unwrap_err();
        assert!(matches!(error, FetchError::Transport { source: TransportError::TimedOut, .. }));
        assert_eq!(seen(&script).len(), 3);
    }

    #[test]
    fn a_damaged_cache_entry_is_removed_and_fetched_again() {
        let (_dir, script, fetcher) = fetcher(vec![Act::Serve(DATA), Act::Serve(DATA)]);
        let wanted = request(&["a"]);
        let path = fetcher.fetch(&wanted, &()).unwrap();
        for damage in [OTHER, &DATA[1..]] {
            fs::write(&path, damage).unwrap();
            assert_eq!(fetcher.cache().read(&wanted.sha256, wanted.size).unwrap(), None);
            assert!(!path.exists());
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, OTHER).unwrap();
        assert_eq!(fetcher.load(&wanted, &()).unwrap(), DATA);
        assert_eq!(seen(&script).len(), 2);
    }

    #[test]
    fn offline_names_all_that_is_missing() {
        let (_dir, _, online) = fetcher(vec![Act::Serve(DATA)]);
        online.fetch(&request(&["a"]), &()).unwrap();
        let fetcher = Fetcher::offline(online.cache().clone());
        let absent = |name: &str| Request {
            name: name.into(),
            sha256: Sha256Digest::of(name.as_bytes()),
            ..request(&["a"])
        };
        let jobs = NonZeroUsize::new(2).unwrap();
        assert_eq!(fetcher.fetch_all(&[request(&["a"])], jobs, &()).unwrap().len(), 1);
        let requests = [absent("x"), request(&["a"]), absent("y")];
        let error = fetcher.fetch_all(&requests, jobs, &()).unwrap_err();
        assert_eq!(error.to_string(), "offline, and the cache does not hold x, y");
    }

    #[test]
    fn many_files_come_in_order_whatever_the_number_of_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let requests: Vec<_> = (0..40)
            .map(|i| {
                let data = format!("file {}", i / 2);
                let path = dir.path().join(format!("f{}", i / 2));
                fs::write(&path, &data).unwrap();
                Request {
                    name: data.clone(),
                    urls: vec![format!("file://{}", path.display()).parse().unwrap()],
                    size: data.len() as u64,
                    sha256: Sha256Digest::of(data.as_bytes()),
                }
            })
            .collect();
        for jobs in [1, 2, 7, 100] {
            let cache = Cache::open(dir.path().join(format!("cache{jobs}"))).unwrap();
            let fetcher = Fetcher::new(cache, Arc::new(crate::FileTransport));
            let jobs = NonZeroUsize::new(jobs).unwrap();
            let paths = fetcher.fetch_all(&requests, jobs, &()).unwrap();
            for (request, path) in requests.iter().zip(paths) {
                assert_eq!(fs::read_to_string(path).unwrap(), request.name);
            }
            let rest = fs::read_dir(dir.path().join(format!("cache{jobs}/partial"))).unwrap();
            assert_eq!(rest.count(), 0);
        }
    }

    #[test]
    fn the_first_failure_in_order_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let fetcher = Fetcher::new(cache, Arc::new(crate::FileTransport));
        let missing = |name: &str| Request {
            name: name.into(),
            urls: vec!["file:///nonexistent/file".parse().unwrap()],
            size: 1,
            sha256: Sha256Digest::of(name.as_bytes()),
        };
        let requests = [missing("one"), missing("two")];
        let error = fetcher.fetch_all(&requests, NonZeroUsize::MIN, &()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "one is not on the mirror any more: file:///nonexistent/file"
        );
        assert!(fetcher.fetch_all(&[], NonZeroUsize::MIN, &()).unwrap().is_empty());
    }

    #[test]
    fn documents_have_a_limit() {
        let url = [request(&["a"]).urls[0].clone()];
        let serve = |act| fetcher(vec![act]).2.document("InRelease", &url, 25);
        assert_eq!(serve(Act::Serve(DATA)).unwrap(), DATA);
        for act in [Act::Endless, Act::Announce(26), Act::Whole(b"12345678901234567890123456")] {
            let error = serve(act).unwrap_err();
            assert_eq!(error.to_string(), "InRelease from http://m.test/a is longer than 25 bytes");
        }
        let error = serve(Act::Announce(3)).unwrap_err();
        assert!(matches!(error, FetchError::NotFound { .. } | FetchError::Transport { .. }));
    }

    #[test]
    fn an_error_and_its_causes_repeat_nothing() {
        let error = FetchError::Transport {
            name: "x".into(),
            url: "http://m.test/x".parse().unwrap(),
            source: TransportError::Read(io::ErrorKind::ConnectionReset.into()),
        };
        let mut chain = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            chain.push(cause.to_string());
            source = cause.source();
        }
        assert_eq!(
            chain,
            ["failed to fetch x from http://m.test/x", "reading failed", "connection reset"]
        );
    }
}
