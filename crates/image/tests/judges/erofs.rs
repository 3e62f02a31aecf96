use std::io::Cursor;
use std::process::Command;

use bytes::Bytes;
use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs;
use flagstone_tree::{Content, Inode, Kind, Metadata, Mtime, Tree};

use crate::compare::{assert_same, assert_same_contents};
use crate::sample::{META, hard, image, noise, options};
use crate::tool::{Mount, find, fsck, run};

const GIB: u64 = 1 << 30;

#[test]
fn the_kernel_and_fsck_find_the_hard_tree_as_it_was() {
    let tree = hard();
    let (file, _) = image(&tree);
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn fsck_extracts_the_contents_that_went_in() {
    let Some(fsck) = find("fsck.erofs") else { return };
    let mut tree = hard();
    // Devices need privileges to be made, as do files without permissions to be read; extraction
    // limits paths to less than the kernel does, and version 1.5 makes no holes.
    for path in ["dev", "metadata", "deep", "wide", "sparse"] {
        tree.remove(path).unwrap();
    }
    let (file, _) = image(&tree);
    let dir = tempfile::tempdir().unwrap();
    let mut extract = std::ffi::OsString::from("--extract=");
    extract.push(dir.path());
    run(Command::new(fsck).arg(extract).args(["--overwrite", "--no-preserve"]).arg(file.path()));
    assert_same_contents(&tree, dir.path());
}

#[test]
fn an_empty_tree_is_two_blocks() {
    let tree = Tree::new(META);
    let (file, statistics) = image(&tree);
    assert_eq!((statistics.blocks, statistics.inodes), (2, 1));
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn a_directory_holds_a_hundred_thousand_entries() {
    let mut tree = Tree::new(META);
    tree.create_dirs("files", META).unwrap();
    tree.create_dirs("dirs", META).unwrap();
    for n in 0..100_000_u32 {
        let name = format!("files/{n:x}-{}", "n".repeat((n % 30) as usize));
        tree.insert(name, Inode::file(META, "")).unwrap();
    }
    // More links than a compact inode counts.
    for n in 0..65_600 {
        tree.create_dirs(format!("dirs/{n}"), META).unwrap();
    }
    let (file, _) = image(&tree);
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn a_file_with_many_names_is_one_inode() {
    let mut tree = Tree::new(META);
    let id = tree.insert("first", Inode::file(META, noise(5000, 1))).unwrap();
    for n in 0..65_600 {
        tree.hard_link(format!("n{n}"), id).unwrap();
    }
    let (file, statistics) = image(&tree);
    assert_eq!(statistics.inodes, 2);
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn sparse_files_of_many_gigabytes_stay_small() {
    let mut tree = Tree::new(META);
    let data = |seed| Bytes::from(noise(10_000, seed));
    let sparse = [
        ("hole", 5 * GIB, vec![]),
        ("ends", 5 * GIB + 77, vec![(0, data(1)), (5 * GIB - 9923, data(2))]),
        ("middle", 6 * GIB, vec![(4 * GIB - 1, data(3)), (4 * GIB + 100_000_000, data(4))]),
        ("huge", 1 << 40, vec![(1 << 39, data(5))]),
    ];
    for (name, len, extents) in sparse {
        let content = Content::sparse(len, extents).unwrap();
        tree.insert(name, Inode::file(META, content)).unwrap();
    }
    let (file, statistics) = image(&tree);
    assert!(statistics.size_bytes < 64 << 20, "{statistics:?}");
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn a_path_longer_than_linux_resolves_at_once_is_stored() {
    let mut tree = Tree::new(META);
    let path = vec!["directory"; 1000].join("/");
    tree.create_dirs(path, META).unwrap();
    let (file, statistics) = image(&tree);
    assert_eq!(statistics.inodes, 1001);
    let Some(mount) = Mount::new(file.path()) else { return };
    let mut dir = rustix::fs::open(mount.path(), rustix::fs::OFlags::DIRECTORY, 0.into()).unwrap();
    for _ in 0..1000 {
        let flags = rustix::fs::OFlags::DIRECTORY;
        dir = rustix::fs::openat(dir, "directory", flags, 0.into()).unwrap();
    }
}

#[test]
fn identical_contents_are_stored_once() {
    let mut tree = Tree::new(META);
    for n in 0..10 {
        tree.insert(format!("f{n}"), Inode::file(META, noise(100_000, 1))).unwrap();
    }
    let other = Metadata { mode: 0o600, mtime: Mtime::from_seconds(1), ..META };
    tree.insert("other", Inode::file(other, noise(100_000, 2))).unwrap();
    let (file, statistics) = image(&tree);
    assert_eq!((statistics.data_blocks, statistics.shared_blocks), (48, 9 * 24));
    fsck(file.path());
    if let Some(mount) = Mount::new(file.path()) {
        assert_same(&tree, mount.path());
    }
}

#[test]
fn dump_erofs_reads_the_superblock() {
    let Some(dump) = find("dump.erofs") else { return };
    let (file, statistics) = image(&hard());
    let text = run(Command::new(dump).arg("-s").arg(file.path()));
    let has =
        |words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["blocks:", &statistics.blocks.to_string()]), "{text}");
    assert!(has(&["inode count:", &statistics.inodes.to_string()]), "{text}");
    assert!(has(&["UUID:", "42424242-4242-4242-4242-424242424242"]), "{text}");
}

#[test]
fn the_same_tree_gives_the_same_bytes_with_any_number_of_threads() {
    let bytes = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut out = Cursor::new(Vec::new());
            erofs::write(&hard(), &options(), &mut out).unwrap();
            out.into_inner()
        })
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(5));
}

#[test]
fn the_bytes_of_the_hard_tree_stay() {
    let mut out = Cursor::new(Vec::new());
    erofs::write(&hard(), &options(), &mut out).unwrap();
    let out = out.into_inner();
    // A change here changes every released image: it belongs in the changelog.
    assert_eq!(
        Sha256Digest::of(&out).to_string(),
        "0098b26d8b0076aa26d4a0f5479a583c7d7b2db9606daaddb01f58d1ec2b9b5b"
    );
}

#[test]
fn a_refusal_names_the_file_and_the_reason_once() {
    let mut tree = Tree::new(META);
    tree.create_dirs("usr/lib", META).unwrap();
    let device = Kind::CharDevice { major: 5000, minor: 0 };
    tree.insert("usr/lib/dev", Inode::new(META, device)).unwrap();
    let error = erofs::write(&tree, &options(), &mut std::io::empty()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "/usr/lib/dev does not fit an EROFS image");
    assert_eq!(cause, "its device number 5000:0 is beyond 4095:1048575");
    assert!(error.hint().is_some());
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    for (label, fits) in
        [("", true), ("fifteen-bytes-x", true), ("sixteen-bytes-xy", false), ("a\0", false)]
    {
        let options = erofs::Options { label: label.into(), ..options() };
        assert_eq!(
            erofs::write(&Tree::new(META), &options, &mut std::io::empty()).is_ok(),
            fits,
            "{label:?}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_with_a_hint() {
    let Ok(mut full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let error = erofs::write(&hard(), &options(), &mut full).unwrap_err();
    assert_eq!(error.to_string(), "failed to write the file system image");
    assert!(error.hint().unwrap().contains("space"));
}
