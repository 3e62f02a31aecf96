/// A file that Flagstone itself puts into the initrd.
pub(super) struct OwnFile {
    pub(super) path: &'static str,
    pub(super) mode: u16,
    pub(super) text: &'static str,
}

pub(super) const OWN_FILES: [OwnFile; 12] = [
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-reset.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-reset.service"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-reset",
        mode: 0o755,
        text: include_str!("../../assets/initrd-reset"),
    },
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
        path: "usr/lib/systemd/system/systemd-udev-trigger.service.d/60-initrd.conf",
        mode: 0o644,
        text: include_str!("../../assets/udev-trigger.conf"),
    },
    OwnFile {
        path: "usr/lib/udev/rules.d/61-flagstone.rules",
        mode: 0o644,
        text: include_str!("../../assets/nowatch.rules"),
    },
    // What is wrong with ROOT is for whoever looks at the console.
    OwnFile {
        path: "usr/lib/systemd/system/systemd-fsck-root.service.d/50-console.conf",
        mode: 0o644,
        text: "[Service]\nStandardOutput=journal+console\nStandardError=journal+console\n",
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-disk",
        mode: 0o755,
        text: include_str!("../../assets/initrd-disk"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-mark-root",
        mode: 0o755,
        text: include_str!("../../assets/initrd-mark-root"),
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
pub(super) const OWN_LINKS: [(&str, &str); 11] = [
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
        "usr/lib/systemd/system/initrd-root-device.target.requires/flagstone-reset.service",
        "../flagstone-reset.service",
    ),
    (
        "usr/lib/systemd/system/initrd-fs.target.requires/flagstone-sysroot.service",
        "../flagstone-sysroot.service",
    ),
];

/// Directories that the kernel and systemd mount over or write to.
pub(super) const OWN_DIRECTORIES: [&str; 10] =
    ["dev", "etc", "proc", "root", "run", "sys", "sysroot", "tmp", "usr/lib64", "var"];

/// Where Debian's package keeps Ignition, for initrds alone; the image of a tree that has it keeps it elsewhere
/// (`flagstone_rootfs::IGNITION_PROGRAM`), and the initrd runs it from there.
pub(super) const IGNITION: &str = "usr/lib/dracut/modules.d/30ignition/ignition";

/// Has a stage of Ignition say what it does where its unit's output goes: the first four write to the journal
/// of an initrd alone, which nobody sees when they fail.
macro_rules! spoken_stage {
    ($stage:literal) => {
        OwnFile {
            path: concat!("usr/lib/systemd/system/ignition-", $stage, ".service.d/60-console.conf"),
            mode: 0o644,
            text: concat!(
                "[Service]\nExecStart=\n",
                "ExecStart=/usr/bin/ignition --root=/sysroot --platform=${PLATFORM_ID} --stage=",
                $stage,
                " --log-to-stdout\n"
            ),
        }
    };
}

/// Has a stage of Ignition run only where the one before it went well: its own units are ordered, no more, and one
/// that failed would not keep the last from running, nor the machine from being called provisioned.
macro_rules! later_stage {
    ($stage:literal, $before:literal) => {
        OwnFile {
            path: concat!("usr/lib/systemd/system/ignition-", $stage, ".service.d/55-order.conf"),
            mode: 0o644,
            text: concat!(
                "[Unit]\nRequires=ignition-",
                $before,
                ".service\nAfter=ignition-",
                $before,
                ".service\n"
            ),
        }
    };
}

/// Has what follows a stage that fetches find out which stages have something to do.
macro_rules! fetching_stage {
    ($stage:literal) => {
        OwnFile {
            path: concat!("usr/lib/systemd/system/ignition-", $stage, ".service.d/70-stages.conf"),
            mode: 0o644,
            text: "[Service]\nExecStartPost=/usr/lib/flagstone/initrd-stages\n",
        }
    };
}

/// Has a stage run only if the configuration has something for it.
macro_rules! optional_stage {
    ($stage:literal) => {
        OwnFile {
            path: concat!("usr/lib/systemd/system/ignition-", $stage, ".service.d/70-stages.conf"),
            mode: 0o644,
            text: concat!("[Unit]\nConditionPathExists=/run/flagstone/stages/", $stage, "\n"),
        }
    };
}

/// What goes with Ignition.
pub(super) const IGNITION_FILES: [OwnFile; 34] = [
    fetching_stage!("fetch-offline"),
    fetching_stage!("fetch"),
    optional_stage!("kargs"),
    optional_stage!("disks"),
    optional_stage!("mount"),
    OwnFile {
        path: "usr/lib/flagstone/initrd-stages",
        mode: 0o755,
        text: include_str!("../../assets/initrd-stages"),
    },
    // Nobody watches what is written to disks (61-flagstone.rules).
    OwnFile {
        path: "usr/lib/systemd/system/ignition-disks.service.d/75-udev.conf",
        mode: 0o644,
        text: "[Service]\nExecStartPost=/usr/bin/udevadm trigger --settle --subsystem-match=block\n",
    },
    OwnFile {
        path: "usr/bin/clevis",
        mode: 0o755,
        text: include_str!("../../assets/initrd-clevis"),
    },
    OwnFile {
        path: "usr/sbin/ignition-kargs-helper",
        mode: 0o755,
        text: include_str!("../../assets/initrd-kargs"),
    },
    later_stage!("fetch", "fetch-offline"),
    later_stage!("kargs", "fetch"),
    later_stage!("disks", "kargs"),
    later_stage!("mount", "disks"),
    later_stage!("files", "mount"),
    spoken_stage!("fetch-offline"),
    spoken_stage!("fetch"),
    spoken_stage!("kargs"),
    spoken_stage!("disks"),
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-first-boot.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-first-boot.service"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-ignition-network.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-ignition-network.service"),
    },
    // What is made of ROOT, and in it, needs what was to be done before.
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-sysroot.service.d/50-ignition.conf",
        mode: 0o644,
        text: "[Unit]\nRequires=ignition-mount.service\nAfter=ignition-mount.service\n",
    },
    OwnFile {
        path: "usr/lib/systemd/system/ignition-files.service.d/56-sysroot.conf",
        mode: 0o644,
        text: "[Unit]\nRequires=flagstone-sysroot.service\nAfter=flagstone-sysroot.service\n",
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-provisioned",
        mode: 0o755,
        text: include_str!("../../assets/initrd-provisioned"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-provisioned.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-provisioned.service"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/run-flagstone-usr.mount",
        mode: 0o644,
        text: include_str!("../../assets/run-flagstone-usr.mount"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/usr-lib-modules.mount",
        mode: 0o644,
        text: include_str!("../../assets/usr-lib-modules.mount"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/flagstone-drivers.service",
        mode: 0o644,
        text: include_str!("../../assets/flagstone-drivers.service"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-drivers",
        mode: 0o755,
        text: include_str!("../../assets/initrd-drivers"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/ignition-.service.d/50-flagstone.conf",
        mode: 0o644,
        text: include_str!("../../assets/ignition.conf"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/ignition-mount.service.d/60-selinux.conf",
        mode: 0o644,
        text: include_str!("../../assets/ignition-selinux.conf"),
    },
    OwnFile {
        path: "usr/lib/systemd/system/ignition-files.service.d/60-selinux.conf",
        mode: 0o644,
        text: include_str!("../../assets/ignition-selinux.conf"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-first-boot",
        mode: 0o755,
        text: include_str!("../../assets/initrd-first-boot"),
    },
    OwnFile {
        path: "usr/lib/flagstone/initrd-platform",
        mode: 0o755,
        text: include_str!("../../assets/initrd-platform"),
    },
    OwnFile { path: "usr/sbin/setfiles", mode: 0o755, text: include_str!("../../assets/setfiles") },
];

/// What pulls its stages in.
pub(super) const IGNITION_LINKS: [(&str, &str); 14] = [
    ("usr/bin/ignition", "../../run/flagstone/usr/lib/flagstone/ignition"),
    // What is written at boot lies in /run: /usr is read-only to services, in the initrd too.
    ("usr/lib/ignition/user.ign", "../../../run/flagstone/user.ign"),
    ("etc/resolv.conf", "../run/systemd/resolve/resolv.conf"),
    (
        "usr/lib/systemd/system/initrd.target.requires/ignition-complete.target",
        "../ignition-complete.target",
    ),
    (
        "usr/lib/systemd/system/initrd.target.requires/flagstone-provisioned.service",
        "../flagstone-provisioned.service",
    ),
    (
        "usr/lib/systemd/system/sysinit.target.wants/systemd-network-generator.service",
        "../systemd-network-generator.service",
    ),
    // Without it Ignition does what it can.
    (
        "usr/lib/systemd/system/ignition-complete.target.wants/flagstone-drivers.service",
        "../flagstone-drivers.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-fetch-offline.service",
        "../ignition-fetch-offline.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/flagstone-ignition-network.service",
        "../flagstone-ignition-network.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-fetch.service",
        "../ignition-fetch.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-kargs.service",
        "../ignition-kargs.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-disks.service",
        "../ignition-disks.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-mount.service",
        "../ignition-mount.service",
    ),
    (
        "usr/lib/systemd/system/ignition-complete.target.requires/ignition-files.service",
        "../ignition-files.service",
    ),
];
