//! Consoles of machines, real ones and single messages of their components, and what is made of them.
//!
//! `consoles/` has what machines said in QEMU, shortened: `verity.txt` with a changed superblock of /usr,
//! `ignition.txt` with a configuration for a later version, `emulator.txt` with a kernel that tripped over the emulator and
//! was switched off while it restarted, `good.txt` with nothing wrong.

use flagstone_console::{Diagnosis, Stage, diagnose, plain, trouble};

/// A boot up to the initrd.
const INITRD: &str = "BdsDxe: loading Boot0001 \"x\"\nBdsDxe: starting Boot0001 \"x\"\n\
    EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path\n\
    [    0.000000] Linux version 6.12.118\n[    7.9] Run /init as init process\n";

/// A boot up to the system.
const SYSTEM: &str = "[  OK  ] Finished systemd-veritysetup@usr.s…Protection Setup for usr.\n\
    [  OK  ] Mounted sysroot.mount - /sysroot.\n\
    [  OK  ] Reached target initrd-switch-root.target - Switch Root.\n\nWelcome to Flagstone!\n\n";

fn shown(text: &str) -> Diagnosis {
    let diagnosis = diagnose(text).expect("the boot is not complete");
    assert!(diagnosis.is_shown, "nothing shows it: {diagnosis}");
    diagnosis
}

#[test]
fn a_changed_block_is_told_as_such_and_not_as_a_panic() {
    let diagnosis = shown(&plain(include_bytes!("consoles/verity.txt")));
    assert_eq!(diagnosis.stage, Stage::Verity);
    let lines: Vec<&str> = diagnosis.lines.iter().map(|line| line.text.as_str()).collect();
    assert!(lines[0].ends_with("device-mapper: verity: 254:3: data block 0 is corrupted"));
    assert!(lines[1].ends_with("Kernel panic - not syncing: dm-verity device corrupted"));
}

#[test]
fn a_machine_that_was_switched_off_while_it_restarted_is_told_by_the_boot_that_failed() {
    let text = plain(include_bytes!("consoles/emulator.txt"));
    assert!(
        text.trim_end()
            .ends_with("EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path")
    );
    let diagnosis = shown(&text);
    assert_eq!(diagnosis.stage, Stage::Kernel);
    assert!(diagnosis.to_string().contains("Oops: int3"), "{diagnosis}");
}

#[test]
fn a_configuration_for_another_version_is_told_as_such() {
    let diagnosis = shown(&plain(include_bytes!("consoles/ignition.txt")));
    assert_eq!(diagnosis.stage, Stage::Ignition);
    assert_eq!(diagnosis.cause, "the configuration is for another version of Ignition");
    assert_eq!(diagnosis.hint, "run `flagstone ignition check` on the configuration");
}

#[test]
fn a_good_boot_has_neither_a_diagnosis_nor_trouble() {
    let text = plain(include_bytes!("consoles/good.txt"));
    assert_eq!(diagnose(&text), None);
    assert_eq!(trouble(&text), []);
    // What happens while it restarts afterwards is another boot.
    let again = diagnose(&format!("{text}{INITRD}")).unwrap();
    assert_eq!((again.stage, again.is_shown), (Stage::Initrd, false));
}

#[test]
fn a_system_that_is_switched_off_in_good_order_did_not_stop() {
    let end = "[   84.0] reboot: Power down\n";
    assert_eq!(diagnose(&format!("{INITRD}{SYSTEM}{end}")), None);
    assert_eq!(diagnose(&format!("{INITRD}{end}")).unwrap().stage, Stage::Initrd);
    let failed = "[FAILED] Failed to start ssh.service - x.\n";
    assert_eq!(shown(&format!("{INITRD}{SYSTEM}{failed}{end}")).stage, Stage::Unit);
}

