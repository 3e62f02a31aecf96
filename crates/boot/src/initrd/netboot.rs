use flagstone_artifact::Sha256Digest;
use flagstone_tree::{Content, Inode, Metadata, Mtime, Tree};

use super::InitrdError;

/// Where systemd's units lie.
const UNITS: &str = "usr/lib/systemd/system";

/// Files of an initrd that carries /usr: path below the root, permissions, text.
const FILES: [(&str, u16, &str); 7] = [
    (
        "usr/lib/systemd/system/flagstone-usr.service",
        0o644,
        include_str!("../../assets/netboot/flagstone-usr.service"),
    ),
    (
        "usr/lib/systemd/system/sysroot-usr.mount",
        0o644,
        include_str!("../../assets/netboot/sysroot-usr.mount"),
    ),
    (
        "usr/lib/systemd/system/sysroot.mount",
        0o644,
        include_str!("../../assets/netboot/sysroot.mount"),
    ),
    (
        "usr/lib/systemd/system/flagstone-disk.service",
        0o644,
        include_str!("../../assets/netboot/flagstone-disk.service"),
    ),
    (
        "usr/lib/flagstone/netboot-system/flagstone-boot-complete.service",
        0o644,
        include_str!("../../assets/netboot/flagstone-boot-complete.service"),
    ),
    (
        "usr/lib/flagstone/initrd-root-disk",
        0o755,
        include_str!("../../assets/netboot/initrd-root-disk"),
    ),
    (
        "usr/lib/flagstone/netboot.repart.d/root.conf",
        0o644,
        include_str!("../../assets/netboot/root.conf"),
    ),
];

/// Which target requires which unit.
const REQUIRES: [(&str, &str); 3] = [
    ("initrd-root-fs.target", "sysroot.mount"),
    ("initrd-usr-fs.target", "sysroot-usr.mount"),
    ("initrd-fs.target", "sysroot-usr.mount"),
];

/// Returns what makes an initrd one that needs no disk: the usr image, its hash tree, and units that
/// open both by the root hash which is fixed in here, so that no argument on the command line can
/// name another. It goes behind the initrd of a disk, whose files of the same names it replaces.
///
/// # Errors
/// [`InitrdError::Tree`], never for these fixed paths.
pub fn netboot_part(
    root_hash: &Sha256Digest,
    usr: Content,
    hash_tree: Content,
    mtime: Mtime,
) -> Result<Tree, InitrdError> {
    let directory = Metadata::root(0o755, mtime);
    let mut tree = Tree::new(directory);
    let mut put =
        |path: &str, inode| tree.put(path, directory, inode).map(drop).map_err(InitrdError::Tree);
    for (path, mode, text) in FILES {
        let text = text.replace("@root-hash@", &root_hash.to_string());
        put(path, Inode::file(Metadata { mode, ..directory }, text))?;
    }
    for (target, unit) in REQUIRES {
        let link = Inode::symlink(mtime, format!("../{unit}"));
        put(&format!("{UNITS}/{target}.requires/{unit}"), link)?;
    }
    // For the system after the initrd: it keeps /run.
    let wants = "usr/lib/flagstone/netboot-system/basic.target.wants";
    let unit = "flagstone-boot-complete.service";
    put(&format!("{wants}/{unit}"), Inode::symlink(mtime, format!("../{unit}")))?;
    let image = Metadata { mode: 0o400, ..directory };
    put("usr.img", Inode::file(image, usr))?;
    put("usr.verity", Inode::file(image, hash_tree))?;
    Ok(tree)
}
