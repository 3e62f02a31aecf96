use std::collections::BTreeMap;
use std::io::Cursor;
use std::process::Command;
use std::sync::Mutex;

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs::{self, Compression, ExtentCache, ExtentKey, Options, Statistics};
use flagstone_tree::{Content, Inode, Kind, Tree};

use crate::compare::{assert_same, assert_same_contents};
use crate::sample::{META, compressed, compressors, contents, hard, image_with, noise, text};
use crate::tool::{Mount, find_new_fsck, fsck_compressed, kernel_knows_zstd, run};

/// Writes an image and has it judged by whoever can.
fn judge(tree: &Tree, options: &Options) -> Statistics {
    let (file, statistics) = image_with(tree, options);
    fsck_compressed(file.path());
    let is_zstd = matches!(options.compression, Compression::Zstd { .. });
    if (!is_zstd || kernel_knows_zstd())
        && let Some(mount) = Mount::new(file.path())
    {
        assert_same(tree, mount.path());
    }
    statistics
}

fn bytes(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    erofs::write(tree, options, &mut out).unwrap();
    out.into_inner()
}

#[test]
fn every_length_and_content_comes_back_from_every_compressor() {
    let tree = contents();
    for options in compressors() {
        judge(&tree, &options);
    }
}

#[test]
fn the_hard_tree_comes_back_from_every_compressor() {
    for options in compressors() {
        judge(&hard(), &options);
    }
}

#[test]
fn fsck_extracts_the_contents_that_went_in() {
    let Some(fsck) = find_new_fsck() else { return };
    let tree = contents();
    for options in compressors() {
        let (file, _) = image_with(&tree, &options);
        let dir = tempfile::tempdir().unwrap();
        let mut extract = std::ffi::OsString::from("--extract=");
        extract.push(dir.path());
        let arguments = ["--overwrite", "--no-preserve"];
        run(Command::new(&fsck).arg(extract).args(arguments).arg(file.path()));
        assert_same_contents(&tree, dir.path());
    }
}

#[test]
fn trees_without_anything_to_compress_are_not_announced_as_compressed() {
    let options = compressed(Compression::Zstd { level: 3 }, 128);
    let mut tree = Tree::new(META);
    judge(&tree, &options);
    tree.insert("tiny", Inode::file(META, "12345678901234567890")).unwrap();
    tree.insert("noise", Inode::file(META, noise(300_000, 1))).unwrap();
    tree.insert("dir", Inode::directory(META)).unwrap();
    let statistics = judge(&tree, &options);
    assert_eq!(statistics.joined_bytes, 0);
    let image = bytes(&tree, &options);
    assert_eq!(image[1024 + 80..1024 + 128], [0; 48], "no incompatible feature");
}

#[test]
fn small_files_that_do_not_compress_come_back() {
    let options = compressed(Compression::Lz4, 64);
    let mut tree = Tree::new(META);
    for n in 0..100 {
        tree.insert(format!("{n}"), Inode::file(META, noise(n * 300 + 40, 1))).unwrap();
    }
    judge(&tree, &options);
}

#[test]
fn a_hundred_thousand_files_come_back() {
    let mut tree = Tree::new(META);
    for n in 0..100_000_u32 {
        let path = format!("{}/{n:x}", n % 100);
        let content = format!("{n} {}", "file of text ".repeat((n % 40) as usize));
        tree.put(path, META, Inode::file(META, content)).unwrap();
    }
    let statistics = judge(&tree, &compressed(Compression::Zstd { level: 1 }, 128));
    assert!(statistics.joined_bytes > 20 << 20, "{statistics:?}");
    assert!(statistics.size_bytes < 20 << 20, "{statistics:?}");
}

#[test]
fn files_with_holes_stay_small_and_are_not_read() {
    let mut tree = Tree::new(META);
    let data = Bytes::from(text(10_000, 1));
    let content = Content::sparse((5 << 30) + 5, vec![(4 << 30, data)]).unwrap();
    tree.insert("sparse", Inode::file(META, content)).unwrap();
    tree.insert("text", Inode::file(META, text(1 << 20, 2))).unwrap();
    let statistics = judge(&tree, &compressed(Compression::Lz4hc { level: 4 }, 64));
    assert!(statistics.size_bytes < 16 << 20, "{statistics:?}");
}

