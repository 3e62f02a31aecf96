//! What went well: by it, a boot that says nothing more is placed.

use crate::Stage;

/// Words, and the stage that a machine is in once it has said them.
const MILESTONES: [(&str, Stage); 23] = [
    ("BdsDxe: starting Boot", Stage::Loader),
    ("EFI stub:", Stage::Kernel),
    ("] Linux version ", Stage::Kernel),
    ("Run /init as init process", Stage::Initrd),
    ("Running in initrd", Stage::Initrd),
    ("Starting systemd-veritysetup@usr", Stage::Verity),
    ("Finished systemd-veritysetup@usr", Stage::Initrd),
    ("Starting flagstone-usr.service", Stage::Verity),
    ("Finished flagstone-usr.service", Stage::Initrd),
    ("Starting flagstone-disk.service", Stage::Root),
    ("Finished flagstone-disk.service", Stage::Initrd),
    ("Starting flagstone-reset.service", Stage::Root),
    ("Finished flagstone-reset.service", Stage::Initrd),
    ("Starting flagstone-first-boot.serv", Stage::Ignition),
    ("Finished flagstone-first-boot.serv", Stage::Initrd),
    ("Starting ignition-", Stage::Ignition),
    ("Finished ignition-", Stage::Initrd),
    ("Starting systemd-fsck-root.service", Stage::Root),
    ("Mounting sysroot.mount", Stage::Root),
    ("Mounted sysroot.mount", Stage::Initrd),
    ("Starting flagstone-sysroot.service", Stage::Root),
    ("Finished flagstone-sysroot.service", Stage::Initrd),
    ("Reached target initrd-switch-root.target", Stage::Unit),
];

/// What systemd says when the boot is found good.
const COMPLETE: &str = "Reached target boot-complete.target";

/// How far a boot has come, line by line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) stage: Stage,
    pub(crate) complete: bool,
}

impl Progress {
    pub(crate) const fn new() -> Self {
        Self { stage: Stage::Firmware, complete: false }
    }

    /// Takes a line into account. Once the system runs, or a target says so, nothing leads back.
    pub(crate) fn see(&mut self, line: &str) {
        self.complete |= line.contains(COMPLETE);
        if self.stage == Stage::Unit {
            return;
        }
        let reached = MILESTONES.iter().find(|(words, _)| line.contains(words));
        if let Some((_, stage)) = reached
            && (*stage >= Stage::Initrd || *stage > self.stage)
        {
            self.stage = *stage;
        }
        // The new root's manager greets whoever is there; a console that is quiet still asks for a log-in.
        if line.starts_with("Welcome to ") || line.trim_end().ends_with(" login:") {
            self.stage = Stage::Unit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_goes_from_stage_to_stage() {
        let mut progress = Progress::new();
        let mut after = |line: &str| {
            progress.see(line);
            (progress.stage, progress.complete)
        };
        for (line, stage) in [
            ("", Stage::Firmware),
            ("BdsDxe: loading Boot0001", Stage::Firmware),
            ("BdsDxe: starting Boot0001 \"UEFI Misc Device\"", Stage::Loader),
            ("EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID", Stage::Kernel),
            ("[    7.968145] Run /init as init process", Stage::Initrd),
            ("         Starting systemd-veritysetup@usr.s…", Stage::Verity),
            (
                "[  OK  ] Finished systemd-veritysetup@usr.s…Protection Setup for usr.",
                Stage::Initrd,
            ),
            ("         Starting ignition-disks.service", Stage::Ignition),
            ("[  OK  ] Finished ignition-disks.service", Stage::Initrd),
            ("         Mounting sysroot.mount - /sysroot...", Stage::Root),
            ("[  OK  ] Mounted sysroot.mount - /sysroot.", Stage::Initrd),
            ("[  OK  ] Reached target initrd-switch-root.target - Switch Root.", Stage::Unit),
            ("         Starting ignition-delete-config.service", Stage::Unit),
        ] {
            assert_eq!(after(line), (stage, false), "{line}");
        }
        assert!(after("[  OK  ] Reached target boot-complete.target - Boot Completion Check.").1);
    }
}
