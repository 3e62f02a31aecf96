//! The messages of `update_engine`'s schema (`update_metadata.proto`, package
//! `chromeos_update_engine`), as far as Flagstone writes them, and its own fields, whose numbers
//! begin with 60,000. A reader that knows the published schema passes own fields over.

use prost::Message;

/// Types of operations, field 1 of `InstallOperation`.
pub(crate) mod kind {
    pub(crate) const REPLACE: u32 = 0;
    pub(crate) const SOURCE_COPY: u32 = 4;
    pub(crate) const ZERO: u32 = 6;
    pub(crate) const REPLACE_XZ: u32 = 8;
    /// Android's number; Chromium OS gave 11 to the same thing, which is another one in Android.
    pub(crate) const REPLACE_ZSTD: u32 = 14;
    /// Own.
    pub(crate) const PATCH: u32 = 60_000;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeltaArchiveManifest {
    #[prost(uint32, optional, tag = "3")]
    pub(crate) block_size: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) signatures_offset: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) signatures_size: Option<u64>,
    #[prost(uint32, optional, tag = "12")]
    pub(crate) minor_version: Option<u32>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) partitions: Vec<PartitionUpdate>,
    #[prost(int64, optional, tag = "14")]
    pub(crate) max_timestamp: Option<i64>,
    #[prost(bool, optional, tag = "16")]
    pub(crate) partial_update: Option<bool>,
    #[prost(message, optional, tag = "60000")]
    pub(crate) release: Option<Release>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartitionUpdate {
    #[prost(string, optional, tag = "1")]
    pub(crate) partition_name: Option<String>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) run_postinstall: Option<bool>,
    #[prost(message, optional, tag = "6")]
    pub(crate) old_partition_info: Option<PartitionInfo>,
    #[prost(message, optional, tag = "7")]
    pub(crate) new_partition_info: Option<PartitionInfo>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) operations: Vec<InstallOperation>,
    #[prost(string, optional, tag = "17")]
    pub(crate) version: Option<String>,
    /// The file in the partition, without the zeros that fill its last block.
    #[prost(message, optional, tag = "60000")]
    pub(crate) content_info: Option<PartitionInfo>,
    /// The same of what the partition holds before.
    #[prost(message, optional, tag = "60001")]
    pub(crate) old_content_info: Option<PartitionInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartitionInfo {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) size: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) hash: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InstallOperation {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) kind: Option<u32>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) data_offset: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) data_length: Option<u64>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) src_extents: Vec<Extent>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) src_length: Option<u64>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) dst_extents: Vec<Extent>,
    #[prost(uint64, optional, tag = "7")]
    pub(crate) dst_length: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(crate) data_sha256_hash: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(crate) src_sha256_hash: Option<Vec<u8>>,
    /// Of a patch: bytes of the old content, decompressed.
    #[prost(uint64, optional, tag = "60000")]
    pub(crate) old_length: Option<u64>,
    /// Of a patch: bytes of the new content, before it is compressed.
    #[prost(uint64, optional, tag = "60001")]
    pub(crate) new_length: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Extent {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) start_block: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) num_blocks: Option<u64>,
}

/// Own: what is released.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Release {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) format: Option<u32>,
    #[prost(string, optional, tag = "2")]
    pub(crate) image_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) version: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) architecture: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) root_hash: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(crate) verity_salt: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(crate) verity_uuid: Option<Vec<u8>>,
    #[prost(string, optional, tag = "8")]
    pub(crate) version_floor: Option<String>,
    #[prost(string, optional, tag = "9")]
    pub(crate) uki_file_name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(crate) old_root_hash: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) methods: Vec<Method>,
}

/// Own: how a delta's content is compressed where it is applied.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Method {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) compressor: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) level: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(crate) cluster_bytes: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) library_version: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub(crate) image_format: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags that a change would silently break: number and wire type of every published field.
    #[test]
    fn the_wire_format_is_the_published_one() {
        let operation = InstallOperation {
            kind: Some(8),
            data_offset: Some(1),
            data_length: Some(2),
            src_extents: vec![Extent { start_block: Some(3), num_blocks: Some(4) }],
            src_length: Some(5),
            dst_extents: vec![Extent { start_block: Some(6), num_blocks: Some(7) }],
            dst_length: Some(8),
            data_sha256_hash: Some(vec![9]),
            src_sha256_hash: Some(vec![10]),
            old_length: None,
            new_length: None,
        };
        assert_eq!(
            operation.encode_to_vec(),
            [
                0x08, 8, 0x10, 1, 0x18, 2, 0x22, 4, 0x08, 3, 0x10, 4, 0x28, 5, 0x32, 4, 0x08, 6,
                0x10, 7, 0x38, 8, 0x42, 1, 9, 0x4a, 1, 10
            ]
        );
        let info = Some(PartitionInfo { size: Some(1), hash: Some(vec![2]) });
        let partition = PartitionUpdate {
            partition_name: Some("a".to_owned()),
            run_postinstall: Some(true),
            old_partition_info: info.clone(),
            new_partition_info: info.clone(),
            operations: vec![InstallOperation::default()],
            version: Some("v".to_owned()),
            content_info: None,
            old_content_info: None,
        };
        assert_eq!(
            partition.encode_to_vec(),
            [
                0x0a, 1, b'a', 0x10, 1, 0x32, 5, 0x08, 1, 0x12, 1, 2, 0x3a, 5, 0x08, 1, 0x12, 1, 2,
                0x42, 0, 0x8a, 1, 1, b'v'
            ]
        );
        let manifest = DeltaArchiveManifest {
            block_size: Some(1),
            signatures_offset: Some(2),
            signatures_size: Some(3),
            minor_version: Some(4),
            partitions: vec![PartitionUpdate::default()],
            max_timestamp: Some(5),
            partial_update: Some(true),
            release: None,
        };
        assert_eq!(
            manifest.encode_to_vec(),
            [0x18, 1, 0x20, 2, 0x28, 3, 0x60, 4, 0x6a, 0, 0x70, 5, 0x80, 1, 1]
        );
    }
}
