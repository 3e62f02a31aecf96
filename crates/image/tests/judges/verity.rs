use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use flagstone_image::erofs::{self, Compression, Options};
use flagstone_image::verity::{HashTree, Parameters, Superblock, VerityWriter, verify};

use crate::sample::{compressed, hard, noise, options};
use crate::tool::{find, run};

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn parameters(salt: &[u8]) -> Parameters {
    let uuid = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    Parameters::new(salt, [uuid, uuid].concat().try_into().unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Formats with `veritysetup`, and returns the hash device and what was printed.
fn format(veritysetup: &Path, dir: &Path, data: &[u8], salt: &[u8]) -> (Vec<u8>, String) {
    let (data_path, hash_path) = (dir.join("data"), dir.join("hash"));
    let _ = fs::remove_file(&hash_path);
    fs::write(&data_path, data).unwrap();
    let salt = if salt.is_empty() { "-".into() } else { hex(salt) };
    let text = run(Command::new(veritysetup)
        .args(["format", "--uuid", UUID, "--salt", &salt])
        .args([&data_path, &hash_path]));
    (fs::read(hash_path).unwrap(), text)
}

#[test]
fn veritysetup_formats_the_same_bytes() {
    let Some(veritysetup) = find("veritysetup") else { return };
    let dir = tempfile::tempdir().unwrap();
    for blocks in [1_usize, 2, 127, 128, 129, 1000, 16_384, 16_385] {
        let data = noise(blocks * 4096, 1);
        for salt in [&[][..], &[1; 1], &[2; 32], &[3; 64], &[4; 256]] {
            if blocks > 1000 && salt.len() != 32 {
                continue;
            }
            let case = format!("{blocks} blocks, {} bytes of salt", salt.len());
            let tree = HashTree::of(&data, parameters(salt)).unwrap();
            let (bytes, text) = format(&veritysetup, dir.path(), &data, salt);
            assert!(text.contains(&tree.root_hash.to_string()), "{case}: {text}");
            assert!(tree.bytes == bytes, "{case}: {} and {}", tree.bytes.len(), bytes.len());
            verify(data.as_slice(), &bytes, &tree.root_hash).unwrap();
        }
    }
}

#[test]
fn veritysetup_verifies_an_image_hashed_as_it_was_written() {
    for options in [options(), compressed(Compression::Zstd { level: 1 }, 64)] {
        assert_verified(&options);
    }
}

fn assert_verified(options: &Options) {
    let mut writer = VerityWriter::new(Cursor::new(Vec::new()), parameters(b"salt"));
    let statistics = erofs::write(&hard(), options, &mut writer).unwrap();
    writer.flush().unwrap();
    let (image, tree) = writer.finish().unwrap();
    let image = image.into_inner();
    assert_eq!(tree.data_blocks, statistics.blocks);
    assert_eq!(tree, HashTree::of(&image, parameters(b"salt")).unwrap());
    verify(image.as_slice(), &tree.bytes, &tree.root_hash).unwrap();
    assert_eq!(Superblock::parse(&tree.bytes).unwrap().parameters, parameters(b"salt"));

    let Some(veritysetup) = find("veritysetup") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (data_path, hash_path) = (dir.path().join("data"), dir.path().join("hash"));
    fs::write(&data_path, &image).unwrap();
    fs::write(&hash_path, &tree.bytes).unwrap();
    let check = || {
        let root_hash = tree.root_hash.to_string();
        Command::new(&veritysetup)
            .arg("verify")
            .args([&data_path, &hash_path])
            .arg(root_hash)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(check());
    let mut flipped = image.clone();
    flipped[image.len() / 2] ^= 1;
    fs::write(&data_path, &flipped).unwrap();
    assert!(!check());
    assert!(verify(flipped.as_slice(), &tree.bytes, &tree.root_hash).is_err());
}
