//! Compares images of /usr that were made for it, whole and damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flagstone_compare::Aspect::{self, Content, Kind, Mode, Owner, Target, Xattrs};
use flagstone_compare::{CompareError, Comparison, HtmlReport, Release, TextReport};
use flagstone_image::erofs::{self, Compression, Options};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

const DATE: Mtime = Mtime::from_seconds(1_700_000_000);
const FOLDER: Metadata = Metadata::root(0o755, DATE);
const FILE: Metadata = Metadata::root(0o644, DATE);

/// A /usr with a bit of everything; files are small and large, and some have the same content.
fn sample() -> Tree {
    let mut tree = Tree::new(FOLDER);
    let large: Vec<u8> = (0_u32..60_000).flat_map(|n| (n / 7).to_le_bytes()).collect();
    for (path, content) in [
        ("bin/tool", large.as_slice()),
        ("lib/empty", b""),
        ("lib/os-release", b"IMAGE_ID=site\nIMAGE_VERSION=1\nARCHITECTURE=x86-64\n"),
        ("lib/modules/6.1/config", b"CONFIG_A=y\nCONFIG_B=m\n"),
        ("lib/systemd/system/a.service", b"[Service]\n"),
        ("share/flagstone/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
        ("share/flagstone/etc/group", b"root:x:0:\n"),
        ("share/same", b"same\n"),
        ("share/same too", b"same\n"),
    ] {
        tree.put(path, FOLDER, Inode::file(FILE, content.to_vec())).unwrap();
    }
    for number in 0..40 {
        let content = format!("{number}\n").repeat(number);
        tree.put(format!("share/many/{number}"), FOLDER, Inode::file(FILE, content)).unwrap();
    }
    tree.put("lib/link", FOLDER, Inode::symlink(DATE, "modules")).unwrap();
    tree
}

fn write(tree: &Tree, compression: Compression, path: PathBuf) -> PathBuf {
    let options = Options { build_time: DATE, compression, ..Options::default() };
    erofs::write(tree, &options, &mut File::create(&path).unwrap()).unwrap();
    path
}

fn compare(old: &Path, new: &Path) -> Result<Comparison, CompareError> {
    Comparison::between(&Release::open(old)?, &Release::open(new)?)
}

#[test]
fn the_same_files_stored_otherwise_differ_in_bytes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tree = sample();
    let plain = write(&tree, Compression::None, dir.path().join("plain"));
    assert!(compare(&plain, &plain).unwrap().identical);
    for compression in [Compression::Lz4, Compression::Zstd { level: 3 }] {
        let packed = write(&tree, compression, dir.path().join("packed"));
        let comparison = compare(&plain, &packed).unwrap();
        assert!(!comparison.identical);
        let files = comparison.files.as_ref().unwrap();
        assert!(files.changed.is_empty() && files.added.is_empty() && files.removed.is_empty());
        assert!(comparison.usr_image.unwrap().first_difference.is_some());
        let text = TextReport { comparison: &comparison, limit: None }.to_string();
        assert!(text.contains("the images are other bytes from byte"), "{text}");
    }
}

