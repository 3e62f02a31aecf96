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
            Self::LinuxGeneric => uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"),
        }
    }
}
