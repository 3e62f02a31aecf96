use std::io::{self, Read, Seek, SeekFrom, Write};

use flagstone_artifact::{Architecture, Sha256Digest};

use crate::identifier::derive;
use crate::layout::{ALIGNMENT, READ_ONLY};
use crate::table::{SECTOR, write_table};
use crate::{DiskError, DiskTable, LABEL_MAX, PartitionType, TableEntry, slot_identifiers};

/// Partitions end at multiples of this, in bytes: the block size of what is in them.
const BLOCK: u64 = 4096;

/// How long the signature's partition is at least, in bytes: as systemd-repart makes it.
const SIGNATURE_BYTES: u64 = 16 << 10;

/// What a system extension's image is made of (Discoverable Disk Image, UAPI.3).
#[derive(Clone, Copy, Debug)]
pub struct ExtensionImage<'a> {
    /// The machines it is for.
    pub architecture: Architecture,
    /// What the partitions are called; the first as this, the others with an ending.
    pub label: &'a str,
    /// The root hash of the file system.
    pub root_hash: Sha256Digest,
    /// Length of the file system.
    pub data_bytes: u64,
    /// Its hash tree, superblock included.
    pub tree: &'a [u8],
    /// The signature of the root hash as JSON, if it is signed; without, systemd takes no notice of the tree.
    pub signature: Option<&'a str>,
    /// What the disk's identifier is derived from.
    pub seed: &'a [u8],
}

/// Writes an image with a partition for the file system (of the type of root file systems, with `usr` inside,
/// as systemd-sysext wants it), one for the hash tree and one for its signature. The identifiers of the first
/// two are the halves of the root hash.
///
/// # Errors
/// [`DiskError::Label`], [`DiskError::ExtensionLength`], [`DiskError::Write`], [`DiskError::WriteTable`].
pub fn write_extension<D: Read + Write + Seek>(
    image: &ExtensionImage<'_>,
    data: impl Read,
    disk: &mut D,
) -> Result<(), DiskError> {
    let (table, size_bytes) = plan(image)?;
    write_table(&table, size_bytes, disk)?;
    let at = |number: usize| table.entries[number].offset_bytes;
    let expected_bytes = image.data_bytes;
    let copied = disk
        .seek(SeekFrom::Start(at(0)))
        .and_then(|_| io::copy(&mut data.take(expected_bytes + 1), disk))
        .map_err(|source| DiskError::Write { offset: at(0), source })?;
    if copied != expected_bytes {
        return Err(DiskError::ExtensionLength { expected_bytes, actual_bytes: copied });
    }
    let mut write = |offset, bytes: &[u8]| {
        let write = disk.seek(SeekFrom::Start(offset)).and_then(|_| disk.write_all(bytes));
        write.map_err(|source| DiskError::Write { offset, source })
    };
    write(at(1), image.tree)?;
    if let Some(signature) = image.signature {
        write(at(2), signature.as_bytes())?;
    }
    disk.flush().map_err(|source| DiskError::Write { offset: size_bytes, source })
}

/// Plans the partitions; returns the size of the whole, too.
fn plan(image: &ExtensionImage<'_>) -> Result<(DiskTable, u64), DiskError> {
    let ExtensionImage { architecture, label, root_hash, data_bytes, tree, signature, seed } =
        image;
    let (data_guid, tree_guid) = slot_identifiers(root_hash);
    let signature_guid = derive(seed, "extension signature");
    let kind = PartitionType::Root(*architecture);
    let mut wanted = vec![
        ((*label).to_owned(), kind, data_guid, *data_bytes),
        (
            format!("{label}-verity"),
            PartitionType::RootVerity(*architecture),
            tree_guid,
            tree.len() as u64,
        ),
    ];
    if let Some(signature) = signature {
        let kind = PartitionType::RootVeritySignature(*architecture);
        let size = (signature.len() as u64).max(SIGNATURE_BYTES);
        wanted.push((format!("{label}-verity-sig"), kind, signature_guid, size));
    }
    let mut offset_bytes = ALIGNMENT;
    let mut entries = Vec::with_capacity(wanted.len());
    for (number, (label, kind, guid, size)) in (1..).zip(wanted) {
        if label.encode_utf16().count() > LABEL_MAX {
            return Err(DiskError::Label { label });
        }
        let size_bytes = size.next_multiple_of(BLOCK);
        entries.push(TableEntry {
            number,
            label,
            type_guid: kind.guid(),
            guid,
            attributes: READ_ONLY,
            offset_bytes,
            size_bytes,
        });
        offset_bytes = (offset_bytes + size_bytes).next_multiple_of(ALIGNMENT);
    }
    let end = entries.last().map_or(0, |last| last.offset_bytes + last.size_bytes);
    // The backup table: 32 sectors of entries and a header.
    let size_bytes = (end + 33 * SECTOR).next_multiple_of(BLOCK);
    Ok((DiskTable { disk_guid: derive(seed, "extension"), entries }, size_bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::read_table;

    fn image<'a>(tree: &'a [u8], signature: Option<&'a str>) -> ExtensionImage<'a> {
        ExtensionImage {
            architecture: Architecture::X86_64,
            label: "docker_1.2",
            root_hash: Sha256Digest::of(b"data"),
            data_bytes: 10_000,
            tree,
            signature,
            seed: b"seed",
        }
    }

    fn written(image: &ExtensionImage<'_>, data: &[u8]) -> Result<Vec<u8>, DiskError> {
        let mut disk = Cursor::new(Vec::new());
        write_extension(image, data, &mut disk).map(|()| disk.into_inner())
    }

    #[test]
    fn three_partitions_hold_data_tree_and_signature() {
        let (data, tree) = (vec![7; 10_000], vec![8; 8192]);
        let disk = written(&image(&tree, Some("{\"rootHash\"}")), &data).unwrap();
        let table = read_table(&mut Cursor::new(&disk)).unwrap();
        let hash = Sha256Digest::of(b"data").to_string();
        let ids: Vec<String> =
            table.entries.iter().map(|entry| entry.guid.simple().to_string()).collect();
        assert_eq!(ids[..2], [&hash[..32], &hash[32..]]);
        let labels: Vec<&str> = table.entries.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(labels, ["docker_1.2", "docker_1.2-verity", "docker_1.2-verity-sig"]);
        let part = |number: usize| {
            let entry = &table.entries[number];
            let start = usize::try_from(entry.offset_bytes).unwrap();
            &disk[start..start + usize::try_from(entry.size_bytes).unwrap()]
        };
        assert_eq!(part(0)[..10_000], data);
        assert!(part(0)[10_000..].iter().all(|&byte| byte == 0));
        assert_eq!(part(1), tree);
        assert!(part(2).starts_with(b"{\"rootHash\"}\0") && part(2).len() == 16 << 10);
    }

    #[test]
    fn data_of_another_length_is_refused_and_so_is_a_long_name() {
        for length in [0, 9_999, 10_001] {
            let error = written(&image(&[1; 4096], None), &vec![0; length]).unwrap_err();
            assert!(matches!(error, DiskError::ExtensionLength { .. }), "{error}");
        }
        let label = "x".repeat(30);
        let long = ExtensionImage { label: &label, ..image(&[1; 4096], Some("{}")) };
        assert!(matches!(written(&long, &[0; 10_000]), Err(DiskError::Label { .. })));
    }
}
