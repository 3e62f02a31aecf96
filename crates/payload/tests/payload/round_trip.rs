use std::io::{self, Read};

use flagstone_image::verity::{HashTree, Parameters};
use flagstone_payload::{
    Checkpoint, Compression, Metadata, OperationKind, PayloadError, Progress, Targets, apply,
};

use crate::support::{
    Memory, apply_to, noise, payload, payload_with, three, trusted, varied_usr, verify,
};

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
    let progress = &mut |progress: Progress<'_>| {
        if let Progress::Read(at) = progress {
            seen.push(at);
        }
    };
    apply(&metadata, source, None, &mut targets, None, progress).unwrap();
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

#[test]
fn what_was_cut_off_goes_on_from_every_checkpoint() {
    let (usr, uki) = (noise(1, 40 << 20), noise(2, 18 << 20));
    let payload = payload_with(&usr, &uki, 1, &[1], Compression::Zstd);
    let read = |payload: &[u8]| {
        let metadata = Metadata::read(&mut &payload[..]).unwrap();
        metadata.verify(&trusted(&[1], 1)).unwrap()
    };
    let metadata = read(&payload);
    // What was on the disk at each checkpoint, and not a byte more.
    let mut taken: Vec<Checkpoint> = Vec::new();
    let apply_from =
        |from: Option<&Checkpoint>, memory: &mut [Memory; 3], end: usize, taken: &mut Vec<_>| {
            let [usr, uki, verity] = memory;
            let mut targets = Targets { usr, uki, verity: Some(verity) };
            let start =
                from.map_or(metadata.blobs_at(), |from| from.resumes_at(&metadata).unwrap());
            let source = &payload[usize::try_from(start).unwrap()..end];
            let progress = &mut |progress: Progress<'_>| {
                if let Progress::Durable(checkpoint) = progress {
                    taken.push(checkpoint.clone());
                }
            };
            apply(&metadata, source, None, &mut targets, from, progress)
        };
    apply_from(None, &mut three(), payload.len(), &mut taken).unwrap();
    assert_eq!(taken.len(), 3 + 2, "{taken:?}");
    for from in taken.clone() {
        let at = usize::try_from(from.resumes_at(&metadata).unwrap()).unwrap();
        let mut memory = three();
        let mut before = Vec::new();
        apply_from(None, &mut memory, at, &mut before).unwrap_err();
        assert_eq!(before.last(), Some(&from));
        let calls = memory[0].calls;
        apply_from(Some(&from), &mut memory, payload.len(), &mut Vec::new()).unwrap();
        assert!(memory[0].data == usr && memory[1].data == uki);
        assert!(memory[0].calls - calls < 70, "/usr was written again: {}", memory[0].calls);
    }

    // One of another payload, or one that is out of order, is none of this one.
    let other = payload_with(&usr[..8192], &uki, 1, &[1], Compression::Zstd);
    assert_eq!(taken[0].resumes_at(&read(&other)), None);
    let text = serde_json::to_string(&taken[0]).unwrap();
    for (old, new) in [("[8,0]", "[8,1]"), ("[8,0]", "[99,0]"), ("\"hasher\":[", "\"hasher\":[1,")]
    {
        let changed = text.replace(old, new);
        assert_ne!(changed, text);
        let changed: Checkpoint = serde_json::from_str(&changed).unwrap();
        assert_eq!(changed.resumes_at(&metadata), None);
        let mut targets =
            Targets { usr: &mut Memory::new(), uki: &mut Memory::new(), verity: None };
        let error = apply(&metadata, &payload[..], None, &mut targets, Some(&changed), &mut |_| {});
        assert!(matches!(error, Err(PayloadError::Checkpoint)));
    }
}
