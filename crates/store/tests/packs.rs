//! Packs and shelves, seen from outside: what comes back, and what is never taken for sound.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flagstone_artifact::Sha256Digest;
use flagstone_store::{Damage, Pack, Shelf, prune, usage};
use proptest::prelude::*;

fn key(n: u64) -> Sha256Digest {
    Sha256Digest::of(&n.to_le_bytes())
}

fn shelf() -> (tempfile::TempDir, Shelf) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path().join("shelf")).unwrap();
    (dir, shelf)
}

fn keep(shelf: &Shelf, name: u64, values: &[&[u8]]) -> PathBuf {
    let mut pack = shelf.create().unwrap();
    for (n, value) in (0..).zip(values) {
        pack.put(key(n), value).unwrap();
    }
    shelf.keep(pack, &key(name)).unwrap().path().to_owned()
}

/// Reads all there is, as someone would who trusts nothing.
fn read_all(path: &Path) -> Result<Vec<Vec<u8>>, Damage> {
    let pack = Pack::open(path)?;
    pack.check_all()?;
    pack.records().iter().map(|record| pack.read(record).map(|bytes| bytes.to_vec())).collect()
}

proptest! {
    #[test]
    fn values_come_back_by_their_keys(values in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..2000), 0..20,
    )) {
        let (_dir, shelf) = shelf();
        let mut pack = shelf.create().unwrap();
        for (n, value) in (0..).zip(&values) {
            value.chunks(7).for_each(|piece| pack.write(piece).unwrap());
            pack.end_value(key(n));
        }
        let kept = shelf.keep(pack, &key(99)).unwrap();
        let found = shelf.find(&key(99)).unwrap();
        prop_assert_eq!(kept.records(), found.records());
        for (n, value) in (0..).zip(&values) {
            let record = found.find(&key(n)).unwrap();
            prop_assert_eq!(&found.read(record).unwrap()[..], &value[..]);
            found.check(record).unwrap();
        }
        prop_assert!(found.find(&key(1000)).is_none());
    }
}

#[test]
fn the_bytes_of_a_pack_are_those_of_its_format() {
    let (_dir, shelf) = shelf();
    let bytes = fs::read(keep(&shelf, 9, &[b"one", b"", b"three"])).unwrap();
    assert_eq!(&bytes[..8], b"onethree");
    assert_eq!(bytes.len(), 8 + 3 * 64 + 96);
    assert_eq!(&bytes[200..212], b"FLAGPACK\x01\0\0\0");
    let digest = "06571a33d03d58fad64dfaff1825dc583a4c85197387e0d64082e4f9f7c6a3da";
    assert_eq!(Sha256Digest::of(&bytes).to_string(), digest);
}

#[test]
fn of_equal_keys_the_first_value_stays() {
    let (_dir, shelf) = shelf();
    let mut pack = shelf.create().unwrap();
    pack.put(key(1), b"first").unwrap();
    pack.put(key(1), b"second").unwrap();
    let pack = shelf.keep(pack, &key(2)).unwrap();
    assert_eq!(pack.records().len(), 1);
    assert_eq!(&pack.read(pack.find(&key(1)).unwrap()).unwrap()[..], b"first");
}

#[test]
fn a_pack_that_is_cut_off_anywhere_or_longer_is_refused() {
    let (_dir, shelf) = shelf();
    let path = keep(&shelf, 1, &[b"some bytes", b"more"]);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(read_all(&path).is_err(), "{len}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(read_all(&path), Err(Damage::Footer)));
    // Looking for it removes it.
    assert!(shelf.find(&key(1)).is_none());
    assert!(!path.exists());
}

#[test]
fn every_flipped_bit_is_found() {
    let (_dir, shelf) = shelf();
    let path = keep(&shelf, 1, &[b"some bytes", b"more"]);
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(read_all(&path).is_err(), "bit {bit}");
    }
}

#[test]
fn a_pack_of_a_newer_format_is_none_of_ours() {
    let (_dir, shelf) = shelf();
    let path = keep(&shelf, 1, &[b"x"]);
    let mut bytes = fs::read(&path).unwrap();
    let footer = bytes.len() - 96;
    bytes[footer + 8] = 2;
    let checksum = twox(&bytes[footer..footer + 80]);
    bytes[footer + 80..].copy_from_slice(&checksum);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Pack::open(&path), Err(Damage::Version(2))));
    assert!(shelf.find(&key(1)).is_none());
}

fn twox(data: &[u8]) -> [u8; 16] {
    twox_hash::XxHash3_128::oneshot(data).to_le_bytes()
}

#[test]
fn a_pack_in_the_place_of_another_is_found_out() {
    let (_dir, shelf) = shelf();
    let (one, two) = (keep(&shelf, 1, &[b"one"]), keep(&shelf, 2, &[b"two"]));
    fs::copy(&two, &one).unwrap();
    assert!(matches!(Pack::open(&one), Err(Damage::Name(name)) if name == key(2)));
    assert!(shelf.find(&key(1)).is_none() && shelf.find(&key(2)).is_some());
}

