//! Repositories in an object store: moto's, which checks signatures, whose Python `FLAGSTONE_MOTO_PYTHON` names.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use flagstone_fetch::{FileTransport, HttpTransport, Url};
use flagstone_repository::{
    Bucket, Credentials, NewRoot, PublishError, Published, Publisher, Repository,
};

use crate::support::{
    ARCHITECTURE, ROLES, Yard, begin, files, key, keys, payload_keys, publication, terms,
};

const STORE: &str = include_str!("bucket.py");

/// The store, which ends with this value.
struct Store {
    child: Child,
    said: BufReader<ChildStdout>,
    endpoint: Url,
    credentials: Credentials,
}

impl Store {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("FLAGSTONE_MOTO_PYTHON") else {
            let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
            assert!(!required, "FLAGSTONE_MOTO_PYTHON names no Python with moto");
            println!("skipped: FLAGSTONE_MOTO_PYTHON is not set");
            return None;
        };
        let mut command = Command::new(python);
        let pipes = command.args(["-c", STORE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [port, key_id, secret] = words[..] else { panic!("the store did not start: {line}") };
        let credentials = Credentials {
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
        };
        let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
        Some(Self { child, said, endpoint, credentials })
    }

    fn bucket(&self) -> Bucket {
        bucket(&self.endpoint, self.credentials.clone())
    }

    fn open(&self) -> Publisher {
        Publisher::open_bucket(self.bucket()).unwrap().unwrap()
    }

    /// Has the other client do something.
    fn tell(&mut self, words: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{words}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "{words}");
    }

    /// Copies everything and reads it as a machine.
    fn offered(&mut self, yard: &Yard, copy: &str) -> String {
        let copy = yard.path(copy);
        self.tell(&format!("copy {}", copy.display()));
        let folder = copy.join("updates/a");
        let root = fs::read(folder.join("metadata/1.root.json")).unwrap();
        let url = format!("file://{}", folder.display()).parse().unwrap();
        let seen = yard.path("seen-in-store");
        let open = Repository::open_at(&root, &url, &FileTransport, &seen, begin());
        let repository = open.unwrap();
        let offer = repository.offer("stable", "a", ARCHITECTURE).unwrap().unwrap();
        let target = repository.target(offer.payload.as_str()).unwrap();
        let payload = fs::read(target.url.to_path().unwrap()).unwrap();
        let ours = yard.path(offer.version.as_str()).join(offer.payload.as_str());
        assert!(payload == fs::read(ours).unwrap());
        offer.version.to_string()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bucket(endpoint: &Url, credentials: Credentials) -> Bucket {
    Bucket::new("s3://edge/updates/a", endpoint, credentials, HttpTransport::new()).unwrap()
}

fn create(bucket: Bucket) -> Result<Publisher, PublishError> {
    let new = NewRoot::by_name(ROLES.map(|name| key(name).public()), [].into());
    Publisher::create_in_bucket(bucket, &new, &keys(&ROLES), terms(begin()))
}

fn publish(publisher: &mut Publisher, payload: PathBuf) -> Result<Published, PublishError> {
    publisher.publish(&publication(&[payload]), &payload_keys(), &keys(&ROLES), terms(begin()))
}

#[test]
fn a_repository_in_an_object_store_is_that_of_a_folder() {
    let Some(mut store) = Store::start() else { return };
    let yard = Yard::new();
    assert!(Publisher::open_bucket(store.bucket()).unwrap().is_none());
    create(store.bucket()).unwrap();
    assert!(matches!(create(store.bucket()), Err(PublishError::Exists { .. })));
    let first = yard.release("1~rc1^a");
    publish(&mut store.open(), first.clone()).unwrap();
    assert_eq!(store.offered(&yard, "copy"), "1~rc1^a");
    // The same files as in a folder, under the same names.
    yard.publish(&[first], begin()).unwrap();
    let names = |folder: &Path| {
        let files = files(folder);
        let names = files.iter().map(|file| file.strip_prefix(folder).unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&yard.path("copy/updates/a")), names(&yard.repository()));
    // Without keys, or with the wrong ones, nothing is to be had.
    let stranger = Credentials { secret: "another".to_owned(), ..store.credentials.clone() };
    let error = Publisher::open_bucket(bucket(&store.endpoint, stranger)).unwrap_err();
    assert!(error.hint().unwrap().contains("AWS_ACCESS_KEY_ID"), "{error}");

    // Refreshed, rotated, and published to again.
    let mut publisher = store.open();
    publisher.refresh(&keys(&ROLES), terms(begin())).unwrap();
    publisher.rotate(&[], &keys(&ROLES), terms(begin())).unwrap();
    publish(&mut publisher, yard.release("2")).unwrap();
    assert_eq!(store.offered(&yard, "copy"), "2");
}

#[test]
fn of_two_publishers_at_a_time_one_is_refused() {
    let Some(mut store) = Store::start() else { return };
    let yard = Yard::new();
    create(store.bucket()).unwrap();
    let (mut one, mut other) = (store.open(), store.open());
    publish(&mut one, yard.release("1")).unwrap();
    let newer = yard.release("2");
    let error = publish(&mut other, newer.clone()).unwrap_err();
    assert!(matches!(error, PublishError::Busy { .. }), "{error}");
    // What the other one left behind is in nobody's way.
    assert_eq!(store.offered(&yard, "copy"), "1");
    publish(&mut store.open(), newer).unwrap();
    assert_eq!(store.offered(&yard, "copy"), "2");
}

#[test]
fn a_publication_that_was_cut_off_does_not_end_a_repository() {
    let Some(mut store) = Store::start() else { return };
    let yard = Yard::new();
    create(store.bucket()).unwrap();
    for name in ["2.targets.json", "3.targets.json", "2.snapshot.json", "4.snapshot.json"] {
        store.tell(&format!("put updates/a/metadata/{name}"));
    }
    let published = publish(&mut store.open(), yard.release("1")).unwrap();
    let versions: Vec<u64> = published.metadata.iter().map(|(_, version, _)| *version).collect();
    assert_eq!(versions, [1, 5, 5, 2]);
    assert_eq!(store.offered(&yard, "copy"), "1");
}

/// Answers every request with the same, until the test ends.
fn always(answer: String) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 1 << 16];
            // The body may come in a segment of its own.
            let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(50)));
            while stream.read(&mut request).is_ok_and(|count| count > 0) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://127.0.0.1:{port}").parse().unwrap()
}

#[test]
fn a_store_that_passes_over_conditions_is_refused() {
    let credentials = || Credentials {
        key_id: "a".to_owned(),
        secret: "b".to_owned(),
        session_token: None,
        region: "c".to_owned(),
    };
    let root = Yard::new().first_root();
    let root = String::from_utf8(root).unwrap();
    let length = root.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let endpoint = always(answer + &root);
    let error = Publisher::open_bucket(bucket(&endpoint, credentials())).unwrap_err();
    assert!(matches!(error, PublishError::Unconditional { .. }), "{error}");
    assert!(error.hint().is_some());
    for (status, word) in [("403 Forbidden", "AWS_REGION"), ("500 Oh", "AWS_ENDPOINT_URL")] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let endpoint = always(answer);
        let error = Publisher::open_bucket(bucket(&endpoint, credentials())).unwrap_err();
        assert!(matches!(error, PublishError::Store { .. }), "{error}");
        assert!(error.hint().unwrap().contains(word), "{error}");
    }
}
