use std::fmt;

/// How far a boot came, in the order in which a machine goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// UEFI firmware, until it starts something from the disk.
    Firmware,
    /// systemd-boot and the stub of the kernel image, until the kernel speaks.
    Loader,
    /// The kernel, until it starts the initrd.
    Kernel,
    /// The initrd, where nothing says more.
    Initrd,
    /// Opening /usr by dm-verity and mounting it; later, any block that is not what it was.
    Verity,
    /// A stage of Ignition, or what decides about it.
    Ignition,
    /// Making, checking and mounting ROOT, and /etc on it.
    Root,
    /// The system itself: its units, until boot-complete.target.
    Unit,
}

impl Stage {
    /// Returns its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Loader => "loader",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Verity => "verity",
            Self::Ignition => "Ignition",
            Self::Root => "root",
            Self::Unit => "unit",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
