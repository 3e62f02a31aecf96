//! A machine whose ROOT is encrypted, with a key that its TPM keeps: it is provisioned from Butane, reset, provisioned
//! again, and stolen.

use std::fs;
use std::time::Duration;

use flagstone_console::Stage;

use super::{assert_provisioned, assert_sound, manifest};
use crate::{guest, support};

/// How long the boots before and after the reset may take together, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(20);

const RECIPE: &str = "extends = \"base\"\n\
    [image]\nid = \"sealed\"\n\
    [disk]\nroot-encryption = \"tpm2\"\n\
    [packages]\nadd = [\"libtss2-esys-3.0.2-0t64\", \"libtss2-rc0t64\"]\n";

#[test]
#[ignore = "boots QEMU"]
fn an_encrypted_root_is_reset_and_opens_on_its_own_machine_alone() {
    let dir = support::scratch("smoke-sealing");
    fs::write(dir.join("sealed.toml"), RECIPE).unwrap();
    let image = support::build_with("./sealed.toml", &["--no-pxe", "--no-disk-sum"], &dir);
    let state = dir.join("state");
    // What people write, for once.
    let ours = dir.join("ours.bu").display().to_string();
    fs::write(&ours, include_str!("guest/node.bu").replace("NAME", "ours")).unwrap();
    let (smoke, sealed) = (include_str!("guest/smoke.sh"), include_str!("guest/sealed.sh"));
    let reset = include_str!("guest/reset.sh");
    let script = format!("if [ -e /srv/kept/step ]; then\n{smoke}\n{sealed}\nfi\n{reset}");
    fs::write(dir.join("sealed.sh"), script).unwrap();
    let script = dir.join("sealed.sh");
    let mut extras = guest::Extras {
        arguments: &["--tpm", "--ignition", &ours],
        script: Some(&script),
        restarts_by: Some("update.service"),
        ..guest::Extras::default()
    };
    let boot = guest::boot_so(&image, &state, LIMIT, &extras);
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("1.end"), "yes", "{:#?}; {}", boot.report, boot.diagnosis());
    assert_reset(&boot);
    assert_sound(&boot, &manifest(&dir.join("out")));
    assert_provisioned(&boot, "ours");
    assert_eq!(of("root_source"), "/dev/mapper/root");
    // One key, which is the TPM's, and its cipher.
    assert_eq!(of("luks"), "2 slots=1 tokens=systemd-tpm2 label=flagstone-root");
    assert_eq!(of("cipher"), "aes-xts-plain64");
    // It fills the disk.
    assert!(of("root_bytes").parse::<u64>().unwrap() > 4 << 30);
    assert_eq!(of("left"), "");

    // Another board: its TPM never saw the key.
    fs::remove_dir_all(state.join("tpm")).unwrap();
    extras.restarts_by = None;
    extras.ends_when_failed = true;
    let stolen = guest::boot_so(&image, &state, super::LIMIT, &extras);
    assert_eq!(stolen.report.get("end"), None, "{:?}", stolen.report);
    assert_eq!(stolen.stopped_at(), Some(Stage::Root), "{}", stolen.diagnosis());
    assert!(stolen.diagnosis().contains("the TPM does not give the key"), "{}", stolen.diagnosis());
}

/// Checks that the machine is another one since it was reset, but for what was kept.
fn assert_reset(boot: &guest::Boot) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    // What the machine made its own, and what it took back.
    let diff = "added    /etc/own;changed  /etc/machine-id (content);removed  /etc/motd;\
                same     /etc/issue (as the default, but does not follow updates);";
    assert_eq!(of("0.diff"), diff);
    assert_eq!(of("0.differs"), "1");
    // What is not asked for clearly is not done.
    assert!(
        of("0.missing").starts_with("1 error: /srv/nothing cannot be kept"),
        "{}",
        of("0.missing")
    );
    assert!(of("0.unasked").starts_with("2 "), "{}", of("0.unasked"));

    for key in ["machine_id", "host_key"] {
        let (before, after) = (of(&format!("0.{key}")), of(&format!("1.{key}")));
        assert!(
            !before.is_empty() && !after.is_empty() && before != after,
            "{key}: {before} {after}"
        );
    }
    assert_eq!((of("0.own"), of("1.own")), ("", "mine"));
    assert_eq!((of("1.left"), of("1.motd")), ("kept", "there"));
    // Provisioned again.
    assert_eq!((of("0.provisioned"), of("1.provisioned")), ("ours", "ours"));
    assert_eq!((of("0.unit"), of("1.unit")), ("ran", "ran"));
    assert_eq!((of("0.failed"), of("1.failed")), ("", ""));
    assert!(!of("1.request").split(' ').any(|name| name == "reset"), "{}", of("1.request"));
}
