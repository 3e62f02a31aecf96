//! Deltas of compressed images.

use std::io::Cursor;

use flagstone_image::erofs::{self, ClusterSize, Compression as Erofs, Options};
use flagstone_payload::{Manifest, Metadata, OperationKind, PayloadError};
use flagstone_tree::{Inode, Metadata as Owner, Mtime, Tree};

use crate::support::{apply_delta, delta, noise, three};

const CLUSTER: u32 = 64 << 10;

/// Machine code, more or less: words of which some are addresses that a `shift` changes.
fn code(seed: u64, words: usize, shift: u32) -> Vec<u8> {
    let random = noise(seed, words * 2);
    let word = |(n, pair): (usize, &[u8])| {
        let opcode = u32::from(pair[0] & 0x3f) << 16 | u32::from(pair[1] & 3);
        let address = (n as u32).wrapping_mul(0x9e37) % 0xfff0 + shift;
        if pair[0] & 7 == 0 { (opcode | address).to_le_bytes() } else { opcode.to_le_bytes() }
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
        add(format!("small{n}"), code(n, 1500 + 200 * n as usize, shift));
    }
    let mut library = code(100, 300_000, shift);
    if is_new {
        let inserted = code(200, 500, 0);
        library.splice(400_000..400_000, inserted);
        add("added".to_owned(), code(201, 3000, 0));
    }
    add("library".to_owned(), library);
    add("same".to_owned(), code(102, 200_000, 0));
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
        // What changed has 1.5 MB, most of it in addresses.
        assert!(payload.len() < 60_000, "{compression}: {}", payload.len());
        let manifest = manifest(&payload);
        let kinds = manifest.partitions[0].operations.iter().map(|operation| operation.kind);
        let mut kinds: Vec<_> = kinds.collect();
        kinds.dedup();
        assert_eq!(kinds, [OperationKind::SourceCopy, OperationKind::Patch], "{compression}");
        assert_eq!(manifest.methods.len(), usize::from(compression != Erofs::None));
    }
}