#[test]
fn each_stage_is_known_by_what_its_components_say() {
    let initrd = |text: &str| format!("{INITRD}{text}\n");
    let system = |text: &str| format!("{INITRD}{SYSTEM}{text}\n");
    for (text, stage, words) in [
        (initrd("[ 9.1] initrd-disk[170]: ROOT: the TPM does not give the key: another board, or"), Stage::Root, "TPM"),
        (initrd("[ 9.1] initrd-disk[170]: ROOT: this machine has no TPM 2.0, which keeps the key"), Stage::Root, "encrypted"),
        (initrd("[ 9.1] initrd-disk[170]: ROOT: its file system cannot be found any more, and nothing"), Stage::Root, "beginning"),
        (
            initrd("[ 9.1] initrd-sysroot[300]: ROOT: it is read-only, and a machine keeps its state there: its disk"),
            Stage::Root,
            "written",
        ),
        (
            initrd("[ 9.1] ignition[262]: CRITICAL : Ignition failed: create partitions failed: failed to wait on disks devs: x"),
            Stage::Ignition,
            "not there",
        ),
        ("BdsDxe: No bootable option or device was found.\n".to_owned(), Stage::Firmware, "nothing to boot"),
        (
            "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0): Access Denied".into(),
            Stage::Firmware,
            "Secure Boot",
        ),
        (
            "BdsDxe: starting Boot0001 \"x\"\nNo loader found. Configuration files in \\loader\\entries\\*.conf are needed.".into(),
            Stage::Loader,
            "no kernel image",
        ),
        ("BdsDxe: starting Boot0001\nBad kernel image: Load Error".into(), Stage::Loader, "damaged"),
        (
            initrd("[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
            Stage::Kernel,
            "no initrd",
        ),
        (initrd("[    1.1] Initramfs unpacking failed: ZSTD-compressed data is corrupt"), Stage::Kernel, "memory"),
        (
            initrd("[ TIME ] Timed out waiting for device dev-disk-by\\x2dpartuuid-3eb5…evice - /dev/disk"),
            Stage::Verity,
            "no disk has the slot",
        ),
        (initrd("[FAILED] Failed to mount sysusr-usr.mount - /sysusr/usr."), Stage::Verity, "sysusr-usr.mount did not mount"),
        (initrd("[FAILED] Failed to start systemd-udevd.service - x."), Stage::Initrd, "systemd-udevd.service did not start"),
        (
            initrd("[   9.1] ignition[279]: CRITICAL : failed to fetch config: unable to fetch resource in time"),
            Stage::Ignition,
            "did not answer",
        ),
        (
            initrd(
                "[   9.1] ignition[244]: INFO     : failed to fetch config: resource requires networking\n\
                 [   9.2] ignition[279]: CRITICAL : Ignition failed: failed to fetch config: config is not valid",
            ),
            Stage::Ignition,
            "the configuration is wrong",
        ),
        (
            initrd(
                "[   9.1] ignition[244]: INFO     : failed to fetch config: resource requires networking\n\
                 [FAILED] Failed to start systemd-udevd.service - x.",
            ),
            Stage::Initrd,
            "systemd-udevd.service did not start",
        ),
        (
            initrd("[   9.1] initrd-first-boot[9]: first boot: flagstone.ignition.url= needs flagstone.ignition.sha256= with 64"),
            Stage::Ignition,
            "not complete",
        ),
        (initrd("[FAILED] Failed to start ignition-fetch-off…service - Ignition."), Stage::Ignition, "ignition-fetch-off… did not start"),
        (initrd("fsck: ROOT: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY."), Stage::Root, "cannot be repaired"),
        (initrd("[FAILED] Failed to start flagstone-disk.service - Prepare the Disk."), Stage::Root, "flagstone-disk.service"),
        (
            initrd("initrd-root-disk[7]: /dev/sda is not empty, and has no partition with the label ROOT; to use it, wipe it first"),
            Stage::Root,
            "something else",
        ),
        (system("[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server."), Stage::Unit, "ssh.service did not start"),
        (
            system("[   70.1] flagstone-agent[700]: version 0.5 is not good: check 10-never failed (exit status: 7)"),
            Stage::Unit,
            "healthy",
        ),
        (system("You are in emergency mode. After logging in, type"), Stage::Unit, "a unit that is needed"),
        (system("[   99.1] EXT4-fs error (device vda9): ext4_lookup:1"), Stage::Root, "damaged"),
    ] {
        let diagnosis = shown(&text);
        assert_eq!(diagnosis.stage, stage, "{text}");
        assert!(diagnosis.cause.contains(words), "{text}: {}", diagnosis.cause);
        assert!(!diagnosis.lines.is_empty() && !diagnosis.hint.is_empty());
    }
}

#[test]
fn silence_is_placed_by_what_went_well() {
    for (text, stage) in [
        ("", Stage::Firmware),
        ("BdsDxe: loading Boot0001\nBdsDxe: starting Boot0001\n", Stage::Loader),
        ("BdsDxe: starting Boot0001\nEFI stub: x\n", Stage::Kernel),
        (INITRD, Stage::Initrd),
        (
            &format!("{INITRD}         Starting ignition-fetch.service - Ignition\n"),
            Stage::Ignition,
        ),
        (&format!("{INITRD}{SYSTEM}"), Stage::Unit),
        ("Debian GNU/Linux 13 box ttyS0\n\nbox login: ", Stage::Unit),
    ] {
        let diagnosis = diagnose(text).unwrap();
        assert_eq!((diagnosis.stage, diagnosis.is_shown), (stage, false), "{text}");
    }
    let waits = format!(
        "{INITRD}[ ***  ] (2 of 2) Job systemd-veritysetup@us…ice/start running (12s / no limit)\n"
    );
    assert_eq!(diagnose(&waits).unwrap().cause, "it was waiting for a unit");
}

#[test]
fn words_on_the_kernels_command_line_are_no_sign() {
    let line = "[    0.000000] Kernel command line: x=Kernel panic BUG: Oops: emergency.target\n";
    let text = format!("{INITRD}{line}");
    assert!(!diagnose(&text).unwrap().is_shown);
    assert_eq!(trouble(&text), []);
}

#[test]
fn every_kind_of_trouble_is_found() {
    for line in [
        "[    1.1] Kernel panic - not syncing: x",
        "[    1.1] Internal error: Oops: 0000000096000004 [#1] SMP",
        "[    1.1] BUG: kernel NULL pointer dereference, address: 0",
        "[    1.1] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2",
        "[    1.1] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [x:1]",
        "[    1.1] INFO: task mount:12 blocked for more than 120 seconds.",
        "[    1.1] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[    1.1] Out of memory: Killed process 99 (x)",
        "[    1.1] x[99]: segfault at 0 ip 0 sp 0 error 4 in x",
        "[    1.1] systemd[1]: x.service: Main process exited, code=dumped, status=11/SEGV",
        "[    1.1] systemd-coredump[9]: Process 9 (x) of user 0 dumped core.",
        "[    1.1] ignition[9]: panic: runtime error: index out of range",
        "[    1.1] flagstone-agent[9]: thread 'main' panicked at src/main.rs:1:1:",
        "[    1.1] I/O error, dev vda, sector 2048 op 0x0:(READ)",
        "[    1.1] EXT4-fs error (device vda9): ext4_lookup:1",
        "[    1.1] EXT4-fs (vda9): Delayed block allocation failed for inode 1 at logical offset 0",
        "[    1.1] device-mapper: verity: 254:3: data block 0 is corrupted",
        "[    1.1] systemd[1]: basic.target: Found ordering cycle on x.service/start",
        "You are in emergency mode. After logging in, type \"journalctl -xb\"",
        "[    1.1] bash[9]: the initrd failed; starting again in 10 seconds",
        "[FAILED] Failed to start x.service - X.",
        "[DEPEND] Dependency failed for x.target - X.",
        "[ TIME ] Timed out waiting for device dev-x.device - /dev/x.",
        "[    1.1] ignition[9]: CRITICAL : Ignition failed: x",
        "[    1.1] systemd[1]: Freezing execution.",
        "[    1.1] (sd-exec-[9]: /usr/lib/systemd/system-generators/x failed with exit status 1.",
    ] {
        let found = trouble(line);
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(found[0].line.to_string(), format!("line 1: {line}"));
    }
    let harmless = "(sd-exec-[9]: /usr/lib/systemd/system-generators/systemd-ssh-generator failed with exit status 1.";
    assert_eq!(trouble(harmless), []);
}

#[test]
fn a_console_that_is_cut_anywhere_is_read_all_the_same() {
    for log in [
        &include_bytes!("consoles/verity.txt")[..],
        include_bytes!("consoles/emulator.txt"),
        include_bytes!("consoles/ignition.txt"),
        include_bytes!("consoles/good.txt"),
    ] {
        for end in (0..log.len()).step_by(61) {
            let text = plain(&log[..end]);
            let lines = text.lines().count();
            for line in diagnose(&text).iter().flat_map(|diagnosis| &diagnosis.lines) {
                assert!((1..=lines).contains(&line.number), "at {end}: {line}");
            }
        }
    }
}
