use flagstone_artifact::Sha256Digest;

use super::test_tar::{TestTar, header};
use super::*;

const DATE: Mtime = Mtime::from_seconds(5_000);

/// Keeps contents in memory.
#[derive(Default)]
struct Kept {
    at_hand: Vec<u8>,
    all: Vec<Data>,
}

impl ContentSink for Kept {
    fn write(&mut self, data: &[u8]) -> std::io::Result<()> {
        self.at_hand.extend_from_slice(data);
        Ok(())
    }

    fn end(&mut self, digest: Sha256Digest) -> std::io::Result<()> {
        assert_eq!(digest, Sha256Digest::of(&self.at_hand));
        self.all.push(Bytes::from(std::mem::take(&mut self.at_hand)).into());
        Ok(())
    }
}

/// Reads an archive as a whole, and once more after splitting it: both have to give the same.
fn read_members(
    package: &PackageArchive,
    prune: &PruneList,
    date: Mtime,
) -> Result<Members, ArchiveError> {
    let whole = super::read_members(package, prune, date);
    let ArchiveData::Whole(archive) = &package.data else { panic!("it is split already") };
    let mut kept = Kept::default();
    let split = match split_archive(&archive[..], &mut kept) {
        Ok(SplitList { headers, .. }) => {
            let archive = ArchiveData::Split { headers: headers.into(), contents: kept.all };
            super::read_members(&PackageArchive { data: archive, ..package.clone() }, prune, date)
        }
        Err(SplitError::Archive(error)) => Err(error),
        Err(error) => panic!("{error}"),
    };
    match (&whole, &split) {
        (Ok(whole), Ok(split)) => assert_eq!(format!("{whole:?}"), format!("{split:?}")),
        (Err(ArchiveError::Truncated(_)), Err(ArchiveError::Truncated(_))) => {}
        (whole, split) => assert_eq!(
            whole.as_ref().map_err(ToString::to_string).err(),
            split.as_ref().map_err(ToString::to_string).err()
        ),
    }
    whole
}

fn read(tar: TestTar) -> Result<Vec<Member>, ArchiveError> {
    read_members(&tar.package("p"), &PruneList::default(), DATE).map(|members| members.list)
}

fn paths(tar: TestTar) -> Vec<String> {
    read(tar).unwrap().iter().map(|member| member.path.to_string()).collect()
}

#[test]
fn paths_of_a_split_usr_are_merged() {
    let tar = TestTar::default()
        .dir("./")
        .dir("./lib/")
        .file("./lib/a", "")
        .file("bin/b", "")
        .file("./lib64/c", "")
        .symlink("./sbin", "usr/sbin")
        .file("./var/run/d", "")
        .file("./library/e", "");
    let expected = ["usr/lib/a", "usr/bin/b", "usr/lib64/c", "sbin", "run/d", "library/e"];
    assert_eq!(paths(tar), expected);
}

#[test]
fn contents_are_slices_of_the_archive() {
    let package = TestTar::default().file("./a", vec![7; 1000]).file("./b", "x").package("p");
    let members = read_members(&package, &PruneList::default(), DATE).unwrap().list;
    let MemberKind::File(content) = &members[0].kind else { panic!() };
    let ArchiveData::Whole(data) = &package.data else { panic!() };
    assert!(data.as_ptr_range().contains(&content.to_bytes().unwrap().as_ptr()));
    assert_eq!(content.len(), 1000);
}

