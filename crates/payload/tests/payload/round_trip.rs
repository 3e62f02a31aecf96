use std::io::{self, Read};

use flagstone_image::verity::{HashTree, Parameters};
use flagstone_payload::{Compression, Metadata, OperationKind, PayloadError, Targets, apply};

use crate::support::{apply_to, noise, payload, payload_with, three, trusted, varied_usr, verify};

#[test]
fn what_is_applied_is_what_was_released() {
    let (usr, uki) = (varied_usr(), noise(3, (1 << 20) + 777));
    let tree = HashTree::of(&usr, Parameters::new([7; 32], [9; 16]).unwrap()).unwrap();
    for (compression, packed) in [
        (Compression::Xz, OperationKind::ReplaceXz),
        (Compression::Zstd, OperationKind::ReplaceZstd),
    ] {
        let payload = payload_with(&usr, &uki, 1, &[1], compression);
        let mut memory = three();
        let applied = apply_to(&payload, &trusted(&[1], 1), &mut memory).unwrap();
        let [usr_target, uki_target, verity] = memory;
        assert!(usr_target.data == usr && uki_target.data == uki && verity.data == tree.bytes);
        assert_eq!(applied.uki_bytes, uki.len() as u64);
        assert_eq!(applied.signers.len(), 1);
        let metadata = Metadata::read(&mut payload.as_slice()).unwrap();
        let manifest = metadata.unverified_manifest().unwrap();
        let kinds: Vec<OperationKind> =
            manifest.partitions[0].operations.iter().map(|o| o.kind).collect();
        let raw = OperationKind::Replace;
        assert_eq!(kinds, [raw, raw, OperationKind::Zero, packed, raw]);
        assert_eq!(manifest.release.root_hash, tree.root_hash);
        assert_eq!(manifest.release.uki_file_name, "test_1.2.efi");
    }
}

/// Gives a byte or two at a time, as slow connections do.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1 + self.0.len() % 2);
        self.0.read(&mut buffer[..count])
    }
}

#[test]
fn a_payload_can_come_in_drops() {
    let (usr, uki) = (noise(1, 8192), noise(2, 100));
    let payload = payload(&usr, &uki, 1, &[1]);
    let mut source = Drops(&payload);
    let metadata = Metadata::read(&mut source).unwrap().verify(&trusted(&[1], 1)).unwrap();
    let [mut usr_target, mut uki_target, _] = three();
    let mut targets = Targets { usr: &mut usr_target, uki: &mut uki_target, verity: None };
    let mut seen = Vec::new();
    apply(&metadata, source, None, &mut targets, &mut |at| seen.push(at)).unwrap();
    assert!(usr_target.data == usr && uki_target.data == uki);
    assert!(seen.is_sorted() && seen.last() == Some(&(payload.len() as u64 - 81)));
}

#[test]
fn nothing_is_written_outside_of_the_partition() {
    let (usr, uki) = (noise(1, 8192), noise(2, 100));
    let payload = payload(&usr, &uki, 1, &[1]);
    let mut memory = three();
    for target in &mut memory {
        target.data = vec![0xaa; 20_000];
    }
    apply_to(&payload, &trusted(&[1], 1), &mut memory).unwrap();
    assert!(memory[0].data[..8192] == usr && memory[0].data[8192..] == vec![0xaa; 20_000 - 8192]);
    assert!(memory[1].data[..100] == uki && memory[1].data[100..] == vec![0xaa; 19_900]);
}

#[test]
fn a_target_that_is_too_small_stays_as_it_is() {
    let payload = payload(&noise(1, 8192), &noise(2, 100), 1, &[1]);
    for (index, capacity) in [(0, 8191), (1, 99)] {
        let mut memory = three();
        memory[index].capacity = capacity;
        let error = apply_to(&payload, &trusted(&[1], 1), &mut memory).unwrap_err();
        assert!(matches!(error, PayloadError::TooSmall { .. }), "{error}");
        assert!(memory.iter().all(|target| target.calls == 0));
    }
    let mut memory = three();
    memory[2].capacity = 4096;
    let error = apply_to(&payload, &trusted(&[1], 1), &mut memory).unwrap_err();
    assert!(matches!(error, PayloadError::TreeTooLarge { expected: 8192, actual: 4096 }));
}

#[test]
fn no_failure_of_a_target_is_overlooked() {
    let payload = payload(&varied_usr(), &noise(3, 5000), 1, &[1]);
    let keys = trusted(&[1], 1);
    let mut memory = three();
    apply_to(&payload, &keys, &mut memory).unwrap();
    for index in 0..3 {
        assert!(memory[index].calls >= 3);
        for call in 1..=memory[index].calls {
            let mut failing = three();
            failing[index].fails_at = Some(call);
            let error = apply_to(&payload, &keys, &mut failing).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(cause, "the disk is worn out", "call {call} of target {index}");
        }
    }
}

#[test]
fn a_byte_that_the_disk_changes_is_found() {
    let payload = payload(&varied_usr(), &noise(3, 5000), 1, &[1]);
    let keys = trusted(&[1], 1);
    for (index, at) in [(0, 0), (0, 5 << 20), (0, (8 << 20) + 12_287), (1, 0), (1, 4999), (2, 77)] {
        let mut memory = three();
        memory[index].flips = Some(at);
        let error = apply_to(&payload, &keys, &mut memory).unwrap_err();
        let expected = match index {
            2 => matches!(error, PayloadError::Tree { .. }),
            _ => matches!(error, PayloadError::Written { .. }),
        };
        assert!(expected, "byte {at} of target {index}: {error}");
    }
}

#[test]
fn a_payload_is_verified_without_writing() {
    let payload = payload(&varied_usr(), &noise(3, 5000), 2, &[1, 2]);
    let signers = verify(&payload, &trusted(&[1, 2], 2)).unwrap();
    assert_eq!(signers.len(), 2);
}
