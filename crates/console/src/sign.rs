//! Lines that say why a boot stopped.

use crate::Stage;

/// Words that stand together in one line, and what they mean.
#[derive(Debug)]
pub(crate) struct Sign {
    /// All of these are in the line.
    pub(crate) words: &'static [&'static str],
    /// The stage; where a line may come from any, none.
    pub(crate) stage: Option<Stage>,
    /// The likely cause.
    pub(crate) cause: &'static str,
    /// What a person can do.
    pub(crate) hint: &'static str,
}

const fn sign(
    stage: Stage,
    words: &'static [&'static str],
    cause: &'static str,
    hint: &'static str,
) -> Sign {
    Sign { words, stage: Some(stage), cause, hint }
}

const CHECK_IGNITION: &str = "run `flagstone ignition check` on the configuration";
const WRITE_AGAIN: &str =
    "write the image anew; if it comes back, the disk loses data, or somebody changed it";
const BOOT_DISK: &str = "see that the disk is there, has the whole image on it, and comes first in the firmware's order";
const OTHER_KERNEL: &str = "report it with the console's text; under emulation without KVM, try again: \
                            some kernels trip over the emulator";
const MEMORY: &str =
    "give the machine more memory; from the network it needs the size of /usr besides";

/// Root causes, those that explain others first: the first in this order that a boot shows is taken.
pub(crate) const CAUSES: [Sign; 42] = [
    sign(
        Stage::Verity,
        &["device-mapper: verity: ", " is corrupted"],
        "a block of /usr or of its hash tree is not what the signed root hash says",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["dm-verity device corrupted"],
        "a block of /usr or of its hash tree is not what the signed root hash says",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["Verity device detected corruption"],
        "the hash tree of /usr does not lead to the root hash of the kernel image",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["VERITY header corrupted"],
        "the partition of the hash tree has no dm-verity superblock",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["is not a valid VERITY device"],
        "the partition of the hash tree has no dm-verity superblock",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["erofs", "(device dm-", "cannot find valid erofs superblock"],
        "/usr holds no EROFS file system",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Verity,
        &["erofs", "unidentified incompatible feature"],
        "this kernel cannot read the EROFS of /usr",
        "choose another [usr] compression in the recipe, or a newer kernel",
    ),
    sign(
        Stage::Verity,
        &["Timed out waiting for device dev-disk-by\\x2dpartuuid"],
        "no disk has the slot that belongs to this kernel image",
        "see that the disk has a driver in the initrd ([initrd] modules) and holds the partitions of this version",
    ),
    sign(
        Stage::Firmware,
        &["BdsDxe: No bootable option or device was found"],
        "the firmware found nothing to boot",
        BOOT_DISK,
    ),
    sign(
        Stage::Firmware,
        &["BdsDxe: failed to load Boot", "Access Denied"],
        "Secure Boot refused the loader: nobody that the firmware trusts has signed it",
        "enrol the key that the image is signed by, or switch Secure Boot off",
    ),
    sign(
        Stage::Loader,
        &["No loader found. Configuration files"],
        "the EFI system partition has no kernel image that may be started",
        "look into EFI/Linux of the partition EFI-SYSTEM: entries whose tries are used up come last, others need their name back",
    ),
    sign(
        Stage::Loader,
        &["Unable to locate embedded .linux section"],
        "the kernel image is cut off",
        "write the file in EFI/Linux anew: its digest is in the manifest",
    ),
    sign(
        Stage::Loader,
        &["Bad kernel image"],
        "the kernel image is damaged",
        "write the file in EFI/Linux anew: its digest is in the manifest",
    ),
    sign(
        Stage::Loader,
        &["Error loading kernel image", "Security Violation"],
        "Secure Boot refused the kernel image",
        "sign the kernel image with a key that the firmware trusts",
    ),
    sign(
        Stage::Loader,
        &["Failed to execute ", "efi"],
        "the loader could not start the kernel image",
        "write the file in EFI/Linux anew: its digest is in the manifest",
    ),
    sign(
        Stage::Loader,
        &["Error loading ", ".efi: "],
        "the loader could not read the kernel image",
        "write the file in EFI/Linux anew: its digest is in the manifest",
    ),
    sign(
        Stage::Kernel,
        &["EFI stub: ERROR: "],
        "the kernel cannot be started by this firmware",
        MEMORY,
    ),
    sign(
        Stage::Kernel,
        &["Initramfs unpacking failed"],
        "the initrd is damaged, or does not fit into memory",
        MEMORY,
    ),
    sign(
        Stage::Kernel,
        &["Kernel panic", "System is deadlocked on memory"],
        "the memory does not suffice",
        MEMORY,
    ),
    sign(
        Stage::Kernel,
        &["Kernel panic", "Unable to mount root fs"],
        "the kernel found no initrd that it can start",
        "see that cmdline has no rdinit=, and that the initrd came along",
    ),
    sign(
        Stage::Kernel,
        &["Kernel panic", "No working init found"],
        "the kernel found no program to start",
        "see that cmdline has neither rdinit= nor init=",
    ),
    sign(
        Stage::Ignition,
        &["flagstone.ignition.url= "],
        "the argument flagstone.ignition.url= is not complete",
        "give address and flagstone.ignition.sha256= with 64 digits",
    ),
    sign(
        Stage::Ignition,
        &["hash verification failed (calculated"],
        "what Ignition fetched has another digest than the configuration says",
        "take the digest of what the server has now, or put the file back",
    ),
    sign(
        Stage::Ignition,
        &["ignition[", "unsupported config version"],
        "the configuration is for another version of Ignition",
        CHECK_IGNITION,
    ),
    sign(
        Stage::Ignition,
        &["ignition[", "config is not valid"],
        "the configuration is wrong",
        CHECK_IGNITION,
    ),
    sign(
        Stage::Ignition,
        &["ignition[", "unable to fetch resource in time"],
        "the server of the configuration did not answer in time",
        "see that the machine has a network, and reaches the address",
    ),
    sign(
        Stage::Ignition,
        &["ignition[", "failed to fetch config"],
        "the configuration could not be had",
        "see that the machine has a network, and reaches the address",
    ),
    sign(
        Stage::Ignition,
        &["ignition[", "failed to wait on ", " devs"],
        "a disk or partition of the configuration is not there",
        "see that the disk is there, and how it is called below /dev/disk",
    ),
    sign(Stage::Ignition, &["Ignition failed: "], "a stage of Ignition failed", CHECK_IGNITION),
    sign(
        Stage::Root,
        &["is not empty, and has no partition with the label ROOT"],
        "the disk that is to keep the root holds something else",
        "wipe the disk, or name another with flagstone.root-disk=",
    ),
    sign(
        Stage::Root,
        &["flagstone.root-disk=", "there is no such disk"],
        "there is no disk of the name that flagstone.root-disk= gives",
        "name it as below /dev/disk; its driver must be in the initrd",
    ),
    sign(
        Stage::Root,
        &["Timed out waiting for device dev-disk-by\\x2dpartlabel-ROOT"],
        "no disk has a partition ROOT",
        BOOT_DISK,
    ),
    sign(
        Stage::Root,
        &["ROOT: the TPM does not give the key"],
        "the TPM does not give the key of ROOT: it is another board's, or firmware or Secure Boot keys have changed",
        "put the disk back into its board, or firmware and keys to what they were; if the state is lost, wipe ROOT",
    ),
    sign(
        Stage::Root,
        &["ROOT: this machine"],
        "ROOT is to be encrypted, and this machine or what is on its disk is not made for that",
        "see the line: switch the TPM on in the firmware, or wipe ROOT",
    ),
    sign(
        Stage::Root,
        &["ROOT: its file system cannot be found any more"],
        "the file system of ROOT has lost its beginning",
        "from another system, try fsck.ext4 -b 32768 on ROOT; the lines before it say how to begin anew",
    ),
    sign(
        Stage::Root,
        &["ROOT: it is read-only"],
        "ROOT cannot be written to",
        "see that the disk is not write-protected, and look for its errors in the lines before it",
    ),
    sign(
        Stage::Root,
        &["UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY"],
        "the file system of ROOT is damaged, and cannot be repaired without a decision",
        "run fsck on ROOT from another system, or wipe it: the machine is then provisioned anew",
    ),
    sign(
        Stage::Root,
        &["does not seem to be an OS tree"],
        "the new root has no system: /usr is not mounted below it",
        WRITE_AGAIN,
    ),
    sign(
        Stage::Unit,
        &[" is not good: "],
        "the system did not find itself healthy",
        "look at the unit or check that the line names: `systemctl status`, `journalctl -b`",
    ),
    sign(
        Stage::Unit,
        &["systemd[1]: Caught <", ">, "],
        "systemd itself crashed",
        "report it with the console's text",
    ),
    sign(Stage::Kernel, &["Oops: "], "the kernel made a mistake", OTHER_KERNEL),
    sign(Stage::Kernel, &["BUG: "], "the kernel made a mistake", OTHER_KERNEL),
];

