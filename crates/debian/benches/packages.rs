//! What decompressing packages and choosing them takes: `cargo bench -p flagstone-debian`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use flagstone_debian::{ArchiveId, Deb, Origin, Request, Universe, resolve};
use liblzma::stream::MtStreamBuilder;

fn main() {
    divan::main();
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    }
}

/// Bytes of a content that compresses to about a third.
const CONTENT: usize = 32 << 20;

/// A package in blocks of 4 MiB, as `dpkg-deb` writes large ones in blocks of 24 MiB.
static PACKAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut next = numbers(7);
    let mut content = Vec::with_capacity(CONTENT + 16);
    while content.len() < CONTENT {
        content.extend((next() % 3000).wrapping_mul(2_654_435_761).to_le_bytes());
        content.extend(&b"abcdefghijkl"[..(next() % 12) as usize]);
    }
    let blocks = MtStreamBuilder::new().preset(1).block_size(4 << 20).encoder().expect("memory");
    let mut packed = liblzma::write::XzEncoder::new_stream(Vec::new(), blocks);
    packed.write_all(&content).expect("memory");
    let control = b"Package: big\nVersion: 1\nArchitecture: all\nInstalled-Size: 33000\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(control.len() as u64);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "control", &control[..]).expect("memory");
    let mut deb = b"!<arch>\n".to_vec();
    for (name, data) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", archive.into_inner().expect("memory")),
        ("data.tar.xz", packed.finish().expect("memory")),
    ] {
        let size = data.len();
        writeln!(deb, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, 100_644)
            .expect("memory");
        deb.extend(data);
        deb.resize(deb.len().next_multiple_of(2), b'\n');
    }
    deb.into()
});

#[divan::bench(args = [1, 2], sample_count = 10)]
fn xz(bencher: Bencher<'_, '_>, threads: usize) {
    let deb = Deb::parse(&PACKAGE).expect("it is sound");
    let threads = NonZeroUsize::new(threads).expect("one at least");
    bencher.counter(BytesCount::new(CONTENT)).bench(|| {
        let mut content = deb.content(threads).expect("there is memory");
        std::io::copy(&mut content, &mut std::io::sink()).expect("it is sound")
    });
}

/// Packages of an index, each of which depends on some of the 300 before it.
const PACKAGES: u32 = 30_000;

static INDEX: LazyLock<String> = LazyLock::new(|| {
    let mut next = numbers(3);
    let mut text = String::new();
    for n in 0..PACKAGES {
        let _ = write!(
            text,
            "Package: p{n}\nVersion: {}.{}-1\nArchitecture: amd64\nSize: 1000\nSHA256: {n:064x}\n\
             Filename: pool/p{n}.deb\nPriority: optional\nProvides: v{}\nDescription: something\n",
            next() % 9,
            next() % 99,
            n % 500,
        );
        let depends: Vec<String> = (0..next() % 6)
            .filter_map(|_| n.checked_sub(1 + next() % 300))
            .map(|m| format!("p{m} (>= 0.1) | v{}", m % 500))
            .collect();
        if !depends.is_empty() {
            let _ = writeln!(text, "Depends: {}", depends.join(", "));
        }
        text.push('\n');
    }
    text
});

fn universe() -> Universe {
    let mut universe = Universe::new("amd64");
    let origin = Origin { archive: ArchiveId::Main, suite: "stable".to_owned(), automatic: true };
    universe.add(&INDEX, &origin).expect("it is sound");
    universe
}

#[divan::bench(sample_count = 10)]
fn read_index(bencher: Bencher<'_, '_>) {
    let bytes = INDEX.len();
    bencher.counter(BytesCount::new(bytes)).bench(universe);
}

#[divan::bench(sample_count = 10)]
fn resolve_ten(bencher: Bencher<'_, '_>) {
    let universe = universe();
    let packages = (1..=10).map(|n| format!("p{}", PACKAGES / 11 * n).parse().expect("a name"));
    let request = Request { packages: packages.collect(), ..Request::default() };
    let chosen = resolve(&universe, &request).expect("it can be solved").packages.len();
    bencher
        .counter(ItemsCount::new(chosen))
        .bench(|| resolve(black_box(&universe), black_box(&request)));
}