#[test]
fn identical_contents_are_compressed_once() {
    let options = compressed(Compression::Zstd { level: 3 }, 128);
    let mut tree = Tree::new(META);
    tree.insert("first", Inode::file(META, text(1 << 20, 1))).unwrap();
    tree.insert("first-small", Inode::file(META, text(50_000, 1))).unwrap();
    let one = judge(&tree, &options);
    for n in 0..10 {
        tree.insert(format!("f{n}"), Inode::file(META, text(1 << 20, 1))).unwrap();
        tree.insert(format!("s{n}"), Inode::file(META, text(50_000, 1))).unwrap();
    }
    let many = judge(&tree, &options);
    assert_eq!((one.data_blocks, one.shared_blocks), (many.data_blocks, 0));
    assert!(many.shared_blocks > 300, "{many:?}");
}

#[test]
fn the_same_tree_gives_the_same_bytes_with_any_number_of_threads() {
    let tree = contents();
    for options in compressors() {
        let bytes = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bytes(&tree, &options))
        };
        let one = bytes(1);
        assert!(one == bytes(2) && one == bytes(5), "{options:?}");
    }
}

#[test]
fn the_bytes_of_the_contents_stay() {
    // A change here changes every released image: it belongs in the changelog, and the format
    // version with it.
    let digests = [
        (Compression::Lz4, "0cf2499cbfd3a5d7972d42a864bfe62b18b57b8798740ca966dd4586de46e021"),
        (
            Compression::Lz4hc { level: 9 },
            "5e8ece69d947920e11ee46f6e8319ecfbed00594d99485af8485522a5f18d6e4",
        ),
        (
            Compression::Zstd { level: 9 },
            "ff02f82ea2ea1e072f443ee3a6e5e87d392082dd66b4d529d23ff92887bdcea6",
        ),
    ];
    let tree = contents();
    let found = digests.map(|(compression, _)| {
        Sha256Digest::of(&bytes(&tree, &compressed(compression, 64))).to_string()
    });
    assert_eq!(found, digests.map(|(_, digest)| digest));
}

/// A store in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<ExtentKey, Bytes>>);

impl ExtentCache for Memory {
    fn get(&self, key: &ExtentKey) -> Option<Bytes> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: &ExtentKey, value: &[u8]) {
        self.0.lock().unwrap().insert(*key, Bytes::copy_from_slice(value));
    }
}

#[test]
fn a_store_changes_nothing_but_the_time() {
    let tree = contents();
    let cache = Memory::default();
    let cached = |options: &Options| {
        let mut out = Cursor::new(Vec::new());
        erofs::write_cached(&tree, options, Some(&cache), &mut out).unwrap();
        out.into_inner()
    };
    let options = compressed(Compression::Zstd { level: 3 }, 64);
    let plain = bytes(&tree, &options);
    assert!(cached(&options) == plain);
    let count = cache.0.lock().unwrap().len();
    assert!(cached(&options) == plain, "from the store");
    assert_eq!(cache.0.lock().unwrap().len(), count);

    // Other settings have other keys; a value that is none is not used.
    let other = compressed(Compression::Zstd { level: 4 }, 64);
    assert!(cached(&other) == bytes(&tree, &other));
    assert!(cache.0.lock().unwrap().len() > count);
    for value in cache.0.lock().unwrap().values_mut() {
        *value = value.slice(..value.len() - 1);
    }
    assert!(cached(&options) == plain);
}

#[test]
fn levels_that_a_compressor_does_not_have_are_refused() {
    for compression in [Compression::Zstd { level: 23 }, Compression::Lz4hc { level: 1 }] {
        let options = compressed(compression, 64);
        let error = erofs::write(&Tree::new(META), &options, &mut std::io::empty()).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no {compression}"));
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_link_longer_than_a_block_beside_its_inode_comes_back() {
    let mut tree = Tree::new(META);
    let target: Vec<u8> = vec![b't'; 4090];
    tree.insert("link", Inode::new(META, Kind::Symlink(target.into()))).unwrap();
    tree.insert("text", Inode::file(META, text(1 << 20, 2))).unwrap();
    judge(&tree, &compressed(Compression::Lz4, 16));
}
