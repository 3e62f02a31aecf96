//! What the firmware starts: the initrd, the kernel's command line, the unified kernel image.
//!
//! The crate knows the formats that firmware, systemd-stub and kernel read: cpio archives as the
//! kernel unpacks them ([`write_cpio`]), command lines ([`KernelCommandLine`]), os-release
//! ([`OsRelease`]) and PE images with a kernel inside ([`build_uki`], [`Uki`]; UAPI.5). It must not
//! know about disks, partitions or where packages come from: it takes bytes and trees and gives
//! bytes.

mod cmdline;
mod cpio;
mod error;
mod initrd;
mod os_release;
mod pe;
mod uki;

pub use cmdline::{KernelArgument, KernelCommandLine, RootDevice};
pub use cpio::{cpio_parts, write_cpio};
pub use error::{CmdlineError, CpioError, OsReleaseError, PeError, UkiError};
pub use initrd::{
    ContentItem, ContentKind, ContentList, Initrd, InitrdError, InitrdRequest, build_initrd,
    netboot_part, release_part,
};
pub use os_release::OsRelease;
pub use uki::{
    ADDON_ROOM, EFI_DIR, INITRD_ALIGNMENT, Uki, UkiParts, UkiSection, addon_template, build_uki,
    write_uki,
};
