//! What images and hash trees take: `cargo bench -p flagstone-image`.

use std::io;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use flagstone_image::erofs::{self, ClusterSize, Compression, Options};
use flagstone_image::verity::{HashTree, Parameters};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

const META: Metadata = Metadata::root(0o644, Mtime::from_seconds(0));

fn main() {
    divan::main();
}

/// Bytes that compress to about a third: words of a small language, picked at random.
fn text(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        let word = next() % 3000;
        out.extend(word.wrapping_mul(2_654_435_761).to_le_bytes());
        out.extend(&b"abcdefghijkl"[..(next() % 12) as usize]);
    }
    out.truncate(len);
    out
}

/// Large files and small ones, 32 MiB of each.
fn tree() -> Tree {
    let mut tree = Tree::new(META);
    for n in 0..8 {
        tree.insert(format!("l{n}"), Inode::file(META, text(4 << 20, n + 1))).expect("a name");
    }
    for n in 0..4096 {
        tree.insert(format!("s{n}"), Inode::file(META, text(8 << 10, n + 9))).expect("a name");
    }
    tree
}

const BYTES: usize = 64 << 20;

#[divan::bench(sample_count = 10)]
fn hash_tree(bencher: Bencher<'_, '_>) {
    let data = text(BYTES, 1);
    let parameters = Parameters::new([7; 32], [7; 16]).expect("32 bytes of salt");
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| HashTree::of(black_box(&data), parameters.clone()));
}

#[divan::bench(sample_count = 5, args = ["none", "lz4", "lz4hc 9", "zstd 3", "zstd 9"])]
fn image(bencher: Bencher<'_, '_>, compressor: &str) {
    let compression = match compressor {
        "lz4" => Compression::Lz4,
        "lz4hc 9" => Compression::Lz4hc { level: 9 },
        "zstd 3" => Compression::Zstd { level: 3 },
        "zstd 9" => Compression::Zstd { level: 9 },
        _ => Compression::None,
    };
    bench_image(bencher, &Options { compression, ..Options::default() });
}

#[divan::bench(sample_count = 5, args = [16, 64, 128, 256])]
fn zstd_3_by_cluster(bencher: Bencher<'_, '_>, kib: u32) {
    let cluster = ClusterSize::new(kib << 10).expect("a power of two");
    let compression = Compression::Zstd { level: 3 };
    bench_image(bencher, &Options { compression, cluster, ..Options::default() });
}

fn bench_image(bencher: Bencher<'_, '_>, options: &Options) {
    let tree = tree();
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| erofs::write(black_box(&tree), options, &mut io::empty()));
}
