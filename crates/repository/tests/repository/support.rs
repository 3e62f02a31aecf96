use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_fetch::{FileTransport, Transport, Url};
use flagstone_image::verity::{HashTree, Parameters};
use flagstone_payload::{Compression, CreateOptions, ReleaseFolder, Signable, create};
use flagstone_repository::{
    NewRoot, Publication, PublishError, Published, Publisher, Repository, RepositoryError, Role,
    SigningKeys, Terms,
};
use flagstone_signature::{Document, KeyKind, PrivateKey, TrustedKeys};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ARCHITECTURE: Architecture = Architecture::Arm64;

/// The time of the first publication.
pub(crate) fn begin() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

pub(crate) fn days(count: u64) -> Duration {
    Duration::from_hours(count * 24)
}

pub(crate) fn terms(now: SystemTime) -> Terms {
    Terms { now, days: 14 }
}

pub(crate) fn key(name: &str) -> PrivateKey {
    let seed = *Sha256Digest::of(name.as_bytes()).as_bytes();
    PrivateKey::from_seed(&seed, name.parse().unwrap(), KeyKind::Release)
}

pub(crate) fn keys(names: &[&str]) -> SigningKeys {
    SigningKeys::new(names.iter().map(|name| key(name)).collect())
}

pub(crate) const ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

pub(crate) fn payload_keys() -> TrustedKeys {
    TrustedKeys::new(vec![key("payload").public()], &BTreeSet::new(), 1).unwrap()
}

/// A folder with releases, a repository, and what a machine has seen of it.
pub(crate) struct Yard {
    home: TempDir,
}

impl Yard {
    /// Makes an empty repository with one key for each role.
    pub(crate) fn new() -> Self {
        Self::with(&ROLES, BTreeMap::new())
    }

    pub(crate) fn with(names: &[&str], thresholds: BTreeMap<Role, u32>) -> Self {
        // In memory, where waiting for the disk costs nothing.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let yard = Self { home: tempfile::tempdir_in(folder).unwrap() };
        let public = names.iter().map(|name| key(name).public());
        let new = NewRoot::by_name(public, thresholds);
        Publisher::create(&yard.repository(), &new, &keys(names), terms(begin())).unwrap();
        yard
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    pub(crate) fn metadata(&self, name: &str) -> PathBuf {
        self.repository().join("metadata").join(name)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::open(&self.repository()).unwrap().unwrap()
    }

    /// Makes a release `a` of this version with its full payload, and returns the payload's path.
    pub(crate) fn release(&self, version: &str) -> PathBuf {
        let folder = self.path(version);
        fs::create_dir(&folder).unwrap();
        write_release(&folder, version);
        let path = folder.join(format!("a_{version}_arm64.payload"));
        write_payload(&folder, None, &path);
        path
    }

    /// Makes the delta between two releases that are there.
    pub(crate) fn delta(&self, from: &str, to: &str) -> PathBuf {
        let folder = self.path(to);
        let path = folder.join(format!("a_{to}_arm64.from_{from}.payload"));
        write_payload(&folder, Some(&self.path(from)), &path);
        path
    }

    pub(crate) fn publish(
        &self,
        payloads: &[PathBuf],
        now: SystemTime,
    ) -> Result<Published, PublishError> {
        let publication = publication(payloads);
        self.publisher().publish(&publication, &payload_keys(), &keys(&ROLES), terms(now))
    }

    /// Makes and publishes a release.
    pub(crate) fn publish_new(&self, version: &str, now: SystemTime) {
        let path = self.release(version);
        self.publish(&[path], now).unwrap();
    }

    pub(crate) fn first_root(&self) -> Vec<u8> {
        fs::read(self.metadata("1.root.json")).unwrap()
    }

    pub(crate) fn url(&self) -> Url {
        format!("file://{}", self.repository().display()).parse().unwrap()
    }

    /// Opens the repository as a machine that has seen what is in the folder `seen`.
    pub(crate) fn open(&self, now: SystemTime) -> Result<Repository<'static>, RepositoryError> {
        self.open_by(&FileTransport, now)
    }

