//! A machine that is reset.

use std::fs;
use std::time::Duration;

use crate::{guest, support};

/// How long both boots may take together, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(15);

#[test]
#[ignore = "boots QEMU"]
fn a_machine_that_is_reset_is_new_but_for_what_is_kept() {
    let dir = support::scratch("smoke-reset");
    let image = support::build_with("base", &["--no-pxe", "--no-disk-sum"], &dir);
    // What people write, for once.
    let ours = dir.join("ours.bu").display().to_string();
    fs::write(&ours, include_str!("guest/node.bu").replace("NAME", "ours")).unwrap();
    let boot = guest::boot_so(
        &image,
        &dir.join("state"),
        LIMIT,
        &guest::Extras {
            arguments: &["--ignition", &ours],
            script: Some("reset.sh".as_ref()),
            restarts_by: Some("update.service"),
            ..guest::Extras::default()
        },
    );
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("1.end"), "yes", "{:#?}; {}", boot.report, boot.diagnosis());
    boot.assert_calm();

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

    // Another machine, but for what was kept; provisioned again.
    for key in ["machine_id", "host_key"] {
        let (before, after) = (of(&format!("0.{key}")), of(&format!("1.{key}")));
        assert!(
            !before.is_empty() && !after.is_empty() && before != after,
            "{key}: {before} {after}"
        );
    }
    assert_eq!((of("0.own"), of("1.own")), ("", "mine"));
    assert_eq!((of("1.left"), of("1.motd")), ("kept", "there"));
    assert_eq!((of("0.provisioned"), of("1.provisioned")), ("ours", "ours"));
    assert_eq!((of("0.unit"), of("1.unit")), ("ran", "ran"));
    assert_eq!((of("0.failed"), of("1.failed")), ("", ""));
    assert!(!of("1.request").split(' ').any(|name| name == "reset"), "{}", of("1.request"));
}
