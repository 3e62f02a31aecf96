use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::Path;

use flagstone_artifact::{Architecture, Manifest as BuildManifest, Sha256Digest};
use flagstone_image::verity::{HashTree, Parameters};
use flagstone_payload::{
    Applied, Compression, CreateOptions, Metadata, PayloadError, ReleaseFolder, Signable, Sources,
    Target, Targets, apply, create,
};
use flagstone_signature::{KeyKind, PrivateKey, PublicKey, TrustedKeys};

pub(crate) const BLOCK: usize = 4096;

/// Bytes that no compressor makes shorter.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// An image with something for every operation, its last chunk not a whole one.
pub(crate) fn varied_usr() -> Vec<u8> {
    let text = b"all work and no play makes a dull image\n";
    let mut usr = noise(1, 4 << 20);
    usr.resize(6 << 20, 0);
    usr.extend(text.iter().cycle().take(2 << 20));
    usr.extend(noise(2, 3 * BLOCK));
    usr
}

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32], format!("key{seed}").parse().unwrap(), KeyKind::Release)
}

pub(crate) fn trusted(seeds: &[u8], threshold: usize) -> TrustedKeys {
    let keys: Vec<PublicKey> = seeds.iter().map(|&seed| key(seed).public()).collect();
    TrustedKeys::new(keys, &BTreeSet::new(), threshold).unwrap()
}

/// Writes what a build writes, as far as a payload needs it.
pub(crate) fn write_release(dir: &Path, usr: &[u8], uki: &[u8]) {
    let parameters = Parameters::new([7; 32], [9; 16]).unwrap();
    let tree = HashTree::of(usr, parameters).unwrap();
    let manifest = BuildManifest {
        manifest_version: 1,
        flagstone_version: "0.1.0".to_owned(),
        id: "test".parse().unwrap(),
        version: "1.2".parse().unwrap(),
        architecture: Architecture::X86_64,
        source_date: 1_700_000_000,
        lock_sha256: None,
        recipe_sha256: None,
        root_hash: tree.root_hash,
        hermetic: true,
        commands: Vec::new(),
        artifacts: std::collections::BTreeMap::new(),
        packages: std::collections::BTreeMap::new(),
    };
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", uki),
        ("manifest.json", &manifest),
        ("usr.erofs", usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("test_1.2_x86-64.{suffix}");
        fs::write(dir.join(&name), data).unwrap();
        writeln!(sums, "{}  {name}", Sha256Digest::of(data)).unwrap();
    }
    fs::write(dir.join("SHA256SUMS"), sums).unwrap();
}

/// Makes a payload that these keys have signed.
pub(crate) fn payload(usr: &[u8], uki: &[u8], slots: usize, seeds: &[u8]) -> Vec<u8> {
    payload_with(usr, uki, slots, seeds, Compression::Xz)
}

pub(crate) fn payload_with(
    usr: &[u8],
    uki: &[u8],
    slots: usize,
    seeds: &[u8],
    compression: Compression,
) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    write_release(dir.path(), usr, uki);
    let folder = ReleaseFolder::open(dir.path()).unwrap();
    let path = dir.path().join("payload");
    let options = CreateOptions { compression, slots };
    let out = File::create_new(&path).unwrap();
    create(&folder, None, options, &tempfile::tempfile().unwrap(), &out).unwrap();
    let mut signable = Signable::read(File::open(&path).unwrap()).unwrap();
    for &seed in seeds {
        let key = key(seed);
        let (metadata, payload) = (signable.metadata(), signable.payload());
        let signatures = (key.sign(metadata), key.sign(payload));
        signable.add(key.public().id(), signatures.0, signatures.1).unwrap();
    }
    signable.write(&out).unwrap();
    fs::read(path).unwrap()
}

