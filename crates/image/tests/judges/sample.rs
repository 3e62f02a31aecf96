use bytes::Bytes;
use flagstone_image::erofs::{self, ClusterSize, Compression, Options, Statistics};
use flagstone_tree::{Content, Inode, Kind, Metadata, Mtime, Tree};

pub(crate) const BUILD_TIME: Mtime = Mtime { seconds: 1_750_000_000, nanoseconds: 5 };
pub(crate) const META: Metadata = Metadata::root(0o755, BUILD_TIME);

pub(crate) fn options() -> Options {
    Options {
        build_time: BUILD_TIME,
        uuid: [0x42; 16],
        label: "flagstone_1.2".into(),
        ..Options::default()
    }
}

/// Options with compression.
pub(crate) fn compressed(compression: Compression, cluster_kib: u32) -> Options {
    let cluster = ClusterSize::new(cluster_kib << 10).unwrap();
    Options { compression, cluster, ..options() }
}

/// Every compressor, with clusters of different sizes.
pub(crate) fn compressors() -> Vec<Options> {
    vec![
        compressed(Compression::Lz4, 8),
        compressed(Compression::Lz4, 64),
        compressed(Compression::Lz4hc { level: 9 }, 16),
        compressed(Compression::Zstd { level: 1 }, 8),
        compressed(Compression::Zstd { level: 3 }, 128),
        compressed(Compression::Zstd { level: 9 }, 1024),
    ]
}

/// Writes an image to a temporary file.
pub(crate) fn image(tree: &Tree) -> (tempfile::NamedTempFile, Statistics) {
    image_with(tree, &options())
}

/// Writes an image to a temporary file.
pub(crate) fn image_with(tree: &Tree, options: &Options) -> (tempfile::NamedTempFile, Statistics) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let statistics = erofs::write(tree, options, &mut file).unwrap();
    assert_eq!(file.as_file().metadata().unwrap().len(), statistics.size_bytes);
    (file, statistics)
}

/// Bytes that compress badly and differ from one seed to the next.
pub(crate) fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(len)
    .collect()
}

/// Bytes that compress well, as text does, and differ from one seed to the next.
pub(crate) fn text(len: usize, seed: u32) -> Vec<u8> {
    let words: Vec<Vec<u8>> =
        (0..200_u32).map(|n| noise(2 + (n % 9) as usize, seed + 77 * n)).collect();
    let picks = noise(len, seed);
    let mut out: Vec<u8> =
        picks.iter().flat_map(|pick| &words[usize::from(*pick) % 200]).copied().collect();
    out.truncate(len);
    out
}

/// A tree with files whose lengths and contents meet every border that compression has.
pub(crate) fn contents() -> Tree {
    let mut tree = Tree::new(META);
    let clusters = [8, 16, 64, 128, 1024].map(|kib| kib << 10);
    let around = |n: usize| [n - 4097, n - 4096, n - 4095, n - 1, n, n + 1, n + 4095, n + 4096];
    let lengths = clusters.into_iter().flat_map(around).chain([1, 24, 31, 32, 33, 63, 64, 65, 100]);
    for len in lengths.chain([4095, 4096, 4097, 5000, 3 << 20, (3 << 20) + 4097]) {
        let seed = u32::try_from(len).unwrap();
        add(&mut tree, format!("text/{len}"), Inode::file(META, text(len, seed)));
        add(&mut tree, format!("noise/{len}"), Inode::file(META, noise(len, seed)));
        add(&mut tree, format!("zero/{len}"), Inode::file(META, vec![0; len]));
        let mixed: Vec<u8> =
            [text(len / 3, seed), noise(len / 3, seed), vec![b'x'; len / 3 + 2]].concat();
        add(&mut tree, format!("mixed/{len}"), Inode::file(META, mixed));
    }
    add(&mut tree, "empty", Inode::file(META, ""));
    for (name, data) in [("large", text(3 << 20, 3 << 20)), ("small", text(100, 100))] {
        let other = Metadata { uid: 70_000, mode: 0o600, ..META };
        add(&mut tree, format!("copy/{name}"), Inode::file(other, data));
    }
    // Attributes move the index to every alignment it can have.
    for value in 0..40 {
        let mut inode = Inode::file(META, text(200_000 + 4096 * value, 5));
        inode.xattrs.insert(b"user.n".to_vec(), vec![1; value]);
        add(&mut tree, format!("xattr/{value}"), inode);
    }
    tree
}

/// A tree with one of everything that has gone wrong in some writer.
pub(crate) fn hard() -> Tree {
    let mut tree = Tree::new(Metadata { mode: 0o1755, uid: 3, gid: 4, ..META });
    add_files(&mut tree);
    add_metadata(&mut tree);
    add_xattrs(&mut tree);
    add_names(&mut tree);
    add_specials(&mut tree);
    tree
}

fn add(tree: &mut Tree, path: impl AsRef<[u8]>, inode: Inode) -> flagstone_tree::InodeId {
    tree.put(path, META, inode).unwrap()
}