/// What only says that something went wrong before, for boots that show nothing better.
pub(crate) const CONSEQUENCES: [Sign; 9] = [
    sign(
        Stage::Kernel,
        &["Kernel panic", "Fatal exception"],
        "the kernel made a mistake",
        OTHER_KERNEL,
    ),
    Sign {
        words: &["Kernel panic", "Attempted to kill init"],
        stage: None,
        cause: "the first process ended",
        hint: "see the lines before it",
    },
    Sign {
        words: &["EXT4-fs error"],
        stage: Some(Stage::Root),
        cause: "the file system of ROOT is damaged",
        hint: "run fsck on ROOT from another system, or wipe it",
    },
    Sign {
        words: &["I/O error, dev "],
        stage: None,
        cause: "a disk gave an error",
        hint: "look at the disk: cable, controller, SMART values",
    },
    Sign {
        words: &["Out of memory: Killed process"],
        stage: None,
        cause: "the memory does not suffice",
        hint: MEMORY,
    },
    Sign {
        words: &["the initrd failed; starting again"],
        stage: None,
        cause: "a unit of the initrd failed",
        hint: "see the lines before it",
    },
    Sign {
        words: &["You are in emergency mode"],
        stage: None,
        cause: "a unit that is needed failed",
        hint: "log in at the console, or see the lines before it",
    },
    Sign {
        words: &["Kernel panic - not syncing"],
        stage: None,
        cause: "the kernel stopped",
        hint: "see the lines before it",
    },
    Sign {
        words: &["Freezing execution"],
        stage: None,
        cause: "systemd stopped",
        hint: "see the lines before it",
    },
];

impl Sign {
    /// Tells whether a line shows it.
    pub(crate) fn is_in(&self, line: &str) -> bool {
        self.words.iter().all(|word| line.contains(word))
    }
}
