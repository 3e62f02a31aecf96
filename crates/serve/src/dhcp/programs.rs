use std::net::Ipv4Addr;

use super::answer::{ProxySettings, labels_for_http};
use super::packet::DhcpPacket;
use crate::boot_set;
use crate::config::HttpBoot;
use crate::folder::Folders;
use crate::plan::Plan;

/// What starts a machine, for each kind of firmware: names in Debian's package `ipxe` first.
const BIOS: [&str; 2] = ["undionly.kpxe", "ipxe.pxe"];
const EFI_X86_64: [&str; 2] = ["ipxe.efi", "snponly.efi"];
const EFI_ARM64: [&str; 4] =
    ["ipxe-arm64.efi", "snponly-arm64.efi", "arm64-efi/ipxe.efi", "arm64-efi/snponly.efi"];

/// Finds the programs that are there.
pub(crate) fn find(
    folders: &Folders,
    address: Ipv4Addr,
    base: String,
    http_boot: HttpBoot,
) -> ProxySettings {
    let first = |names: &[&str]| {
        let found = names.iter().find(|name| has(folders, name));
        found.map(|name| (*name).to_owned())
    };
    ProxySettings {
        address,
        base,
        bios: first(&BIOS),
        efi_x86_64: first(&EFI_X86_64),
        efi_arm64: first(&EFI_ARM64),
        http_boot,
    }
}

/// Returns the UKI that a machine with UEFI boots by HTTP, as far as its request says who it is.
pub(crate) fn uki(plan: &Plan, request: &DhcpPacket) -> Option<String> {
    let labels = labels_for_http(request)?;
    let (_, profile) = plan.find(&labels).ok()?;
    let uki = profile.uki.as_ref()?;
    let stem = uki.name().strip_suffix(".pxe.efi").unwrap_or_default();
    let fits = boot_set::architecture(stem).is_none_or(|of_uki| Some(of_uki) == labels.get("arch"));
    fits.then(|| uki.as_str().to_owned())
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