/// What is written to, in memory, with a fault if one is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) data: Vec<u8>,
    pub(crate) capacity: u64,
    /// Which call fails, counted over all of them.
    pub(crate) fails_at: Option<usize>,
    pub(crate) calls: usize,
    /// A byte that comes back changed.
    pub(crate) flips: Option<u64>,
    pub(crate) written: RefCell<u64>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { capacity: 1 << 30, ..Self::default() }
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.fails_at == Some(self.calls) {
            return Err(io::Error::other("the disk is worn out"));
        }
        Ok(())
    }
}

impl Target for Memory {
    fn capacity_bytes(&self) -> u64 {
        self.capacity
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call()?;
        *self.written.borrow_mut() += data.len() as u64;
        let offset = usize::try_from(offset).unwrap();
        let end = offset + data.len();
        assert!(end as u64 <= self.capacity, "a write over the end");
        self.data.resize(self.data.len().max(end), 0);
        self.data[offset..end].copy_from_slice(data);
        Ok(())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.call()?;
        let start = usize::try_from(offset).unwrap();
        let found = self.data.get(start..start + buffer.len());
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        if let Some(at) = self.flips.and_then(|at| at.checked_sub(offset))
            && let Some(byte) = buffer.get_mut(usize::try_from(at).unwrap())
        {
            *byte ^= 1;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.call()
    }
}

/// Three targets: usr, uki, hash tree.
pub(crate) type Three = [Memory; 3];

pub(crate) fn three() -> Three {
    [Memory::new(), Memory::new(), Memory::new()]
}

pub(crate) fn apply_to(
    payload: &[u8],
    keys: &TrustedKeys,
    memory: &mut Three,
) -> Result<Applied, PayloadError> {
    let mut source = Cursor::new(payload);
    let metadata = Metadata::read(&mut source)?.verify(keys)?;
    let [usr, uki, verity] = memory;
    let mut targets = Targets { usr, uki, verity: Some(verity) };
    apply(&metadata, source, None, &mut targets, None, &mut |_| {})
}

/// Checks a whole payload.
pub(crate) fn verify(payload: &[u8], keys: &TrustedKeys) -> Result<Vec<PublicKey>, PayloadError> {
    let mut source = Cursor::new(payload);
    let metadata = Metadata::read(&mut source)?.verify(keys)?;
    flagstone_payload::verify(&metadata, source, &mut |_| {})
}

/// Writes a release with these images, and a payload from it, or a delta from an old one.
pub(crate) fn delta(old: [&[u8]; 2], new: [&[u8]; 2]) -> Vec<u8> {
    let (dir, old_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_release(dir.path(), new[0], new[1]);
    write_release(old_dir.path(), old[0], old[1]);
    let folder = ReleaseFolder::open(dir.path()).unwrap();
    let old_folder = ReleaseFolder::open(old_dir.path()).unwrap();
    let path = dir.path().join("payload");
    let options = CreateOptions { compression: Compression::Xz, slots: 1 };
    let out = File::create_new(&path).unwrap();
    let spool = tempfile::tempfile().unwrap();
    create(&folder, Some(&old_folder), options, &spool, &out).unwrap();
    let mut signable = Signable::read(File::open(&path).unwrap()).unwrap();
    let key = key(1);
    let signatures = (key.sign(signable.metadata()), key.sign(signable.payload()));
    signable.add(key.public().id(), signatures.0, signatures.1).unwrap();
    signable.write(&out).unwrap();
    fs::read(path).unwrap()
}

pub(crate) fn apply_delta(
    payload: &[u8],
    old: [&[u8]; 2],
    memory: &mut Three,
) -> Result<Applied, PayloadError> {
    let mut source = Cursor::new(payload);
    let metadata = Metadata::read(&mut source)?.verify(&trusted(&[1], 1))?;
    let [usr, uki, verity] = memory;
    let mut targets = Targets { usr, uki, verity: Some(verity) };
    let old = Sources { usr: &old[0], uki: &old[1] };
    apply(&metadata, source, Some(old), &mut targets, None, &mut |_| {})
}
