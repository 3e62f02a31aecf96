/// A file that Flagstone itself puts into the initrd.
pub(super) struct OwnFile {
    pub(super) path: &'static str,
    pub(super) mode: u16,
    pub(super) text: &'static str,
}

pub(super) const OWN_FILES: [OwnFile; 6] = [
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-disk.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-disk.service"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-sysroot.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-sysroot.service"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/emergency.service.d/50-flagstone.conf",
        mode: 0o644,
        text: include_str!("../../assets/emergency.conf"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-disk",
        mode: 0o755,
        text: include_str!("../../assets/initrd-disk"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-sysroot",
        mode: 0o755,
        text: include_str!("../../assets/initrd-sysroot"),
    },
    OwnFile {
        path: "usr/lib/flagstone/repart.d/root.conf",
        mode: 0o644,
        text: include_str!("../../assets/root.conf"),
    },
];

/// Links of the initrd: path and target.
pub(super) const OWN_LINKS: [(&str, &str); 10] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("init", "usr/lib/systemd/systemd"),
    ("etc/os-release", "initrd-release"),
    ("usr/bin/sh", "bash"),
    ("usr/lib/systemd/system/default.target", "initrd.target"),
    (
        "usr/lib/systemd/system/initrd-root-device.target.requires/flagstone-disk.service",
        "../flagstone-disk.service",
    ),
    (
        "usr/lib/systemd/system/initrd-fs.target.requires/flagstone-sysroot.service",
        "../flagstone-sysroot.service",
    ),
];

/// Directories that the kernel and systemd mount over or write to.
pub(super) const OWN_DIRECTORIES: [&str; 10] =
    ["dev", "etc", "proc", "root", "run", "sys", "sysroot", "tmp", "usr/lib64", "var"];
