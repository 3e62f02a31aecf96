use flagstone_artifact::Architecture;

use super::*;
use crate::{Extent, OldPartition, Operation, OperationKind, PartitionInfo};

fn digest(byte: u8) -> Sha256Digest {
    Sha256Digest::from_bytes([byte; 32])
}

fn replace(offset: u64, start: u64, blocks: u64) -> Operation {
    Operation {
        kind: OperationKind::Replace,
        data_offset: offset,
        data_length: usize::try_from(blocks * BLOCK).unwrap(),
        data_digest: Some(digest(1)),
        source: Vec::new(),
        source_digest: None,
        lengths: None,
        target: vec![Extent { start, blocks }],
    }
}

/// usr has blocks 0 and 1 from data, 2 to 4 of zeros; uki ends 96 bytes before its second block does.
fn sample() -> Manifest {
    let zero = Operation {
        kind: OperationKind::Zero,
        data_offset: 0,
        data_length: 0,
        data_digest: None,
        target: vec![Extent { start: 4, blocks: 1 }, Extent { start: 2, blocks: 2 }],
        ..replace(0, 0, 1)
    };
    let partition = |name, size: u64, content, operations| Partition {
        name,
        old: None,
        new: PartitionInfo { size, digest: digest(2) },
        content: PartitionInfo { size: content, digest: digest(3) },
        operations,
    };
    let usr = vec![replace(0, 0, 1), zero, replace(4096, 1, 1)];
    Manifest {
        release: Release {
            image: ImageName {
                id: "base".parse().unwrap(),
                version: "1.2".parse().unwrap(),
                architecture: Architecture::Arm64,
            },
            source_date: 1_700_000_000,
            root_hash: digest(4),
            verity: Parameters::new([5; 32], [6; 16]).unwrap(),
            version_floor: Some("1.0".parse().unwrap()),
            uki_file_name: "base_1.2.efi".to_owned(),
            old_root_hash: None,
        },
        partitions: [
            partition(PartitionName::Usr, 5 * BLOCK, 5 * BLOCK, usr),
            partition(PartitionName::Uki, 2 * BLOCK, 8096, vec![replace(8192, 0, 2)]),
        ],
        methods: Vec::new(),
        blobs_size: 4 * BLOCK,
        slots: 3,
    }
}

/// The same with a block of usr copied from an old one.
fn delta() -> Manifest {
    let mut manifest = sample();
    manifest.release.old_root_hash = Some(digest(7));
    let usr = &mut manifest.partitions[0];
    let info = PartitionInfo { size: 9 * BLOCK, digest: digest(8) };
    usr.old = Some(OldPartition { whole: info, content: info });
    usr.operations[1] = Operation {
        kind: OperationKind::SourceCopy,
        source: vec![Extent { start: 8, blocks: 1 }, Extent { start: 0, blocks: 2 }],
        source_digest: Some(digest(9)),
        ..usr.operations[1].clone()
    };
    manifest
}