#[test]
fn lengths_that_lie_are_refused_without_being_believed() {
    let (_dir, shelf) = shelf();
    let path = keep(&shelf, 1, &[b"x"]);
    let whole = fs::read(&path).unwrap();
    let footer = whole.len() - 96;
    for (at, value) in [(16, u64::MAX), (16, 1 << 58), (16, 0), (24, u64::MAX), (24, 0)] {
        let mut bytes = whole.clone();
        bytes[footer + at..footer + at + 8].copy_from_slice(&value.to_le_bytes());
        let checksum = twox(&bytes[footer..footer + 80]);
        bytes[footer + 80..].copy_from_slice(&checksum);
        fs::write(&path, &bytes).unwrap();
        assert!(read_all(&path).is_err(), "{at} {value}");
    }
}

#[test]
fn a_pack_that_is_removed_stays_readable_for_who_has_it_open() {
    let (_dir, shelf) = shelf();
    keep(&shelf, 1, &[b"x"]);
    let open = shelf.find(&key(1)).unwrap();
    prune(&[shelf.dir()], 0).unwrap();
    assert!(shelf.find(&key(1)).is_none());
    assert_eq!(&open.read(open.find(&key(0)).unwrap()).unwrap()[..], b"x");
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let (_dir, shelf) = shelf();
    let hour = Duration::from_hours(1);
    for n in 1..=4 {
        let path = keep(&shelf, n, &[&[0; 1000]]);
        let time = SystemTime::now() - hour * (10 - u32::try_from(n).unwrap());
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    // Being used makes it the last to go.
    shelf.find(&key(1)).unwrap();
    let size = usage(&[shelf.dir()]).bytes / 4;
    let removed = prune(&[shelf.dir()], 2 * size).unwrap();
    assert_eq!((removed.packs, removed.bytes), (2, 2 * size));
    let left: Vec<bool> = (1..=4).map(|n| shelf.find(&key(n)).is_some()).collect();
    assert_eq!(left, [true, false, false, true]);
    assert_eq!(prune(&[shelf.dir()], 2 * size).unwrap().packs, 0);
}

#[test]
fn pruning_leaves_what_grows_and_what_is_none_of_its_own() {
    let (_dir, shelf) = shelf();
    let stranger = shelf.dir().join("notes.txt");
    fs::write(&stranger, "mine").unwrap();
    let dead = shelf.dir().join(".new-killed");
    fs::write(&dead, "half").unwrap();
    let mut growing = shelf.create().unwrap();
    growing.put(key(1), b"x").unwrap();
    prune(&[shelf.dir()], 0).unwrap();
    assert!(stranger.exists() && !dead.exists());
    shelf.keep(growing, &key(7)).unwrap();
    assert!(shelf.find(&key(7)).is_some());
    // Dropped before it is complete, a pack leaves nothing.
    drop(shelf.create().unwrap());
    assert_eq!(fs::read_dir(shelf.dir()).unwrap().count(), 2);
}

#[test]
fn who_comes_second_replaces_a_pack_and_harms_nobody() {
    let (_dir, shelf) = shelf();
    let (mut one, mut two) = (shelf.create().unwrap(), shelf.create().unwrap());
    one.put(key(1), b"same").unwrap();
    two.put(key(1), b"same").unwrap();
    let one = shelf.keep(one, &key(2)).unwrap();
    let two = shelf.keep(two, &key(2)).unwrap();
    for pack in [one, two, shelf.find(&key(2)).unwrap()] {
        assert_eq!(&pack.read(pack.find(&key(1)).unwrap()).unwrap()[..], b"same");
    }
}

#[test]
fn damage_within_a_value_is_found_when_it_is_read() {
    let (_dir, shelf) = shelf();
    let path = keep(&shelf, 1, &[&vec![1; 300_000], b"sound"]);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[2], 299_999).unwrap();
    let pack = shelf.find(&key(1)).unwrap();
    let (first, second) = (pack.find(&key(0)).unwrap(), pack.find(&key(1)).unwrap());
    assert!(matches!(pack.read(first), Err(Damage::Value(_))));
    assert!(matches!(pack.check(first), Err(Damage::Value(_))));
    assert_eq!(&pack.read(second).unwrap()[..], b"sound");
}

#[test]
fn a_folder_is_its_owners_alone_and_one_that_cannot_be_is_an_error() {
    let (dir, shelf) = shelf();
    let mode = fs::metadata(shelf.dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Shelf::open(file.join("below")).unwrap_err();
    assert!(error.to_string().starts_with("failed to create the folder "), "{error}");
    assert!(!error.to_string().contains(&error.source.to_string()));
}
