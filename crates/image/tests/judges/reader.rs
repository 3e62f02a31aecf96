use std::collections::BTreeMap;
use std::io::Cursor;
use std::process::Command;

use flagstone_image::ReadError;
use flagstone_image::erofs::read::Image;
use flagstone_image::erofs::{self, Compression, Options};
use flagstone_tree::{Content, Inode, Kind, Metadata, Tree};

use crate::sample::{META, compressed, compressors, contents, hard, noise, options, text};
use crate::tool::{find, run};

/// More than any sample holds.
const LIMIT: u64 = 1 << 30;

pub(crate) fn bytes(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    erofs::write(tree, options, &mut out).unwrap();
    out.into_inner()
}

/// Panics unless two trees have the same names, inodes and contents.
pub(crate) fn assert_same_tree(expected: &Tree, found: &Tree) {
    let mut ids = BTreeMap::new();
    let mut others = found.walk();
    for entry in expected.walk() {
        let other = others.next().unwrap_or_else(|| panic!("/{} is missing", entry.path));
        assert_eq!(entry.path, other.path);
        assert_same_inode(entry.inode, other.inode, &entry.path.to_string());
        let id = *ids.entry(entry.id.index()).or_insert(other.id);
        assert_eq!(id, other.id, "links of /{}", entry.path);
    }
    assert!(others.next().is_none());
}

fn assert_same_inode(expected: &Inode, found: &Inode, path: &str) {
    assert_eq!(expected.metadata, found.metadata, "/{path}");
    assert_eq!(expected.xattrs, found.xattrs, "/{path}");
    match (&expected.kind, &found.kind) {
        (Kind::File(expected), Kind::File(found)) => {
            assert!(is_same_content(expected, found), "content of /{path}");
        }
        (Kind::Directory(expected), Kind::Directory(found)) => {
            assert!(expected.keys().eq(found.keys()), "names in /{path}");
        }
        (expected, found) => assert_eq!(expected, found, "/{path}"),
    }
}

/// Compares the bytes that are not zero, wherever holes are said to be.
fn is_same_content(one: &Content, other: &Content) -> bool {
    let bytes = |content: &Content| -> Vec<(u64, u8)> {
        let extents = content.data().map(Result::unwrap);
        let numbered = extents.flat_map(|(at, data)| (at..).zip(data));
        numbered.filter(|(_, byte)| *byte != 0).collect()
    };
    let is_dense = |content: &Content| content.extents().count() <= 1;
    one.len() == other.len()
        && (one == other
            || (is_dense(one) && is_dense(other) && one.to_bytes() == other.to_bytes())
            || bytes(one) == bytes(other))
}

fn all() -> Vec<Options> {
    [vec![options()], compressors()].concat()
}

#[test]
fn the_hard_tree_is_read_as_it_was_written() {
    let tree = hard();
    for options in all() {
        let image = bytes(&tree, &options);
        assert_same_tree(&tree, &Image::open(image.as_slice()).unwrap().tree(LIMIT).unwrap());
    }
}

#[test]
fn every_length_and_content_is_read_as_it_was_written() {
    let tree = contents();
    for options in all() {
        let image = bytes(&tree, &options);
        assert_same_tree(&tree, &Image::open(image.as_slice()).unwrap().tree(LIMIT).unwrap());
    }
}

#[test]
fn an_image_says_what_it_was_told() {
    let image = bytes(&Tree::new(META), &options());
    let image = Image::open(image.as_slice()).unwrap();
    assert_eq!(image.label(), b"flagstone_1.2");
    assert_eq!((image.uuid(), image.build_time()), ([0x42; 16], options().build_time));
}

#[test]
fn any_part_of_a_file_can_be_read() {
    let data = [text(300_000, 1), noise(100_000, 2), text(50_001, 3)].concat();
    let mut tree = Tree::new(META);
    tree.insert("large", Inode::file(META, data.clone())).unwrap();
    tree.insert("small", Inode::file(META, data[..30_000].to_vec())).unwrap();
    for options in [options(), compressed(Compression::Zstd { level: 1 }, 64)] {
        let image = bytes(&tree, &options);
        let image = Image::open(image.as_slice()).unwrap();
        for entry in image.entries(&image.root().unwrap()).unwrap() {
            let node = image.node(entry.nid).unwrap();
            let len = usize::try_from(node.size).unwrap();
            for start in [0, 1, 4095, 4096, 20_000, 65_536, 262_143, 399_999, 440_000, 500_000] {
                for length in [0, 1, 4096, 70_000, 1 << 20] {
                    let mut found = Vec::new();
                    let range = start as u64..(start + length) as u64;
                    image
                        .read(&node, range, &mut |offset, part| {
                            assert_eq!(offset, (start + found.len()) as u64);
                            found.extend_from_slice(part);
                            Ok(())
                        })
                        .unwrap();
                    let expected = &data[start.min(len)..(start + length).min(len)];
                    assert!(found == expected, "{length} bytes from {start}");
                }
            }
        }
    }
}