#[test]
fn what_does_not_belong_into_a_system_is_refused_by_name() {
    for (tar, expected) in [
        (TestTar::default().file("/etc/x", ""), "absolute"),
        (TestTar::default().file("a/../../x", ""), "\"..\""),
        (TestTar::default().entry(EntryType::Char, "dev/x", "", b""), "device"),
        (TestTar::default().entry(EntryType::Fifo, "x", "", b""), "pipe"),
        (TestTar::default().entry(EntryType::new(b'Q'), "x", "", b""), "type is unknown"),
        (TestTar::default().symlink("x", ""), "target"),
        (TestTar::default().hard_link("x", "/etc/shadow"), "no file of the same package"),
        (TestTar::default().hard_link("x", "../y"), "no file of the same package"),
        (TestTar::default().dir("d").hard_link("x", "d"), "no file of the same package"),
        (TestTar::default().hard_link("x", "y").file("y", ""), "no file of the same package"),
    ] {
        let error = read(tar).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn long_names_and_attributes_come_from_extensions() {
    let long = "d/".repeat(120) + "file";
    let capability = b"\x01\0\0\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let pax = [b"57 SCHILY.xattr.security.capability=", &capability[..], b"\n"].concat();
    let tar = TestTar::default()
        .raw(&header(EntryType::GNULongName, "././@LongLink", "", 0, 244), long.as_bytes())
        .file("d/short", "x")
        .raw(&header(EntryType::XHeader, "PaxHeaders/x", "", 0, 57), &pax)
        .file("cap", "y")
        .file("plain", "z");
    let members = read(tar).unwrap();
    assert_eq!(members[0].path.to_string(), long);
    assert_eq!(members[1].xattrs[&b"security.capability"[..]].len(), 20);
    assert!(members[2].xattrs.is_empty());
}

#[test]
fn old_sparse_files_keep_their_holes() {
    let mut sparse = header(EntryType::GNUSparse, "s", "", 0o644, 4);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 40);
    gnu.sparse[0].set_offset(512);
    gnu.sparse[0].set_length(4);
    sparse.set_cksum();
    let members = read(TestTar::default().raw(&sparse, b"data").file("after", "")).unwrap();
    let MemberKind::File(content) = &members[0].kind else { panic!() };
    assert_eq!(content.len(), 1 << 40);
    let data: Vec<_> = content.data().map(Result::unwrap).collect();
    assert_eq!(data, [(512, Bytes::from_static(b"data"))]);
    assert_eq!(members[1].path.to_string(), "after");
}

#[test]
fn times_are_cut_to_the_builds_date() {
    let mut late = header(EntryType::Regular, "late", "", 0o644, 0);
    late.set_mtime(9_000);
    late.set_cksum();
    let members = read(TestTar::default().raw(&late, b"").file("early", "")).unwrap();
    assert_eq!(members[0].metadata.mtime, DATE);
    assert_eq!(members[1].metadata.mtime, Mtime::from_seconds(1_000));
}

#[test]
fn a_link_to_a_pruned_file_keeps_its_content() {
    let tar = TestTar::default().file("doc/a", "text").hard_link("keep", "doc/a");
    let prune = PruneList { drop: vec!["doc".parse().unwrap()], keep: Vec::new() };
    let members = read_members(&tar.package("p"), &prune, DATE).unwrap();
    assert_eq!(members.unnamed, [true, false]);
    assert!(matches!(members.list[1].kind, MemberKind::HardLink(0)));
}

#[test]
fn a_truncated_archive_is_refused_at_every_length() {
    let whole = TestTar::default().file("a", vec![1; 700]).symlink("b", "a").finish();
    // The last block of the end mark may be missing, as some writers leave it out.
    let mark = whole.len() - 1024 + 512;
    for len in (0..mark).step_by(13).chain([512, 1024, 2048, mark - 1]) {
        let data = whole.slice(..len).into();
        let package = PackageArchive { name: "p".into(), data, conffiles: Vec::new() };
        let read = read_members(&package, &PruneList::default(), DATE);
        assert!(matches!(read, Err(ArchiveError::Truncated(_))), "{len}");
    }
}

#[test]
fn no_flipped_bit_panics() {
    let whole = TestTar::default().file("a", "x").hard_link("b", "a").finish();
    for bit in 0..whole.len() * 8 {
        let mut data = whole.to_vec();
        data[bit / 8] ^= 1 << (bit % 8);
        let package = PackageArchive {
            name: "p".into(),
            data: Bytes::from(data).into(),
            conffiles: Vec::new(),
        };
        let _ = read_members(&package, &PruneList::default(), DATE);
    }
}

#[test]
fn a_size_beyond_the_archive_is_refused() {
    for size in [1 << 20, u64::MAX, 1 << 62] {
        let tar = TestTar::default().raw(&header(EntryType::Regular, "a", "", 0o644, size), b"x");
        assert!(matches!(read(tar), Err(ArchiveError::Truncated(_))), "{size}");
    }
}

/// The judge: archives that GNU tar writes, in both of its formats.
#[test]
fn what_gnu_tar_packs_is_read_back() {
    use std::process::Command;
    if !crate::judge::is_present("tar", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let long = "n".repeat(200);
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at(&long), "long").unwrap();
    std::fs::hard_link(at(&long), at("z-link")).unwrap();
    std::os::unix::fs::symlink("t".repeat(150), at("symlink")).unwrap();
    let sparse = std::fs::File::create(at("sparse")).unwrap();
    for index in 0..30 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"data", index << 20).unwrap();
    }
    sparse.set_len(40 << 20).unwrap();
    for (format, holes) in [("gnu", "--sparse"), ("pax", "--hard-dereference")] {
        let out = Command::new("tar")
            .args(["--create", "--sort=name", "--format", format, holes, "--directory"])
            .arg(dir.path())
            .arg(".")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(holes != "--sparse" || out.stdout.len() < 1 << 20);
        let data = Bytes::from(out.stdout).into();
        let package = PackageArchive { name: "p".into(), data, conffiles: Vec::new() };
        let members = read_members(&package, &PruneList::default(), DATE).unwrap().list;
        let find = |name: &str| {
            members.iter().find(|member| member.path.as_bytes() == name.as_bytes()).unwrap()
        };
        let MemberKind::File(content) = &find("sparse").kind else { panic!() };
        assert_eq!(content.to_bytes().unwrap(), std::fs::read(at("sparse")).unwrap());
        let MemberKind::File(content) = &find(&long).kind else { panic!() };
        assert_eq!(&content.to_bytes().unwrap()[..], b"long");
        let MemberKind::Symlink(target) = &find("symlink").kind else { panic!() };
        assert_eq!(target.len(), 150);
    }
}