type Raw = schema::DeltaArchiveManifest;
/// What a refusal says, and the change that is refused.
type Case = (&'static str, fn(&mut Raw));

/// Changes the message of a manifest, and returns why it is refused.
fn refusal(manifest: &Manifest, change: impl FnOnce(&mut Raw)) -> String {
    let mut message = Raw::decode(manifest.to_bytes().as_slice()).unwrap();
    change(&mut message);
    match Manifest::parse(&message.encode_to_vec()).unwrap_err() {
        PayloadError::Word { source } => source.to_string(),
        error => error.to_string(),
    }
}

#[test]
fn what_is_written_is_read() {
    for manifest in [sample(), delta()] {
        assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
    }
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let mut bytes = sample().to_bytes();
    // Field 15, dynamic_partition_metadata, empty; field 70,000, the number 1.
    bytes.extend([0x7a, 0, 0x80, 0x97, 0x22, 1]);
    assert_eq!(Manifest::parse(&bytes).unwrap(), sample());
}

#[test]
fn what_is_no_message_is_refused() {
    for bytes in [&[0xff; 20][..], &[0x6a, 0x7f], &sample().to_bytes()[..50]] {
        assert!(matches!(Manifest::parse(bytes), Err(PayloadError::Protobuf { .. })));
    }
    assert!(Manifest::parse(&[]).is_err());
    assert!(Manifest::parse(&vec![0; 9 << 20]).is_err());
}

#[test]
fn every_rule_of_the_head_is_kept() {
    let cases: [Case; 11] = [
        ("4096", |m| m.block_size = Some(512)),
        ("all partitions", |m| m.partial_update = Some(true)),
        ("two partitions", |m| m.partitions.truncate(1)),
        ("two partitions", |m| m.partitions.push(m.partitions[0].clone())),
        ("in this order", |m| m.partitions.swap(0, 1)),
        ("in this order", |m| m.partitions[1] = m.partitions[0].clone()),
        ("version 8", |m| m.minor_version = Some(7)),
        ("follow the last", |m| m.signatures_offset = Some(4 * BLOCK + 1)),
        ("follow the last", |m| m.signatures_offset = None),
        ("81", |m| m.signatures_size = Some(80)),
        ("81", |m| m.signatures_size = Some(81 * 65)),
    ];
    for (expected, change) in cases {
        let refused = refusal(&sample(), change);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}

#[test]
fn every_rule_of_the_release_is_kept() {
    fn release(message: &mut Raw) -> &mut schema::Release {
        message.release.as_mut().unwrap()
    }
    let cases: [Case; 13] = [
        ("there", |m| m.release = None),
        ("format", |m| release(m).format = Some(2)),
        ("image id", |m| release(m).image_id = Some("a_b".to_owned())),
        ("image version", |m| release(m).version = None),
        ("image version", |m| release(m).version_floor = Some("x".to_owned())),
        ("architecture", |m| release(m).architecture = Some("vax".to_owned())),
        ("root hash", |m| release(m).root_hash = Some(vec![0; 31])),
        ("16 bytes", |m| release(m).verity_uuid = Some(vec![0; 17])),
        ("256", |m| release(m).verity_salt = Some(vec![0; 257])),
        ("date", |m| m.max_timestamp = None),
        (".efi", |m| release(m).uki_file_name = Some("../a.efi".to_owned())),
        (".efi", |m| release(m).uki_file_name = Some("a+3.efi".to_owned())),
        (".efi", |m| release(m).uki_file_name = Some(".efi".to_owned())),
    ];
    for (expected, change) in cases {
        let refused = refusal(&sample(), change);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}

#[test]
fn every_rule_of_partitions_is_kept() {
    fn info(message: &mut Raw) -> &mut schema::PartitionInfo {
        message.partitions[0].new_partition_info.as_mut().unwrap()
    }
    fn content(message: &mut Raw) -> &mut schema::PartitionInfo {
        message.partitions[1].content_info.as_mut().unwrap()
    }
    let cases: [Case; 11] = [
        ("run", |m| m.partitions[1].run_postinstall = Some(true)),
        ("size in blocks", |m| info(m).size = Some(5 * BLOCK + 1)),
        ("size in blocks", |m| info(m).size = Some(u64::MAX)),
        ("size in blocks", |m| info(m).size = Some(0)),
        ("size in blocks", |m| info(m).hash = Some(vec![0; 20])),
        ("every block", |m| {
            info(m).size = Some(6 * BLOCK);
            m.partitions[0].content_info.as_mut().unwrap().size = Some(6 * BLOCK);
        }),
        ("last block", |m| content(m).size = Some(2 * BLOCK + 1)),
        ("last block", |m| content(m).size = Some(BLOCK)),
        ("last block", |m| m.partitions[1].content_info = None),
        ("every block", |m| m.partitions[0].operations[0] = m.partitions[0].operations[1].clone()),
        ("every block", |m| m.partitions[0].operations.clear()),
    ];
    for (expected, change) in cases {
        let refused = refusal(&sample(), change);
        let at_data = refused.contains("its data begins");
        assert!(refused.contains(expected) || at_data, "{expected}: {refused}");
    }
}

#[test]
fn every_rule_of_operations_is_kept() {
    fn operation(message: &mut Raw, index: usize) -> &mut schema::InstallOperation {
        &mut message.partitions[0].operations[index]
    }
    let cases: [Case; 17] = [
        ("type", |m| operation(m, 0).kind = None),
        ("type", |m| operation(m, 0).kind = Some(3)),
        ("at least one block", |m| operation(m, 0).dst_extents.clear()),
        ("of the partition", |m| operation(m, 0).dst_extents[0].start_block = Some(5)),
        ("of the partition", |m| operation(m, 0).dst_extents[0].start_block = Some(u64::MAX)),
        ("of the partition", |m| operation(m, 0).dst_extents[0].start_block = None),
        ("of the partition", |m| operation(m, 1).dst_extents[0].num_blocks = Some(u64::MAX)),
        ("of the partition", |m| operation(m, 1).dst_extents[0].num_blocks = Some(0)),
        ("every block", |m| operation(m, 1).dst_extents[0].start_block = Some(0)),
        ("data begins", |m| operation(m, 2).data_offset = Some(4095)),
        ("data begins", |m| operation(m, 2).data_offset = Some(0)),
        ("as much data", |m| operation(m, 2).data_length = Some(4095)),
        ("no more data", |m| operation(m, 0).data_length = Some(u64::MAX)),
        ("exactly if", |m| operation(m, 1).data_length = Some(1)),
        ("SHA-256", |m| operation(m, 0).data_sha256_hash = None),
        ("SHA-256", |m| operation(m, 1).data_sha256_hash = Some(vec![0; 32])),
        ("lengths", |m| operation(m, 0).dst_length = Some(1)),
    ];
    for (expected, change) in cases {
        let refused = refusal(&sample(), change);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}

#[test]
fn an_operation_writes_no_more_than_fits_memory() {
    let mut manifest = sample();
    let blocks = 1025;
    manifest.partitions[0].operations = vec![replace(0, 0, blocks)];
    manifest.partitions[0].new.size = blocks * BLOCK;
    manifest.partitions[0].content.size = blocks * BLOCK;
    manifest.partitions[1].operations[0].data_offset = blocks * BLOCK;
    manifest.blobs_size = (blocks + 2) * BLOCK;
    let refused = Manifest::parse(&manifest.to_bytes()).unwrap_err().to_string();
    assert!(refused.contains("4 MiB"), "{refused}");
}

#[test]
fn every_rule_of_deltas_is_kept() {
    fn copy(message: &mut Raw) -> &mut schema::InstallOperation {
        &mut message.partitions[0].operations[1]
    }
    let cases: [Case; 8] = [
        ("version 8", |m| m.release.as_mut().unwrap().old_root_hash = None),
        ("version 8", |m| m.minor_version = None),
        ("root hash", |m| m.release.as_mut().unwrap().old_root_hash = Some(Vec::new())),
        ("size in blocks", |m| m.partitions[0].old_partition_info = None),
        ("old partition", |m| copy(m).src_extents[0].start_block = Some(9)),
        ("reads the old", |m| copy(m).src_extents.clear()),
        ("as it copies", |m| copy(m).src_extents.truncate(1)),
        ("SHA-256", |m| copy(m).src_sha256_hash = None),
    ];
    for (expected, change) in cases {
        let refused = refusal(&delta(), change);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}
