use flagstone_artifact::{ImageName, Sha256Digest};
use uuid::Uuid;

use crate::identifier::{derive, slot_identifiers};
use crate::{DiskError, DiskTable, PartitionType, Role, TableEntry};

/// Partitions start and end at multiples of this, in bytes.
pub(crate) const ALIGNMENT: u64 = 1 << 20;
/// The size of BIOS-BOOT, in bytes.
const BIOS_BOOT_BYTES: u64 = 1 << 20;
/// The label of a slot that holds no image: systemd takes such a partition for absent.
pub const EMPTY_LABEL: &str = "_empty";
/// The longest label of a partition, in UTF-16 units (UEFI 2.10, table 5.6).
pub(crate) const LABEL_MAX: usize = 36;
/// The largest disk, in bytes: sector counts stay exact and sums cannot overflow.
const DISK_MAX: u64 = 1 << 50;
/// Block and digest size of the hash tree, in bytes (dm-verity with SHA-256).
const VERITY_BLOCK: u64 = 4096;
const VERITY_DIGEST: u64 = 32;

/// The part of a usr slot that ought to stay free for later releases, in percent of the image.
pub const HEAD_ROOM_PERCENT: u8 = 10;

/// "Grow the file system to the partition's size when it is mounted" (UAPI.2, partition flags).
const GROW_FILE_SYSTEM: u64 = 1 << 59;
/// "Mount read-only" (the same).
pub(crate) const READ_ONLY: u64 = 1 << 60;
/// "Do not discover this partition" (the same).
const NO_AUTO: u64 = 1 << 63;

/// How large the partitions should be, in bytes; each is rounded up to 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSizes {
    /// The EFI system partition.
    pub esp_bytes: u64,
    /// One usr slot.
    pub usr_bytes: u64,
    /// One hash tree; [`verity_tree_bytes`] of `usr_bytes` is always enough.
    pub verity_bytes: u64,
    /// OEM.
    pub oem_bytes: u64,
    /// ROOT, before it grows.
    pub root_bytes: u64,
    /// How much larger than the image the usr slot must be, in percent of the image.
    pub head_room_percent: u8,
}

/// What [`Layout::plan`] plans for.
#[derive(Clone, Copy, Debug)]
pub struct LayoutRequest<'a> {
    /// The release in slot A.
    pub name: &'a ImageName,
    /// The root hash of its usr image.
    pub root_hash: Sha256Digest,
    /// Length of its usr image.
    pub usr_image_bytes: u64,
    /// Length of its hash tree.
    pub verity_image_bytes: u64,
    /// How large the partitions should be.
    pub sizes: PartitionSizes,
    /// What all other identifiers are derived from; the same seed gives the same disk.
    pub seed: &'a [u8],
}

/// One planned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for; gives its number.
    pub role: Role,
    /// Its GPT label.
    pub label: String,
    /// Its type.
    pub kind: PartitionType,
    /// Its identifier (PARTUUID).
    pub guid: Uuid,
    /// Its attribute bits.
    pub attributes: u64,
    /// Where it starts on the disk, in bytes.
    pub offset_bytes: u64,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// The partition table of a disk with a release in slot A and nothing in slot B.
///
/// The identifiers of slot A are the two halves of the root hash: `usrhash=` on the kernel's
/// command line then finds both partitions. systemd compares a half with the PARTUUID byte by byte
/// in the order in which each is written as text (`sd_id128_t`), so the text of the identifier is
/// the hash's hexadecimal digits with dashes put in. On the disk the first three groups are stored
/// little-endian, as GPT stores every GUID; the `gpt` crate does that.
///
/// Attributes (UAPI.2): usr and verity are read-only, ROOT grows its file system. OEM is generic
/// Linux data and marked no-auto, or tools that find no better root would take it for one. Slot B
/// has the label `_empty`, by which systemd knows that there is nothing to find; its other
/// attributes are those of slot A, so that an update has only names to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    disk_guid: Uuid,
    size_bytes: u64,
    partitions: Vec<Partition>,
}

impl Layout {
    /// Plans a disk. Does not write anything.
    ///
    /// # Errors
    /// [`DiskError::SlotTooSmall`] if the image leaves no head room or the verity slot could not
    /// hold the hash tree of a full usr slot; [`DiskError::Empty`], [`DiskError::TooLarge`],
    /// [`DiskError::Label`].
    pub fn plan(request: &LayoutRequest<'_>) -> Result<Self, DiskError> {
        check_slots(request)?;
        let mut partitions = Vec::with_capacity(Role::ALL.len());
        let mut offset_bytes = ALIGNMENT;
        for role in Role::ALL {
            let partition = Self::plan_partition(request, role, offset_bytes)?;
            offset_bytes += partition.size_bytes;
            if offset_bytes > DISK_MAX {
                return Err(DiskError::TooLarge);
            }
            partitions.push(partition);
        }
        let disk_guid = derive(request.seed, "disk");
        // The backup table needs 33 sectors; the rest of the MiB keeps the size round.
        Ok(Self { disk_guid, size_bytes: offset_bytes + ALIGNMENT, partitions })
    }

