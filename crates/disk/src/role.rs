use std::fmt;

/// What a partition of a Flagstone disk is for; in the order in which they lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The EFI system partition: loader and kernel images.
    Esp,
    /// Room for a BIOS loader's second stage; reserved.
    BiosBoot,
    /// Slot A's /usr.
    UsrA,
    /// The hash tree of slot A.
    VerityA,
    /// Slot B's /usr.
    UsrB,
    /// The hash tree of slot B.
    VerityB,
    /// What the machine's vendor or platform adds: platform id, Ignition configuration.
    Oem,
    /// All state; formatted and grown at first boot.
    Root,
}

impl Role {
    /// All roles, in disk order.
    pub const ALL: [Self; 8] = [
        Self::Esp,
        Self::BiosBoot,
        Self::UsrA,
        Self::VerityA,
        Self::UsrB,
        Self::VerityB,
        Self::Oem,
        Self::Root,
    ];

    /// Returns the partition's number in the table.
    ///
    /// ROOT is 9, as on Container Linux; 8 stays free.
    pub const fn number(self) -> u32 {
        match self {
            Self::Esp => 1,
            Self::BiosBoot => 2,
            Self::UsrA => 3,
            Self::VerityA => 4,
            Self::UsrB => 5,
            Self::VerityB => 6,
            Self::Oem => 7,
            Self::Root => 9,
        }
    }

    /// Returns the word used in messages: `esp`, `usr`, `verity`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esp => "esp",
            Self::BiosBoot => "bios-boot",
            Self::UsrA => "usr (slot A)",
            Self::VerityA => "verity (slot A)",
            Self::UsrB => "usr (slot B)",
            Self::VerityB => "verity (slot B)",
            Self::Oem => "oem",
            Self::Root => "root",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