    pub(crate) fn open_by<'a>(
        &self,
        transport: &'a dyn Transport,
        now: SystemTime,
    ) -> Result<Repository<'a>, RepositoryError> {
        Repository::open_at(&self.first_root(), &self.url(), transport, &self.path("seen"), now)
    }

    /// Returns the version that the channel `stable` has for a machine.
    pub(crate) fn offered(&self, now: SystemTime) -> Result<String, RepositoryError> {
        let offer = self.open(now)?.offer("stable", "a", ARCHITECTURE)?;
        Ok(offer.unwrap().version.to_string())
    }

    /// Keeps a copy of the repository under a name.
    pub(crate) fn save(&self, name: &str) {
        copy(&self.repository(), &self.path(name));
    }

    /// Brings a copy back.
    pub(crate) fn restore(&self, name: &str) {
        fs::remove_dir_all(self.repository()).unwrap();
        copy(&self.path(name), &self.repository());
    }

    /// Writes metadata as whoever has a key can, with the digests of all that refers to them.
    pub(crate) fn resign(&self, name: &str, signed: &Value, key_name: &str) {
        let text = envelope(signed, key_name);
        self.replace(name, &text);
    }

    /// Puts bytes in the place of targets or a root; snapshot and timestamp then say that they are right.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) {
        fs::write(self.metadata(name), bytes).unwrap();
        if name.ends_with("root.json") {
            return;
        }
        let (mut file, mut bytes) = (name.to_owned(), bytes.to_vec());
        for (refers, key_name) in [("2.snapshot.json", "snapshot"), ("timestamp.json", "timestamp")]
        {
            let text = fs::read(self.metadata(refers)).unwrap();
            let mut value: Value = serde_json::from_slice(&text).unwrap();
            let unversioned = file.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            let meta = &mut value["signed"]["meta"][unversioned];
            meta["length"] = bytes.len().into();
            meta["hashes"]["sha256"] = Sha256Digest::of(&bytes).to_string().into();
            bytes = envelope(&value["signed"], key_name);
            fs::write(self.metadata(refers), &bytes).unwrap();
            refers.clone_into(&mut file);
        }
    }

    /// Forgets what the machine has seen.
    pub(crate) fn forget(&self) {
        fs::remove_dir_all(self.path("seen")).unwrap();
    }
}

/// Signs metadata by hand. Their texts are plain, so that JSON without blanks is canonical.
fn envelope(signed: &Value, key_name: &str) -> Vec<u8> {
    let (text, key) = (signed.to_string(), key(key_name));
    let hex =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let public = hex(key.public().as_bytes());
    let id =
        format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#);
    let id = Sha256Digest::of(id.as_bytes());
    let signature = key.sign_document(Document::new(text.as_bytes()).unwrap());
    let sig = hex(signature.as_bytes());
    format!(r#"{{"signatures":[{{"keyid":"{id}","sig":"{sig}"}}],"signed":{text}}}"#).into_bytes()
}

pub(crate) fn publication(payloads: &[PathBuf]) -> Publication {
    Publication {
        channel: "stable".parse().unwrap(),
        payloads: payloads.to_vec(),
        extensions: Vec::new(),
        floor: None,
        waves: Vec::new(),
        older: false,
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Returns every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Writes what a build writes, as far as a payload needs it.
fn write_release(folder: &Path, version: &str) {
    let usr: Vec<u8> = version.bytes().cycle().take(3 * 4096).collect();
    let tree = HashTree::of(&usr, Parameters::new([7; 32], [9; 16]).unwrap()).unwrap();
    let manifest = format!(
        r#"{{"manifest_version":1,"flagstone_version":"0","id":"a","version":"{version}",
        "architecture":"arm64","source_date":1,"root_hash":"{}","hermetic":true,"artifacts":{{}},
        "packages":{{}}}}"#,
        tree.root_hash
    );
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", b"kernel".as_slice()),
        ("manifest.json", manifest.as_bytes()),
        ("usr.erofs", &usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("a_{version}_arm64.{suffix}");
        fs::write(folder.join(&name), data).unwrap();
        writeln!(sums, "{}  {name}", Sha256Digest::of(data)).unwrap();
    }
    fs::write(folder.join("SHA256SUMS"), sums).unwrap();
}

fn write_payload(new: &Path, old: Option<&Path>, path: &Path) {
    write_payload_of(new, old, path, 1);
}

/// Makes a full payload with room for so many signatures.
pub(crate) fn write_payload_with(folder: &Path, path: &Path, slots: usize) {
    write_payload_of(folder, None, path, slots);
}

fn write_payload_of(new: &Path, old: Option<&Path>, path: &Path, slots: usize) {
    let open = |folder: &Path| ReleaseFolder::open(folder).unwrap();
    let (new, old) = (open(new), old.map(open));
    let options = CreateOptions { compression: Compression::Xz, slots };
    let out = File::create_new(path).unwrap();
    create(&new, old.as_ref(), options, &tempfile::tempfile().unwrap(), &out).unwrap();
    let mut signable = Signable::read(File::open(path).unwrap()).unwrap();
    let key = key("payload");
    let (metadata, payload) = (key.sign(signable.metadata()), key.sign(signable.payload()));
    signable.add(key.public().id(), metadata, payload).unwrap();
    signable.write(&out).unwrap();
}