    fn plan_partition(
        request: &LayoutRequest<'_>,
        role: Role,
        offset_bytes: u64,
    ) -> Result<Partition, DiskError> {
        let architecture = request.name.architecture;
        let sizes = &request.sizes;
        let (usr_guid, verity_guid) = slot_identifiers(&request.root_hash);
        let derived = || derive(request.seed, role.name());
        let usr = PartitionType::Usr(architecture);
        let verity = PartitionType::UsrVerity(architecture);
        let (label, kind, guid, attributes, size) = match role {
            Role::Esp => ("EFI-SYSTEM".into(), PartitionType::Esp, derived(), 0, sizes.esp_bytes),
            Role::BiosBoot => {
                ("BIOS-BOOT".into(), PartitionType::BiosBoot, derived(), 0, BIOS_BOOT_BYTES)
            }
            Role::UsrA => (request.name.usr_label(), usr, usr_guid, READ_ONLY, sizes.usr_bytes),
            Role::VerityA => {
                (request.name.verity_label(), verity, verity_guid, READ_ONLY, sizes.verity_bytes)
            }
            Role::UsrB => (EMPTY_LABEL.into(), usr, derived(), READ_ONLY, sizes.usr_bytes),
            Role::VerityB => (EMPTY_LABEL.into(), verity, derived(), READ_ONLY, sizes.verity_bytes),
            Role::Oem => {
                ("OEM".into(), PartitionType::LinuxGeneric, derived(), NO_AUTO, sizes.oem_bytes)
            }
            Role::Root => {
                let kind = PartitionType::Root(architecture);
                ("ROOT".into(), kind, derived(), GROW_FILE_SYSTEM, sizes.root_bytes)
            }
        };
        if label.encode_utf16().count() > LABEL_MAX {
            return Err(DiskError::Label { label });
        }
        let size_bytes = aligned(size)?;
        if size_bytes == 0 {
            return Err(DiskError::Empty(role));
        }
        Ok(Partition { role, label, kind, guid, attributes, offset_bytes, size_bytes })
    }

    /// Returns the disk's identifier.
    pub fn disk_guid(&self) -> Uuid {
        self.disk_guid
    }

    /// Returns the size of the whole disk: the partitions with 1 MiB before and after them.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the partitions in disk order.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Returns the partition for a role.
    ///
    /// # Panics
    /// Never: a layout has every role.
    pub fn partition(&self, role: Role) -> &Partition {
        self.partitions.iter().find(|p| p.role == role).expect("a layout has every role")
    }

    /// Returns the partition table of the disk.
    pub(crate) fn table(&self) -> DiskTable {
        let entry = |partition: &Partition| TableEntry {
            number: partition.role.number(),
            label: partition.label.clone(),
            type_guid: partition.kind.guid(),
            guid: partition.guid,
            attributes: partition.attributes,
            offset_bytes: partition.offset_bytes,
            size_bytes: partition.size_bytes,
        };
        DiskTable {
            disk_guid: self.disk_guid,
            entries: self.partitions.iter().map(entry).collect(),
        }
    }

    /// Returns a serial number for the ESP's file system that goes with its identifier.
    pub fn esp_volume_id(&self) -> u32 {
        self.partition(Role::Esp).guid.as_fields().0
    }
}

/// Returns the size of the hash tree of `data_bytes` of data, superblock included: SHA-256 over
/// blocks of 4,096 bytes, as `veritysetup format` makes it.
pub fn verity_tree_bytes(data_bytes: u64) -> u64 {
    let mut blocks = data_bytes.div_ceil(VERITY_BLOCK);
    let mut tree_blocks = 1;
    while blocks > 1 {
        blocks = blocks.div_ceil(VERITY_BLOCK / VERITY_DIGEST);
        tree_blocks += blocks;
    }
    tree_blocks * VERITY_BLOCK
}

fn check_slots(request: &LayoutRequest<'_>) -> Result<(), DiskError> {
    let LayoutRequest { sizes, usr_image_bytes, verity_image_bytes, .. } = request;
    let usr_slot = aligned(sizes.usr_bytes)?;
    let percent = sizes.head_room_percent;
    let head_room = bounded(*usr_image_bytes)? * u64::from(percent) / 100;
    let needed_bytes = aligned(usr_image_bytes + head_room)?;
    if usr_slot < needed_bytes {
        return Err(DiskError::SlotTooSmall {
            partition: "usr",
            what: format!("the usr image with {percent} % head room"),
            size_bytes: usr_slot,
            needed_bytes,
        });
    }
    let needed_bytes = aligned(verity_tree_bytes(usr_slot).max(*verity_image_bytes))?;
    let size_bytes = aligned(sizes.verity_bytes)?;
    if size_bytes < needed_bytes {
        return Err(DiskError::SlotTooSmall {
            partition: "verity",
            what: "the hash tree of a full usr slot".to_owned(),
            size_bytes,
            needed_bytes,
        });
    }
    Ok(())
}

