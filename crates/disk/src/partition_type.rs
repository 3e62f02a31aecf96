use flagstone_artifact::Architecture;
use uuid::{Uuid, uuid};

/// A partition type that Flagstone's disks use (Discoverable Partitions Specification, UAPI.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionType {
    /// EFI system partition (UEFI 2.10, 5.3.3).
    Esp,
    /// GRUB's BIOS boot partition; its bytes spell `Hah!IdontNeedEFI`.
    BiosBoot,
    /// /usr of an architecture.
    Usr(Architecture),
    /// The dm-verity hash tree of a /usr.
    UsrVerity(Architecture),
    /// The root file system of an architecture.
    Root(Architecture),
    /// The dm-verity hash tree of a root file system.
    RootVerity(Architecture),
    /// The signature of such a tree's root hash.
    RootVeritySignature(Architecture),
    /// Any Linux data: mounted by nobody on its own.
    LinuxGeneric,
}

impl PartitionType {
    /// Returns the type's GUID.
    pub const fn guid(self) -> Uuid {
        match self {
            Self::Esp => uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
            Self::BiosBoot => uuid!("21686148-6449-6e6f-744e-656564454649"),
            Self::Usr(Architecture::X86_64) => uuid!("8484680c-9521-48c6-9c11-b0720656f69e"),
            Self::Usr(Architecture::Arm64) => uuid!("b0e01050-ee5f-4390-949a-9101b17104e9"),
            Self::UsrVerity(Architecture::X86_64) => uuid!("77ff5f63-e7b6-4633-acf4-1565b864c0e6"),
            Self::UsrVerity(Architecture::Arm64) => uuid!("6e11a4e7-fbca-4ded-b9e9-e1a512bb664e"),
            Self::Root(Architecture::X86_64) => uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
            Self::Root(Architecture::Arm64) => uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae"),
            Self::RootVerity(Architecture::X86_64) => uuid!("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
            Self::RootVerity(Architecture::Arm64) => uuid!("df3300ce-d69f-4c92-978c-9bfb0f38d820"),
            Self::RootVeritySignature(Architecture::X86_64) => {
                uuid!("41092b05-9fc8-4523-994f-2def0408b176")
            }
            Self::RootVeritySignature(Architecture::Arm64) => {
                uuid!("6db69de6-29f4-4758-a7a5-962190f00ce3")
            }
            Self::LinuxGeneric => uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"),
        }
    }
}