#[test]
fn each_aspect_of_a_file_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let old = write(&sample(), Compression::None, dir.path().join("old"));
    let mut tree = sample();
    let mut put = |path: &str, inode: Inode| {
        tree.remove(path).unwrap();
        tree.put(path, FOLDER, inode).unwrap();
    };
    put("share/many/3", Inode::file(FILE, "4\n4\n4\n"));
    put("share/many/4", Inode::file(FILE, "longer than before"));
    put("share/many/5", Inode::file(Metadata { mode: 0o4755, ..FILE }, "5\n".repeat(5)));
    put("share/many/6", Inode::file(Metadata { gid: 70_000, ..FILE }, "6\n".repeat(6)));
    let mut inode = Inode::file(FILE, "7\n".repeat(7));
    inode.xattrs.insert(b"user.a".to_vec(), vec![0xff, b'b']);
    put("share/many/7", inode);
    put("share/many/8", Inode::symlink(DATE, "9"));
    put("lib/link", Inode::symlink(DATE, "systemd"));
    let later = Mtime::from_seconds(DATE.seconds + 1);
    put("share/many/9", Inode::file(Metadata { mtime: later, ..FILE }, "9\n".repeat(9)));
    put("lib/modules/6.1/config", Inode::file(FILE, "CONFIG_A=y\nCONFIG_C=y\n"));
    put("share/same", Inode::directory(FOLDER));
    let new = write(&tree, Compression::Zstd { level: 1 }, dir.path().join("new"));
    let comparison = compare(&old, &new).unwrap();
    let files = comparison.files.as_ref().unwrap();
    let changed: Vec<(&str, &[Aspect])> =
        files.changed.iter().map(|file| (file.path.as_str(), file.differs.as_slice())).collect();
    let expected: [(&str, &[Aspect]); 9] = [
        ("/usr/lib/link", &[Target]),
        ("/usr/lib/modules/6.1/config", &[Content]),
        ("/usr/share/many/3", &[Content]),
        ("/usr/share/many/4", &[Content]),
        ("/usr/share/many/5", &[Mode]),
        ("/usr/share/many/6", &[Owner]),
        ("/usr/share/many/7", &[Xattrs]),
        ("/usr/share/many/8", &[Kind, Mode]),
        ("/usr/share/same", &[Kind, Mode]),
    ];
    assert_eq!(changed, expected);
    assert_eq!(files.changed[6].new.xattrs["user.a"], "\\xffb");
    assert_eq!(files.times, 1);
    let kernel = comparison.kernel.as_ref().unwrap();
    let options: Vec<&str> = kernel.config.iter().map(|option| option.option.as_str()).collect();
    assert_eq!(options, ["CONFIG_B", "CONFIG_C"]);
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["old"]["id"], "site");
    assert_eq!(json["files"]["changed"][4]["new"]["mode"], "4755");
    let cut = TextReport { comparison: &comparison, limit: Some(2) };
    assert!(cut.is_cut() && cut.to_string().contains("… and 7 more changed"), "{cut}");
}

#[test]
fn names_cannot_leave_their_cell_of_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let old = write(&sample(), Compression::None, dir.path().join("old"));
    let mut tree = sample();
    let name = "share/\"><script>alert('1')<!--&\u{202e}\n".as_bytes().to_vec();
    tree.put(name, FOLDER, Inode::file(FILE, "")).unwrap();
    let binary = [b"share/\xff\xfe".as_slice(), b"\x1b[31m"].concat();
    tree.put(binary, FOLDER, Inode::file(FILE, "")).unwrap();
    let new = write(&tree, Compression::None, dir.path().join("new"));
    let comparison = compare(&old, &new).unwrap();
    let page = HtmlReport { comparison: &comparison }.to_string();
    assert!(!page.contains("<script") && !page.contains("<!--") && !page.contains('\u{202e}'));
    assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)"));
    let text = TextReport { comparison: &comparison, limit: None }.to_string();
    assert!(text.contains("\\xff\\xfe\\x1b[31m") && !text.contains('\x1b'), "{text}");
}

/// Changes bytes all over the image, and cuts it off: an error or a comparison, never a panic.
#[test]
fn damage_is_an_error_with_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let sound = write(&sample(), Compression::Zstd { level: 1 }, dir.path().join("sound"));
    let bytes = fs::read(&sound).unwrap();
    let path = dir.path().join("damaged");
    let mut refused = 0;
    let mut judge = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        if let Err(error) = compare(&sound, &path) {
            assert!(error.to_string().contains("damaged"), "{error}");
            refused += 1;
        }
    };
    for len in (0..bytes.len()).step_by(1021) {
        judge(&bytes[..len]);
    }
    for at in (1024..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        // Without its checksum, the superblock is not refused at once.
        damaged[1032] &= !1;
        damaged[at] ^= 0xff;
        judge(&damaged);
    }
    assert!(refused > 50, "only {refused} were refused");
}
