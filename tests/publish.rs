//! `flagstone publish`, and a machine that looks into what it published over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_fetch::{HttpTransport, Transport as _, Url};
use flagstone_repository::{Repository, RepositoryError};
use serde_json::Value;

#[path = "support/boot_server.rs"]
mod boot_server;
#[expect(dead_code, reason = "OpenSSL is a judge of other tests")]
#[path = "support/program.rs"]
mod program;
#[path = "support/release.rs"]
mod release;

/// What [`boot_server`] needs of the tests that boot.
mod support {
    pub(crate) const FLAGSTONE: &str = env!("CARGO_BIN_EXE_flagstone");
}

use boot_server::BootServer;
use program::{bad, good};

/// Makes a folder as a build leaves it, as far as a payload needs it, and its payload.
fn payload(home: &Path, version: &str, from: Option<&str>) {
    let folder = home.join(version);
    if from.is_none() {
        release::write(&folder, version, Architecture::Arm64);
    }
    let from: Vec<&str> = from.iter().flat_map(|from| ["--from", from]).collect();
    good(
        home,
        &[&["payload", "create", version, "--key", "p/development.key"], &from[..]].concat(),
    );
}

const COMMON: [&str; 4] = ["--repository", "repo", "--keys", "k"];

fn publish<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let channel = ["--channel", "stable", "--payload-keys", "p", "--json"];
    [&["publish"], arguments, &COMMON, &channel].concat()
}

/// Makes keys for payloads, an empty repository, and release 1.
fn prepare() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    good(home.path(), &["keys", "init", "--dir", "p"]);
    good(home.path(), &[&["publish", "init"], &COMMON[..]].concat());
    payload(home.path(), "1", None);
    home
}

#[test]
fn a_release_goes_from_its_folder_to_a_machine_over_http() {
    let home = prepare();
    let home = home.path();
    let server = BootServer::start(&[&home.join("repo")]);
    let url: Url = format!("http://127.0.0.1:{}/files", server.port).parse().unwrap();
    let root = fs::read(home.join("repo/metadata/1.root.json")).unwrap();
    let transport = HttpTransport::new();
    let open = || Repository::open(&root, &url, &transport, &home.join("seen")).unwrap();
    let offer = |channel: &str| open().offer(channel, "a", Architecture::Arm64).unwrap();
    assert!(offer("stable").is_none());

    let waves = ["--wave", "10@0h", "--wave", "100@72h", "--floor", "0.9"];
    let said = good(home, &publish(&[&["1"], &waves[..]].concat()));
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["channels"][0]["version"], "1");
    assert_eq!(said["metadata"][3]["role"], "timestamp");
    let first = offer("stable").unwrap();
    assert_eq!((first.version.as_str(), first.waves.len()), ("1", 2));
    assert_eq!(first.floor.unwrap().as_str(), "0.9");
    assert!(offer("beta").is_none());

    // Names with characters that have another spelling in URLs, on a server that is running already.
    payload(home, "2~rc1^x", None);
    payload(home, "2~rc1^x", Some("1"));
    good(home, &publish(&["2~rc1^x"]));
    let second = offer("stable").unwrap();
    assert_eq!((second.version.as_str(), second.deltas.len()), ("2~rc1^x", 1));
    let target = open().target(second.deltas[0].payload.as_str()).unwrap();
    let file = fs::read(home.join("2~rc1^x/a_2~rc1^x_arm64.from_1.payload")).unwrap();
    assert_eq!((target.size_bytes, target.sha256), (file.len() as u64, Sha256Digest::of(&file)));
    for offset in [0, target.size_bytes / 2] {
        let body = transport.open(&target.url, offset).unwrap();
        assert_eq!((body.offset, body.total), (offset, Some(target.size_bytes)));
        let mut rest = Vec::new();
        { body.reader }.read_to_end(&mut rest).unwrap();
        assert!(rest == file[usize::try_from(offset).unwrap()..]);
    }

    // Other keys, and a repository that is not where it was.
    good(home, &["keys", "init", "--dir", "k", "--name", "root-2"]);
    let id = shown_id(home, "k/root.pub");
    let remove = format!("root={id}");
    let rotate = ["publish", "rotate", "--add", "root=k/root-2.pub", "--remove", &remove];
    good(home, &[&rotate[..], &COMMON].concat());
    assert_eq!(open().root_version(), 2);
    good(home, &[&["publish", "refresh"], &COMMON[..]].concat());
    assert_eq!(offer("stable").unwrap(), second);
    fs::rename(home.join("repo/metadata"), home.join("repo/gone")).unwrap();
    let error = Repository::open(&root, &url, &transport, &home.join("seen")).unwrap_err();
    assert!(matches!(error, RepositoryError::NotFound { .. }), "{error}");
}

fn shown_id(home: &Path, key: &str) -> String {
    let shown: Value =
        serde_json::from_slice(&good(home, &["keys", "show", "--json", key])).unwrap();
    shown[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_wrong_is_said_with_a_hint() {
    let home = prepare();
    let home = home.path();
    good(home, &publish(&["1"]));
    good(home, &publish(&["1"]));
    let said = bad(home, 1, &[&["publish", "init"], &COMMON[..]].concat());
    assert!(said.contains("already") && said.contains("hint:"), "{said}");
    let said = bad(home, 1, &["publish", "refresh", "--repository", "none", "--keys", "k"]);
    assert!(said.contains("flagstone publish init"), "{said}");
    assert!(!home.join("none").exists());
    let strange = ["publish", "1", "--repository", "repo", "--channel", "stable"];
    let said = bad(home, 1, &[&strange[..], &["--keys", "k", "--payload-keys", "k"]].concat());
    assert!(said.contains("there are no keys") || said.contains("is not published"), "{said}");
    let said = bad(home, 1, &[&strange[..], &["--keys", "p", "--payload-keys", "p"]].concat());
    assert!(said.contains("keys of the role targets have to sign, and 0 are here"), "{said}");
    let store = ["publish", "refresh", "--repository", "s3://edge/updates", "--keys", "k"];
    let said = bad(home, 1, &store);
    assert!(said.contains("AWS_ACCESS_KEY_ID is not set") && said.contains("hint:"), "{said}");
    for wrong in [
        &["publish"][..],
        &["publish", "1", "--repository", "repo"],
        &["publish", "rotate", "--repository", "repo", "--keys", "k", "--add", "boss=k/root.pub"],
        &publish(&["1", "--wave", "10"]),
        &publish(&["1", "--expires", "0"]),
    ] {
        bad(home, 2, wrong);
    }
    // Without a repository, one is made of the keys that are called after the roles.
    let other = ["publish", "1", "--channel", "beta", "--payload-keys", "p", "--repository", "new"];
    let said = bad(home, 1, &[&other[..], &["--keys", "p"]].concat());
    assert!(said.contains("no key for the role root") && said.contains("publish init"), "{said}");
    good(home, &[&other[..], &["--keys", "k"]].concat());
    assert!(home.join("new/metadata/1.root.json").exists());
}