fn add_files(tree: &mut Tree) {
    let around = |n: usize| (n - 34)..(n + 3);
    let sizes = [0, 1, 100, 12_288, 1_000_000].into_iter();
    for size in sizes.chain(around(4096)).chain(around(8192)).chain(4020..4040) {
        let data = noise(size, u32::try_from(size).unwrap());
        add(tree, format!("files/{size}"), Inode::file(META, data.clone()));
        let other = Metadata { mtime: Mtime::from_seconds(1), ..META };
        add(tree, format!("files/same-{size}"), Inode::file(other, data));
    }
    let id = add(tree, "files/linked", Inode::file(META, noise(5000, 1)));
    tree.hard_link("files/linked-too", id).unwrap();
    tree.create_dirs("other/place", META).unwrap();
    tree.hard_link("other/place/linked", id).unwrap();
    let piece = |seed| Bytes::from(noise(4096, seed));
    let sparse = [
        ("small", 3000, vec![(100, Bytes::from_static(b"data"))]),
        ("few-holes", 40_000, vec![(4096, Bytes::from(noise(30_000, 2)))]),
        ("many", 10 << 20, (0..100).map(|n| (n * 100_001 + 50, piece(7))).collect()),
        ("empty", 1 << 20, vec![]),
        ("end", (1 << 20) + 7, vec![(1 << 20, Bytes::from_static(b"the end"))]),
    ];
    for (name, len, extents) in sparse {
        let content = Content::sparse(len, extents).unwrap();
        add(tree, format!("sparse/{name}"), Inode::file(META, content));
    }
}

fn add_metadata(tree: &mut Tree) {
    let cases = [
        ("set-id", Metadata { mode: 0o6755, ..META }),
        ("nothing", Metadata { mode: 0, ..META }),
        ("uid", Metadata { uid: 65_536, ..META }),
        ("ids", Metadata { uid: u32::MAX - 1, gid: 65_535, ..META }),
        ("old", Metadata { mtime: Mtime { seconds: -5, nanoseconds: 999_999_999 }, ..META }),
        ("far", Metadata { mtime: Mtime { seconds: 1 << 33, nanoseconds: 1 }, ..META }),
    ];
    for (name, metadata) in cases {
        add(tree, format!("metadata/{name}"), Inode::file(metadata, "x"));
        add(tree, format!("metadata/{name}-dir"), Inode::directory(metadata));
    }
}

fn add_xattrs(tree: &mut Tree) {
    // Version 2, then tag, permissions and id: owner, user 1000, group, mask, others.
    let acl: Vec<u8> = [
        &[2, 0, 0, 0][..],
        &[1, 0, 6, 0, 255, 255, 255, 255],
        &[2, 0, 4, 0, 0xe8, 3, 0, 0],
        &[4, 0, 4, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 4, 0, 255, 255, 255, 255],
    ]
    .concat();
    // Revision 2 with the effective flag: net_bind_service.
    let capability = [&[1, 0, 0, 2, 0, 4][..], &[0; 14]].concat();
    let user = vec![("user.a", b"1".to_vec()), ("user.no", vec![]), ("user.b.c", noise(77, 1))];
    let cases = [
        ("capability", vec![("security.capability", capability)]),
        ("user", user),
        ("trusted", vec![("trusted.overlay.opaque", b"y".to_vec())]),
        ("acl", vec![("system.posix_acl_access", acl.clone()), ("user.z", b"z".to_vec())]),
        ("large", vec![("user.large", noise(60_000, 3)), ("user.more", noise(4000, 4))]),
        ("page", vec![("user.page", noise(4000, 5))]),
    ];
    for (name, xattrs) in cases {
        let mut inode = Inode::file(META, noise(900, 6));
        inode.xattrs =
            xattrs.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect();
        add(tree, format!("xattrs/{name}"), inode.clone());
        inode.kind = Kind::Directory([].into());
        if name != "capability" {
            add(tree, format!("xattrs/{name}-dir"), inode);
        }
    }
    let mut dir = Inode::directory(META);
    dir.xattrs.insert(b"system.posix_acl_default".to_vec(), acl);
    add(tree, "xattrs/default-acl", dir);
    let mut link = Inode::symlink(BUILD_TIME, "user");
    link.xattrs.insert(b"trusted.note".to_vec(), noise(3000, 8));
    add(tree, "xattrs/link", link);
}

fn add_names(tree: &mut Tree) {
    for name in [&b"!"[..], b"-", b"...", b".a", b"a", b"a.", b"a b", b"\n", b"\x01", b"\x7f"] {
        add(tree, [b"names/", name].concat(), Inode::file(META, ""));
    }
    add(tree, b"names/\xff\xfe not UTF-8 \x80", Inode::file(META, "bytes"));
    for n in 0..40 {
        add(tree, format!("long-names/{n:0255}"), Inode::file(META, ""));
    }
    // fsck.erofs recurses, and its stack ends somewhere below 900 directories.
    add(tree, format!("deep/{}", vec!["d"; 300].join("/")), Inode::file(META, "bottom"));
    add(tree, format!("wide/{}", vec!["w".repeat(255); 14].join("/")), Inode::directory(META));
    for length in [1, 59, 60, 255, 4000, 4031, 4032, 4033, 4064, 4065, 4095] {
        let target = "t".repeat(length);
        add(tree, format!("links/{length}"), Inode::symlink(BUILD_TIME, target));
    }
}

fn add_specials(tree: &mut Tree) {
    let kinds = [
        ("null", Kind::CharDevice { major: 1, minor: 3 }),
        ("large", Kind::CharDevice { major: 4095, minor: 1_048_575 }),
        ("disk", Kind::BlockDevice { major: 259, minor: 300 }),
        ("fifo", Kind::Fifo),
        ("socket", Kind::Socket),
    ];
    for (name, kind) in kinds {
        add(tree, format!("dev/{name}"), Inode::new(META, kind));
    }
}
