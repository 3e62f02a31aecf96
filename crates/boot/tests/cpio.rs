//! GNU cpio unpacks what this crate writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::{Command, Stdio};

use bytes::Bytes;
use flagstone_boot::{cpio_parts, write_cpio};
use flagstone_tree::{Content, Inode, Kind, Metadata, Mtime, Tree};
use tempfile::TempDir;

const LATEST: i64 = 1_700_000_000;
const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(LATEST));

fn sample() -> Tree {
    let mut tree = Tree::new(META);
    let private = Metadata { mode: 0o4750, uid: 12, gid: 34, mtime: Mtime::from_seconds(5) };
    tree.create_dirs("usr/lib", META).unwrap();
    tree.create_dirs("dev", META).unwrap();
    let id = tree.insert("usr/lib/a", Inode::file(private, vec![9; 4097])).unwrap();
    tree.hard_link("usr/lib/b", id).unwrap();
    tree.hard_link("z", id).unwrap();
    tree.insert("usr/lib/empty", Inode::file(META, "")).unwrap();
    let late = Metadata { mtime: Mtime::from_seconds(LATEST + 9), ..META };
    tree.insert("usr/lib/late", Inode::file(late, "x")).unwrap();
    let sparse = Content::sparse(300_001, vec![(300_000, Bytes::from_static(b"!"))]).unwrap();
    tree.insert("usr/sparse", Inode::file(META, sparse)).unwrap();
    tree.insert("lib", Inode::symlink(META.mtime, "usr/lib")).unwrap();
    tree.insert([&b"usr/n\xff "[..], &[b'x'; 200]].concat(), Inode::file(META, "name")).unwrap();
    let console = Metadata { mode: 0o600, ..META };
    tree.insert("dev/console", Inode::new(console, Kind::CharDevice { major: 5, minor: 1 }))
        .unwrap();
    tree.insert("dev/pipe", Inode::new(console, Kind::Fifo)).unwrap();
    tree
}

fn archive(tree: &Tree) -> Vec<u8> {
    let mut archive = Vec::new();
    write_cpio(tree, LATEST, &mut archive).unwrap();
    archive
}

/// Feeds an archive to GNU cpio; `None` if there is none.
fn cpio(arguments: &[&str], dir: &TempDir, archive: &[u8]) -> Option<String> {
    let child = Command::new("cpio")
        .args(arguments)
        .current_dir(dir.path())
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
            assert!(!required, "cpio is missing");
            println!("skipped: cpio is missing");
            return None;
        }
        Err(error) => panic!("cpio does not start: {error}"),
    };
    child.stdin.take().unwrap().write_all(archive).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

#[test]
fn cpio_lists_directories_before_what_is_in_them() {
    let dir = TempDir::new().unwrap();
    let Some(text) = cpio(&["-it", "--quiet"], &dir, &archive(&sample())) else { return };
    let names: Vec<&str> = text.lines().collect();
    assert_eq!(names[..4], [".", "dev", "dev/console", "dev/pipe"]);
    assert_eq!(names.len(), sample().walk().count());
    for (at, name) in names.iter().enumerate() {
        assert!(!name.starts_with('/'));
        if let Some((parent, _)) = name.rsplit_once('/') {
            assert!(names[..at].contains(&parent), "{name} comes before {parent}");
        }
    }
}

#[test]
fn cpio_unpacks_every_file_link_owner_and_time() {
    let dir = TempDir::new().unwrap();
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !root {
        println!("skipped: only root can unpack devices and owners");
        return;
    }
    let tree = sample();
    let options = ["-i", "-d", "-m", "--quiet", "--no-absolute-filenames"];
    if cpio(&options, &dir, &archive(&tree)).is_none() {
        return;
    }
    let mut numbers = std::collections::BTreeMap::new();
    for entry in tree.walk().filter(|entry| !entry.path.is_root()) {
        use std::os::unix::ffi::OsStrExt;
        let path = dir.path().join(std::ffi::OsStr::from_bytes(entry.path.as_bytes()));
        let found = fs::symlink_metadata(&path).unwrap();
        let wanted = &entry.inode.metadata;
        assert_eq!((found.uid(), found.gid()), (wanted.uid, wanted.gid), "{path:?}");
        // GNU cpio does not set the times of links, and changes those of directories again by what
        // it puts into them; the kernel sets both.
        if !found.is_dir() && !found.is_symlink() {
            assert_eq!(found.mtime(), wanted.mtime.seconds.min(LATEST), "{path:?}");
        }
        let mode = u32::from(entry.inode.kind.type_bits() | wanted.mode);
        assert_eq!(found.mode(), mode, "{path:?}");
        match &entry.inode.kind {
            Kind::File(content) => {
                assert!(fs::read(&path).unwrap() == content.to_bytes().unwrap(), "{path:?}");
                let number = numbers.entry(entry.id).or_insert(found.ino());
                assert_eq!(*number, found.ino(), "{path:?} is no hard link");
            }
            Kind::Symlink(target) => {
                assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), target);
            }
            Kind::CharDevice { .. } => {
                assert!(found.file_type().is_char_device());
                assert_eq!(found.rdev(), 5 << 8 | 1);
            }
            _ => {}
        }
    }
}

#[test]
fn the_archive_depends_on_the_tree_alone_and_streams() {
    /// Takes one byte at a time.
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(&data[..1]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut tree = sample();
    let first = archive(&tree);
    // Other numbers in the arena, the same names.
    let pipe = tree.lookup(&flagstone_tree::TreePath::new("dev/pipe").unwrap()).unwrap();
    let again = tree.inode(pipe).clone();
    tree.remove("dev/pipe").unwrap();
    tree.insert("dev/pipe", again).unwrap();
    let mut slow = Slow(Vec::new());
    let len = write_cpio(&tree, LATEST, &mut slow).unwrap();
    assert!(slow.0 == first);
    assert_eq!(len % 512, 0);
}

/// Several archives unpack over each other to what one of them does.
#[test]
fn parts_unpack_to_the_same_tree() {
    let mut tree = Tree::new(META);
    for n in 0..60_u32 {
        let content: Vec<u8> = (0..50_000).flat_map(|m| (m ^ n).to_le_bytes()).collect();
        let id = tree.insert(format!("file{n:02}"), Inode::file(META, content)).unwrap();
        if n % 10 == 5 {
            tree.hard_link(format!("file{n:02}-again"), id).unwrap();
        }
    }
    let first = tree.insert("a-name", Inode::file(META, vec![7; 6 << 20])).unwrap();
    tree.hard_link("file30-other", first).unwrap();
    let parts = cpio_parts(&tree, LATEST).unwrap();
    assert!(parts.len() > 2 && parts.iter().all(|part| part.len() < 16 << 20), "{}", parts.len());
    assert!(parts.iter().all(|part| part.len() % 512 == 0));
    let [one, several] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let arguments = ["--extract", "--quiet", "--make-directories"];
    if cpio(&arguments, &one, &archive(&tree)).is_none() {
        return;
    }
    for part in &parts {
        cpio(&arguments, &several, part).unwrap();
    }
    let list = |dir: &TempDir| {
        let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
        let mut list: Vec<_> = entries
            .map(|entry| {
                let links = entry.metadata().unwrap().nlink();
                (entry.file_name(), links, fs::read(entry.path()).unwrap())
            })
            .collect();
        list.sort();
        list
    };
    assert_eq!(list(&one).len(), 68);
    assert!(list(&one) == list(&several));
}