fn bounded(size: u64) -> Result<u64, DiskError> {
    if size > DISK_MAX { Err(DiskError::TooLarge) } else { Ok(size) }
}

fn aligned(size: u64) -> Result<u64, DiskError> {
    Ok(bounded(size)?.next_multiple_of(ALIGNMENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flagstone_artifact::Architecture;

    const MIB: u64 = 1 << 20;
    const SIZES: PartitionSizes = PartitionSizes {
        esp_bytes: 128 * MIB,
        usr_bytes: 100 * MIB,
        verity_bytes: MIB,
        oem_bytes: 8 * MIB,
        root_bytes: 64 * MIB,
        head_room_percent: 10,
    };

    fn name(architecture: Architecture) -> ImageName {
        ImageName { id: "base".parse().unwrap(), version: "1.2".parse().unwrap(), architecture }
    }

    fn plan(sizes: PartitionSizes, usr_image_bytes: u64) -> Result<Layout, DiskError> {
        Layout::plan(&LayoutRequest {
            name: &name(Architecture::X86_64),
            root_hash: Sha256Digest::of(b"usr"),
            usr_image_bytes,
            verity_image_bytes: verity_tree_bytes(usr_image_bytes),
            sizes,
            seed: b"seed",
        })
    }

    #[test]
    fn partitions_follow_each_other_in_whole_mebibytes() {
        let layout = plan(PartitionSizes { oem_bytes: 1, ..SIZES }, 50 * MIB).unwrap();
        let mut end = MIB;
        for partition in layout.partitions() {
            assert_eq!(partition.offset_bytes, end);
            assert_eq!(partition.size_bytes % MIB, 0);
            end += partition.size_bytes;
        }
        assert_eq!(layout.size_bytes(), end + MIB);
        assert_eq!(layout.partition(Role::Oem).size_bytes, MIB);
        let numbers: Vec<u32> = layout.partitions().iter().map(|p| p.role.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn slot_a_is_named_after_the_release_and_its_root_hash() {
        let layout = plan(SIZES, 50 * MIB).unwrap();
        let hash = Sha256Digest::of(b"usr").to_string();
        let usr = layout.partition(Role::UsrA);
        let verity = layout.partition(Role::VerityA);
        assert_eq!((usr.label.as_str(), verity.label.as_str()), ("base_1.2", "base_1.2_verity"));
        assert_eq!(usr.guid.simple().to_string(), hash[..32]);
        assert_eq!(verity.guid.simple().to_string(), hash[32..]);
        assert_eq!(layout.partition(Role::UsrB).label, "_empty");
        assert_eq!(layout.partition(Role::UsrB).kind, usr.kind);
    }

    #[test]
    fn every_identifier_is_different_and_follows_the_seed() {
        let layout = plan(SIZES, 50 * MIB).unwrap();
        let mut guids: Vec<Uuid> = layout.partitions().iter().map(|p| p.guid).collect();
        guids.push(layout.disk_guid());
        guids.sort();
        guids.dedup();
        assert_eq!(guids.len(), 9);
        assert_eq!(layout, plan(SIZES, 50 * MIB).unwrap());
    }

    #[test]
    fn an_image_without_head_room_is_refused_with_the_size_that_would_do() {
        assert!(plan(SIZES, 90 * MIB).is_ok());
        let Err(DiskError::SlotTooSmall { partition, needed_bytes, .. }) = plan(SIZES, 91 * MIB)
        else {
            panic!("91 MiB and 10 % are more than 100 MiB");
        };
        assert_eq!((partition, needed_bytes), ("usr", 101 * MIB));
    }

    #[test]
    fn a_verity_slot_must_hold_the_tree_of_a_full_usr_slot() {
        let sizes = PartitionSizes { usr_bytes: 200 * MIB, ..SIZES };
        let Err(DiskError::SlotTooSmall { partition, needed_bytes, .. }) = plan(sizes, MIB) else {
            panic!("1 MiB holds the tree of 126 MiB");
        };
        assert_eq!((partition, needed_bytes), ("verity", 2 * MIB));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let huge = PartitionSizes { root_bytes: u64::MAX, ..SIZES };
        assert!(matches!(plan(huge, MIB), Err(DiskError::TooLarge)));
        assert!(matches!(plan(SIZES, u64::MAX), Err(DiskError::TooLarge)));
        let none = PartitionSizes { root_bytes: 0, ..SIZES };
        assert!(matches!(plan(none, MIB), Err(DiskError::Empty(Role::Root))));
    }

    #[test]
    fn tree_sizes_are_those_of_veritysetup() {
        // One superblock, then 128 digests a block on each level.
        for (data_blocks, tree_blocks) in [(1, 1), (2, 2), (128, 2), (129, 4), (128 * 128, 130)] {
            assert_eq!(verity_tree_bytes(data_blocks * 4096), tree_blocks * 4096, "{data_blocks}");
        }
    }
}
