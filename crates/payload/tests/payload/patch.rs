//! Deltas of what is compressed.

use std::fs::{self, File};
use std::io::Cursor;

use flagstone_image::erofs::{self, ClusterSize, Compression as Erofs, Options};
use flagstone_payload::{
    HEADER_BYTES, Header, Manifest, Metadata, OperationKind, PayloadError, SLOT_BYTES, Signable,
};
use flagstone_tree::{Inode, Metadata as Owner, Mtime, Tree};

use crate::support::{apply_delta, delta, key, noise, three};

const CLUSTER: u32 = 64 << 10;

/// Machine code, more or less: words of which some are addresses that a `shift` changes.
fn code(seed: u64, words: usize, shift: u32) -> Vec<u8> {
    let random = noise(seed, words * 2);
    let word = |(n, pair): (usize, &[u8])| {
        let opcode = u32::from(pair[0] & 0x3f) << 16 | u32::from(pair[1] & 3);
        let address = u32::try_from(n).unwrap().wrapping_mul(0x9e37) % 0xfff0 + shift;
        if pair[0].is_multiple_of(8) {
            (opcode | address).to_le_bytes()
        } else {
            opcode.to_le_bytes()
        }
    };
    random.chunks(2).enumerate().flat_map(word).collect()
}

/// A tree with large and small files, some of which an update changes.
fn usr(is_new: bool, compression: Erofs) -> Vec<u8> {
    let owner = Owner::root(0o755, Mtime::from_seconds(1_700_000_000));
    let mut tree = Tree::new(owner);
    let mut add = |path: String, content: Vec<u8>| {
        tree.insert(path, Inode::file(owner, content)).unwrap();
    };
    let shift = u32::from(is_new) * 0x20;
    for n in 0..40_u64 {
        let shift = if n % 9 == 0 { shift } else { 0 };
        add(format!("small{n}"), code(n, 1500 + 100 * usize::try_from(n).unwrap(), shift));
    }
    let mut library = code(100, 80_000, shift);
    if is_new {
        let inserted = code(200, 500, 0);
        library.splice(100_000..100_000, inserted);
        add("added".to_owned(), code(201, 3000, 0));
    }
    add("library".to_owned(), library);
    add("same".to_owned(), code(102, 50_000, 0));
    add("dense".to_owned(), noise(103, 200_001));
    let options =
        Options { compression, cluster: ClusterSize::new(CLUSTER).unwrap(), ..Options::default() };
    let mut image = Cursor::new(Vec::new());
    erofs::write(&tree, &options, &mut image).unwrap();
    image.into_inner()
}

const ALL: [Erofs; 5] = [
    Erofs::None,
    Erofs::Lz4,
    Erofs::Lz4hc { level: 9 },
    Erofs::Zstd { level: 3 },
    Erofs::Zstd { level: 9 },
];

fn manifest(payload: &[u8]) -> Manifest {
    Metadata::read(&mut &*payload).unwrap().unverified_manifest().unwrap()
}

#[test]
fn a_compressed_image_is_made_from_what_is_in_the_old_one() {
    let uki = noise(9, 100_000);
    for compression in ALL {
        let (old, new) = (usr(false, compression), usr(true, compression));
        let payload = delta([&old, &uki], [&new, &uki]);
        let mut memory = three();
        apply_delta(&payload, [&old, &uki], &mut memory).unwrap();
        assert!(memory[0].data == new && memory[1].data == uki, "{compression}");
        // What changed has 0.5 MB, most of it in addresses.
        assert!(payload.len() < 30_000, "{compression}: {}", payload.len());
        let manifest = manifest(&payload);
        let kinds = manifest.partitions[0].operations.iter().map(|operation| operation.kind);
        let mut kinds: Vec<_> = kinds.collect();
        kinds.dedup();
        assert_eq!(kinds, [OperationKind::SourceCopy, OperationKind::Patch], "{compression}");
        assert_eq!(manifest.methods.len(), usize::from(compression != Erofs::None));
    }
}

/// A file with archives in it that are compressed by themselves, and begin anywhere.
fn uki(shift: u32, head: usize) -> Vec<u8> {
    let mut file = noise(1, head);
    for n in 0..6 {
        let shift = if n % 3 == 1 { shift } else { 0 };
        let frame = zstd::bulk::compress(&code(n, 100_000, shift), 6).unwrap();
        file.extend(frame);
        file.resize(file.len().next_multiple_of(4), 0);
    }
    file.extend(noise(2, 300_000));
    file
}