/// Attacks on whoever unpacks: each is refused, and the message says what and why.
#[test]
fn hostile_archives_are_refused_by_name() {
    let tar = TestTar::default;
    let long = |kind, data: &[u8]| header(kind, "././@LongLink", "", 0, data.len() as u64);
    let path = "a/".repeat(2100) + "end";
    let number = |offset: usize, bytes: &[u8]| {
        let mut header = header(EntryType::Regular, "a", "", 0o644, 0);
        header.as_mut_bytes()[offset..offset + bytes.len()].copy_from_slice(bytes);
        header.set_cksum();
        TestTar::default().raw(&header, b"")
    };
    let pax = |records: &[u8]| {
        let header = header(EntryType::XHeader, "x", "", 0o644, records.len() as u64);
        TestTar::default().raw(&header, records)
    };
    let nul = {
        // The archive's own name fields end at a NUL; a PAX path need not.
        let record = b"12 path=a\0b\n";
        pax(&record[..]).file("x", "")
    };
    let gnu = EntryType::GNULongName;
    for (archive, expected) in [
        (tar().file("../x", ""), "\"..\""),
        (tar().file("usr/../../x", ""), "\"..\""),
        (tar().file("/etc/x", ""), "absolute"),
        (tar().entry(EntryType::Char, "dev/null", "", b""), "device"),
        (tar().entry(EntryType::Block, "dev/sda", "", b""), "device"),
        (tar().entry(EntryType::Fifo, "run/x", "", b""), "pipe"),
        (tar().file("a\nb", ""), "control character"),
        (nul, "control character"),
        (pax(b"14 path=a\x1b[2J\n").file("x", ""), "control character"),
        (tar().raw(&long(gnu, path.as_bytes()), path.as_bytes()).file("x", ""), "too long"),
        (tar().raw(&long(gnu, b"a"), b"a"), "belongs to no member"),
        (
            tar().raw(&long(gnu, b"a"), b"a").raw(&long(gnu, b"b"), b"b").file("x", ""),
            "two extension",
        ),
        (pax(b"9 path=a\n"), "belongs to no member"),
        (pax(b"99 path=a\n").file("x", ""), "PAX record"),
        (pax(b"22 GNU.sparse.major=1\n").file("x", ""), "sparse"),
        (pax(b"28 size=99999999999999999999\n").file("x", ""), "PAX record"),
        (number(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "out of range"),
        (number(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), "out of range"),
        (number(108, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "out of range"),
        (number(108, b"\x80\x01\0\0\0\0\0\0"), "out of range"),
        (number(124, b"-0000000001\0"), "number is malformed"),
        (tar().hard_link("b", "../etc/shadow"), "hard link"),
        (tar().hard_link("b", "a").file("a", ""), "hard link"),
        (tar().dir("a").hard_link("b", "a"), "hard link"),
        (tar().symlink("a", "x").hard_link("b", "a"), "hard link"),
        (tar().entry(EntryType::new(b'Z'), "x", "", b""), "unknown"),
    ] {
        let error = read(archive).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn a_source_or_a_store_that_fails_is_no_damaged_archive() {
    struct Full;
    impl ContentSink for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn end(&mut self, _: Sha256Digest) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::InvalidData.into())
        }
    }
    let data = TestTar::default().file("a", "x").finish();
    assert!(matches!(split_archive(&data[..], &mut Full), Err(SplitError::Keep(_))));
    assert!(matches!(split_archive(Broken, &mut Full), Err(SplitError::Read(_))));
    // A checksum comes after the end mark.
    let damaged = std::io::Read::chain(&data[..], Broken);
    assert!(matches!(split_archive(damaged, &mut Kept::default()), Err(SplitError::Read(_))));
}

#[test]
fn a_split_archive_with_other_contents_is_refused() {
    let data = TestTar::default().file("a", "one").file("b", "three").finish();
    let mut kept = Kept::default();
    let headers = split_archive(&data[..], &mut kept).unwrap().headers;
    for contents in [vec![], kept.all[..1].to_vec(), vec![kept.all[1].clone(); 2]] {
        let data = ArchiveData::Split { headers: headers.clone().into(), contents };
        let package = PackageArchive { name: "p".into(), data, conffiles: Vec::new() };
        assert!(super::read_members(&package, &PruneList::default(), DATE).is_err());
    }
}