#[test]
fn more_than_the_limit_is_not_held() {
    let mut tree = Tree::new(META);
    tree.insert("zeros", Inode::file(META, vec![0; 8 << 20])).unwrap();
    for options in all() {
        let image = bytes(&tree, &options);
        let image = Image::open(image.as_slice()).unwrap();
        let result = image.tree(8 << 20);
        assert!(matches!(result, Err(ReadError::TooLarge { limit: 8_388_608 })), "{result:?}");
        assert!(image.tree(9 << 20).is_ok());
    }
}

/// A tree of a few blocks with one of each that has a form of its own.
fn little() -> Tree {
    let mut tree = Tree::new(META);
    tree.insert("text", Inode::file(META, text(100_000, 1))).unwrap();
    let id = tree.insert("small", Inode::file(META, text(3000, 1))).unwrap();
    tree.hard_link("again", id).unwrap();
    tree.insert("noise", Inode::file(META, noise(9000, 1))).unwrap();
    tree.insert("tiny", Inode::file(Metadata { uid: 70_000, ..META }, "tiny")).unwrap();
    tree.insert("link", Inode::symlink(options().build_time, "target")).unwrap();
    tree.insert("null", Inode::new(META, Kind::CharDevice { major: 1, minor: 3 })).unwrap();
    let data = bytes::Bytes::from(vec![1; 5000]);
    let content = Content::sparse(1 << 20, vec![(500_000, data)]).unwrap();
    let mut sparse = Inode::file(META, content);
    sparse.xattrs.insert(b"user.name".to_vec(), b"value".to_vec());
    tree.insert("sparse", sparse).unwrap();
    tree.create_dirs("a/b/c", META).unwrap();
    tree
}

#[test]
fn a_damaged_image_is_an_error_or_another_tree_but_no_panic() {
    let zstd = compressed(Compression::Zstd { level: 1 }, 16);
    for options in [options(), zstd, compressed(Compression::Lz4, 16)] {
        let image = bytes(&little(), &options);
        for cut in (0..image.len()).step_by(997) {
            let result = Image::open(&image[..cut]).and_then(|image| image.tree(LIMIT));
            assert!(result.is_err(), "{cut} of {}", image.len());
        }
        // The checksum would hide what comes after it.
        let mut unchecked = image.clone();
        unchecked[1024 + 8] &= !1;
        assert!(Image::open(unchecked.as_slice()).and_then(|image| image.tree(LIMIT)).is_ok());
        let used = unchecked.iter().enumerate().filter(|(_, byte)| **byte != 0);
        // Most bytes are data: of these, few; of superblock and metadata, which are short, all.
        let places: Vec<usize> = used.map(|(at, _)| at).collect();
        let few = places.len().div_ceil(3000);
        for (number, &at) in places.iter().enumerate().filter(|(n, at)| n % few == 0 || **at < 4096)
        {
            let mut damaged = unchecked.clone();
            damaged[at] ^= [1, 0x80, 0xff, 0x10][number % 4];
            let _ = Image::open(damaged.as_slice()).and_then(|image| image.tree(1 << 24));
        }
    }
}

#[test]
fn every_wrong_field_of_the_superblock_is_refused() {
    let image = bytes(&little(), &options());
    let cases = [
        (0, 1, "magic"),
        (4, 1, "checksum"),
        (12, 1, "4096"),
        (13, 1, "feature"),
        (81, 1, "feature"),
        (86, 1, "feature"),
    ];
    for (at, change, part) in cases {
        let mut damaged = image.clone();
        damaged[1024 + at] ^= change;
        if at > 4 {
            damaged[1024 + 8] &= !1;
        }
        let error = Image::open(damaged.as_slice()).err().unwrap().to_string();
        assert!(error.contains(part), "byte {at}: {error}");
    }
    let error = Image::open(&image[..4095]).err().unwrap().to_string();
    assert!(error.contains("shorter than a block"), "{error}");
}

#[test]
fn an_image_of_another_writer_is_read() {
    let Some(mkfs) = find("mkfs.erofs") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(META);
    for n in 0..300_usize {
        let data = text(n * n * 7, u32::try_from(n).unwrap());
        std::fs::write(dir.path().join(n.to_string()), &data).unwrap();
        tree.insert(n.to_string(), Inode::file(META, data)).unwrap();
    }
    let out = tempfile::NamedTempFile::new().unwrap();
    for arguments in [&["-x-1"][..], &["-x-1", "-zlz4", "-C65536"]] {
        run(Command::new(&mkfs).args(arguments).arg(out.path()).arg(dir.path()));
        let image = Image::open(std::fs::File::open(out.path()).unwrap()).unwrap();
        let found = image.tree(LIMIT).unwrap();
        for entry in tree.walk().filter(|entry| entry.inode.children().is_none()) {
            let found = found.read(entry.path.as_bytes()).unwrap();
            assert!(found == tree.read(entry.path.as_bytes()).unwrap(), "/{}", entry.path);
        }
    }
}
