use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_as_text};

/// A processor architecture that images are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

impl Architecture {
    /// All architectures.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// Returns the name in file names and recipes, as systemd writes it (`ConditionArchitecture=`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::Arm64 => "arm64",
        }
    }

    /// Returns Debian's name of the architecture (Policy 11.1).
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Returns Debian's multiarch tuple, the folder below `/usr/lib` that holds libraries.
    pub const fn multiarch(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// Returns the name that the kernel and Rust give it (`uname -m`).
    pub const fn processor(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Returns the suffix of UEFI file names (`BOOT<suffix>.EFI`; UEFI 2.10, table 3.5).
    pub const fn efi(self) -> &'static str {
        match self {
            Self::X86_64 => "x64",
            Self::Arm64 => "aa64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = ParseError;

    /// Parses the name, or Debian's (`amd64`).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|a| a.name() == text || a.debian() == text).ok_or_else(|| {
            ParseError {
                text: text.to_owned(),
                what: "an architecture",
                rule: "it is \"x86-64\" or \"arm64\"",
            }
        })
    }
}

serde_as_text!(Architecture);
