use super::answer::ProxySettings;
use crate::folder::Folders;

/// What starts a machine, for each kind of firmware: names in Debian's package `ipxe` first.
const BIOS: [&str; 2] = ["undionly.kpxe", "ipxe.pxe"];
const EFI_X86_64: [&str; 2] = ["ipxe.efi", "snponly.efi"];
const EFI_ARM64: [&str; 4] =
    ["ipxe-arm64.efi", "snponly-arm64.efi", "arm64-efi/ipxe.efi", "arm64-efi/snponly.efi"];

/// Finds the programs that are there.
pub(crate) fn find(folders: &Folders, settings: &mut ProxySettings) {
    let first = |names: &[&str]| {
        names.iter().find(|name| has(folders, name)).map(|name| (*name).to_owned())
    };
    settings.bios = first(&BIOS);
    settings.efi_x86_64 = first(&EFI_X86_64);
    settings.efi_arm64 = first(&EFI_ARM64);
}

/// Says which are not there.
pub(crate) fn missing(folders: &Folders) -> Vec<String> {
    let kinds: [(&str, &[&str]); 3] =
        [("BIOS", &BIOS), ("UEFI on x86-64", &EFI_X86_64), ("UEFI on arm64", &EFI_ARM64)];
    let missing =
        kinds.into_iter().filter(|(_, names)| !names.iter().any(|name| has(folders, name)));
    missing
        .map(|(kind, names)| {
            format!(
                "machines with {kind} cannot be started: no served folder has {} (Debian's package \
                 ipxe, or --ipxe DIR)",
                names.join(" or ")
            )
        })
        .collect()
}

fn has(folders: &Folders, name: &str) -> bool {
    name.parse().is_ok_and(|path| folders.open(&path).is_ok())
}
