//! Disks: the GUID partition table, Flagstone's partition layout, the EFI system partition.
//!
//! [`Layout::plan`] turns sizes, a name and a root hash into a partition table, or says what does
//! not fit; [`build_esp`] makes the FAT32 file system of the ESP; [`write_disk`] puts both and the
//! other contents on a disk image, leaving holes for zeros; [`read_table`] reads a table back. All
//! plans are made before the first byte is written.
//!
//! The crate knows partition tables, partition types (Discoverable Partitions Specification,
//! UAPI.2), FAT32, and how kernel images on the ESP are named ([`BootEntry`]). It must not know what is inside the usr image, how the files of the ESP are
//! made, or where a disk image is kept: it writes to whatever can seek. It links no builder code,
//! since the agent uses it too. Nothing here reads a clock or makes up identifiers: those are
//! derived from a seed.
//!
//! Two libraries were weighed for this. [`gpt`] encodes and checks the table, entry by entry: its
//! own whole-table `write` moves entries together, which would make partition 9 partition 8. The
//! FAT32 writer is our own: `fatfs` 0.3.6 gives `.` and `..` long-name entries and lets the `..` of
//! a top directory point at cluster 2, which `fsck.vfat` reports as damage, and it takes its clock
//! only as a `'static` object. A file system that is written once, from a known list, needs no
//! allocator: every file is one run of clusters. `fatfs` reads it back instead ([`read_back`]): every
//! build proves its EFI system partition through a second implementation. [`EspReader`]
//! reads partitions of unknown origin and trusts nothing in them.

mod boot_entry;
mod content;
mod error;
mod esp;
mod esp_path;
mod esp_read;
mod extension;
mod fat_directory;
mod fat_geometry;
mod fat_plan;
mod fat_time;
mod grow;
mod identifier;
mod layout;
mod partition_type;
mod read_back;
mod rename;
mod role;
mod sparse;
mod stream;
mod table;
mod write;

pub use boot_entry::{BootCounter, BootEntry, NoBootEntry};
pub use content::Content;
pub use error::{DiskError, FatError};
pub use esp::{EspOptions, EspUse, build_esp, esp_fits};
pub use esp_path::EspPath;
pub use esp_read::{EspEntry, EspReader};
pub use extension::{ExtensionImage, write_extension};
pub use grow::{GrownTable, TABLE_START_BYTES, grow_table};
pub use identifier::slot_identifiers;
pub(crate) use layout::LABEL_MAX;
pub use layout::{
    EMPTY_LABEL, HEAD_ROOM_PERCENT, Layout, LayoutRequest, Partition, PartitionSizes,
    verity_tree_bytes,
};
pub use partition_type::PartitionType;
pub use read_back::read_back;
pub use rename::{PartitionName, rename_partitions};
pub use role::Role;
pub use sparse::SparseImage;
pub use stream::{Piece, stream_disk};
pub use table::{DiskTable, TableEntry, read_table};
pub use write::write_disk;