#[test]
fn a_frame_that_changed_is_made_again_and_what_moved_is_found() {
    let usr = noise(9, 8192);
    let (old, new) = (uki(0, 2600), uki(0x40, 3100));
    let payload = delta([&usr, &old], [&usr, &new]);
    let mut memory = three();
    apply_delta(&payload, [&usr, &old], &mut memory).unwrap();
    assert!(memory[1].data == new);
    let manifest = manifest(&payload);
    let kinds: Vec<_> = manifest.partitions[1].operations.iter().map(|o| o.kind).collect();
    assert_eq!(kinds, [OperationKind::Patch]);
    assert_eq!(manifest.methods.len(), 1);
    assert!(payload.len() < 30_000, "{}", payload.len());
}

#[test]
fn a_patch_is_made_of_nothing_but_its_old_image() {
    let zstd = Erofs::Zstd { level: 3 };
    let (old, new, uki) = (usr(false, zstd), usr(true, zstd), noise(9, 5000));
    let payload = delta([&old, &uki], [&new, &uki]);
    let manifest = manifest(&payload);
    let patch =
        manifest.partitions[0].operations.iter().position(|o| o.kind == OperationKind::Patch);
    let patch = patch.unwrap();
    let at = manifest.partitions[0].operations[patch].source[0].offset_bytes();
    let mut other = old.clone();
    other[usize::try_from(at).unwrap() + 77] ^= 1;
    let mut memory = three();
    let error = apply_delta(&payload, [&other, &uki], &mut memory).unwrap_err();
    // A block may be copied, too; then that operation finds it first.
    assert!(
        matches!(error, PayloadError::OldData { operation, .. } if operation <= patch + 1),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("full payload"));
}

/// Changes the manifest of a payload as its maker might have, and signs it.
fn with_manifest(payload: &[u8], change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let mut manifest = manifest(payload);
    change(&mut manifest);
    let header = Header::parse(payload.first_chunk().unwrap()).unwrap();
    let blobs = HEADER_BYTES + usize::try_from(header.manifest_size).unwrap() + SLOT_BYTES;
    let bytes = manifest.to_bytes();
    let header = Header { manifest_size: bytes.len() as u64, ..header };
    let mut changed = header.to_bytes().to_vec();
    changed.extend(bytes);
    changed.extend(&payload[blobs - SLOT_BYTES..]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("payload");
    fs::write(&path, changed).unwrap();
    let mut signable = Signable::read(File::open(&path).unwrap()).unwrap();
    let key = key(1);
    let signatures = (key.sign(signable.metadata()), key.sign(signable.payload()));
    signable.add(key.public().id(), signatures.0, signatures.1).unwrap();
    signable.write(&File::options().write(true).open(&path).unwrap()).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_delta_for_another_library_is_refused_before_anything_is_written() {
    let zstd = Erofs::Zstd { level: 3 };
    let (old, new, uki) = (usr(false, zstd), usr(true, zstd), noise(9, 5000));
    let payload = delta([&old, &uki], [&new, &uki]);
    let same = with_manifest(&payload, |_| {});
    apply_delta(&same, [&old, &uki], &mut three()).unwrap();
    let changes: [fn(&mut Manifest); 2] = [
        |manifest| manifest.methods[0].library_version += 1,
        |manifest| manifest.methods[0].image_format += 1,
    ];
    for change in changes {
        let mut memory = three();
        let other = with_manifest(&payload, change);
        let error = apply_delta(&other, [&old, &uki], &mut memory).unwrap_err();
        assert!(matches!(error, PayloadError::Library { .. }), "{error}");
        assert!(error.hint().unwrap().contains("full payload"));
        assert!(memory.iter().all(|target| target.calls == 0));
    }
}

#[test]
fn lengths_that_are_not_those_of_the_patch_are_refused() {
    let zstd = Erofs::Zstd { level: 3 };
    let (old, new, uki) = (usr(false, zstd), usr(true, zstd), noise(9, 5000));
    let payload = delta([&old, &uki], [&new, &uki]);
    let changes: [fn(&mut flagstone_payload::PatchLengths); 3] =
        [|lengths| lengths.old -= 1, |lengths| lengths.old += 1, |lengths| lengths.new += 1];
    for change in changes {
        let other = with_manifest(&payload, |manifest| {
            let operations = manifest.partitions[0].operations.iter_mut();
            operations.filter_map(|o| o.lengths.as_mut()).for_each(change);
        });
        let error = apply_delta(&other, [&old, &uki], &mut three()).unwrap_err();
        assert!(matches!(error, PayloadError::Patch { .. }), "{error}");
    }
}
